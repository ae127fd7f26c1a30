"""Hooks of a training: logs, output, checkpoints and checks."""
