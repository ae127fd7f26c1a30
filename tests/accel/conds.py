"""Counts the conditions of a program."""

from jaxcnn.analysis.trace import _walk


def conds(traced):
    """Returns how many conditions are computed; as text, JAX may show a function once that is called twice."""
    return sum(equation.primitive.name == "cond" for equation, _ in _walk(traced.jaxpr, 1))
