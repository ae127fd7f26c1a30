"""The contenders of `benchmark step`: our step and PyTorch's, each in a process of its own."""
