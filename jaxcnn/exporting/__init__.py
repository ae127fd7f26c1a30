"""A trained net in files that other programs read: its weights, or a program that computes it."""
