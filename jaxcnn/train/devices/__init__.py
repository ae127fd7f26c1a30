"""The devices of a run, and its processes."""
