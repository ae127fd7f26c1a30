"""Runs compared: by the same examples, by the same seeds, and which differences are more than chance."""
