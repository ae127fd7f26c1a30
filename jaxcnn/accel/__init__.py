"""Forms of operations that are faster on one platform. They are applied from outside: only `jaxcnn.train` uses them."""
