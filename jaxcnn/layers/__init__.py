"""Linen modules over jaxcnn.ops, and the words that choose among them."""
