"""From examples to batches: their order, and the pipelines on the device and streaming."""
