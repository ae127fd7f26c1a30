"""Forms of operations that are faster on one platform, applied from outside: layers and models do not know them."""
