"""Forms of operations that XLA on a CPU computes faster than the usual ones."""
