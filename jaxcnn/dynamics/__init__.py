"""What happens in training: steps that are taken again, and what norms do to the values."""
