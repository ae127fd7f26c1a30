"""Searches settings: trains runs with values from a space, and says which are best on validation."""
