"""The run folder: checkpoints, the card, the lock, and its copy where it is in a bucket."""
