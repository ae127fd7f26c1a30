"""The contenders of `benchmark step`: our step and PyTorch's, each in its own process."""
