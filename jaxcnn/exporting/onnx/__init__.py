"""Writes nets as ONNX: the operations of a net's jaxpr, one by one, with channels before height and width.

`walk` goes through the jaxpr. What is written for each primitive is in `elementwise`, `axes`, `parts`, `windows` and
`loops`. A `Value` knows in which order its axes stand in the graph, so that a transposition is written only where an
operation needs it. `tidy` joins nodes, and `write` makes the file and reads it back.
"""
