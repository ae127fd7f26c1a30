"""A page about runs: what they are, how they learnt, how good they are and where they fail."""
