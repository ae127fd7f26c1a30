"""Data sets: what they are, preparing, reading, and the way from examples to batches."""
