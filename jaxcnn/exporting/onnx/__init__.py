"""Writes nets as ONNX: the operations of a net's jaxpr, one by one, with channels before height and width.

`walk` goes through the jaxpr; `elementwise`, `axes` and `windows` have what is written for each primitive. A `Value`
knows in which order its axes stand in the graph, so that a transposition is written only where an operation needs it.
"""
