"""Makes batches of examples: their order, and pipelines that keep images on the device or stream them."""
