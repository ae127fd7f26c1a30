"""What XLA for CPUs does slowly, in forms that it does fast."""
