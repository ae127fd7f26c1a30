"""Training: from a config to a trained, evaluated, checkpointed run."""
