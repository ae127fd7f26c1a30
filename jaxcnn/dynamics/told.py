"""A step that was taken again, in words."""

from collections.abc import Iterator

from jaxcnn.dynamics.replayed import Replay

MOST = 10
"""Examples and layers that a terminal shows."""
EXAMPLES = ("loss", "class", "predicted", "index", "file")
LAYERS = ("layer", "gradient", "weights", "update / weights")


def sentences(found: Replay) -> Iterator[str]:
    """Yields what was done, whether it is the same as then, and what the step gave."""
    begun = "the initial state, made again from the seed" if found.checkpoint is None else f"step {found.checkpoint:,}"
    kind = "from" if found.checkpoint is None else "from the checkpoint of"
    taken = f"{found.again:,} steps taken again" if found.again != 1 else "1 step taken again"
    yield f"{found.run}, step {found.step:,}, seed {found.seed}: {kind} {begun}, {taken} before it"
    yield same(found)
    if found.frozen:
        yield f"frozen, so not among the layers below: {', '.join(found.frozen)}"
    if not found.finite:
        yield "the step is not finite, and has changed nothing"
    rate = "" if found.learning_rate is None else f", learning rate {found.learning_rate:.4g}"
    yield ", ".join(f"{name} {value:.4f}" for name, value in found.metrics.items()) + rate


def same(found: Replay) -> str:
    """Returns whether what was logged is the same now."""
    steps, first = found.compared.steps, found.compared.first
    if first:
        step, name, then, now = first
        return (
            f"NOT the same as in training: at step {step:,} {name} was logged as {then}, and is {now} now. Another "
            "machine, version, number of devices, or length of the run gives other numbers"
        )
    if not steps:
        return "no interval of the log lies between the two, so nothing could be compared with it"
    at = f"step {steps[0]:,}" if len(steps) == 1 else f"{len(steps):,} steps, {steps[0]:,} to {steps[-1]:,},"
    return f"what was logged at {at} is the same now, to the bit"


def examples(found: Replay, most: int) -> list[tuple[str, ...]]:
    """Returns rows of the examples with the largest losses, under `EXAMPLES`."""
    return [
        (
            "-" if found.loss is None else f"{found.loss[place]:.4f}",
            found.names(place),
            found.predicted(place) or "-",
            "-" if found.index is None else str(found.index[place]),
            str(found.file_name[place]) or "-",
        )
        for place in found.hardest[:most]
    ]


def layers(found: Replay) -> list[tuple[str, ...]]:
    """Returns rows of all layers that are trained, under `LAYERS`."""
    if found.sizes is None:
        return []
    ratio = found.update_ratio
    return [
        (layer or "the net", f"{size:.3g}", f"{found.sizes.weight[layer]:.3g}", f"{ratio[layer]:.1e}")
        for layer, size in found.sizes.gradient.items()
    ]
