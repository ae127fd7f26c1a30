"""What recipes reached, as rows of a table and the line below it. Like `configs`, it imports no jax."""

from jaxcnn.recipes.reached import Reached, listed

RESULTS = ("recipe", "test accuracy", "n", "published")


def result_cells(entry: Reached) -> tuple[str, str, str, str]:
    """Returns the cells of a recipe's row."""
    published = f"{entry.published:g} %" if entry.published is not None else ""
    return entry.name, entry.said, str(len(entry.accuracy) or ""), published


def conditions() -> str:
    """Returns what stands below a table of results."""
    machines = sorted({each.machine for each in listed() if each.accuracy})
    means = "Mean and sample deviation of n seeds, by the last state."
    return f"{means} Measured on {'; '.join(machines)}." if machines else means
