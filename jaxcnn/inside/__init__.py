"""Looking inside a net without weights: its layers, what they cost, and what they see of an image."""
