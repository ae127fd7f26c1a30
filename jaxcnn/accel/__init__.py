"""What makes a net faster on one platform, put on from outside: nothing below `jaxcnn.train` knows of it."""
