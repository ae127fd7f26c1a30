"""A verdict on the size of updates."""

import math
from collections.abc import Iterator, Mapping

from jaxcnn.evaluation.doctor.verdict import Verdict
from jaxcnn.evaluation.step_sizes import sizes_at_peak
from jaxcnn.evaluation.waiting import waiting
from jaxcnn.train.parts.optimizers import Factors
from jaxcnn.train.run import Run
from jaxcnn.train.state import TrainState

LARGEST, SMALLEST = 0.1, 1e-6
"""Range of the size of a kernel's update, as a fraction of the kernel's."""
_OWN = "another --config.optimizer.multipliers or layer_decay"


def verdicts(run: Run, state: TrainState) -> Iterator[Verdict]:
    """Yields the verdict on a training step at the highest learning rate of the schedule."""
    if run.learning_rate is None or run.step is not None:
        return
    with waiting("updates", 1, alike=False):
        updates = sizes_at_peak(run, state).ratio("update")
    moved = {path: ratio for path, ratio in updates.items() if path.endswith("kernel")}
    ratios = {path: ratio for path, ratio in moved.items() if math.isfinite(ratio)}
    if not ratios:
        if moved:
            figures = "no kernel's update is finite in a step at the peak learning rate"
            yield Verdict("updates", False, figures, "a lower --config.optimizer.learning_rate")
        return
    large, small = max(ratios, key=ratios.__getitem__), min(ratios, key=ratios.__getitem__)
    factors = {path: _least_rate(run.groups.factors.get(path)) for path in ratios}
    figures = f"a step at the peak learning rate moves kernels by {ratios[small]:.1e} ({small}) to "
    figures += f"{ratios[large]:.1e} ({large}) of their size"
    if ratios[large] > LARGEST:
        yield Verdict("updates", False, figures, _mend(large, ratios, factors, LARGEST))
    elif ratios[small] < SMALLEST:
        yield Verdict("updates", False, figures, _mend(small, ratios, factors, SMALLEST))
    else:
        yield Verdict("updates", True, figures)


def _least_rate(factors: Factors | None) -> float:
    """Returns the factor of a kernel's learning rate; of several turns of a loop the least."""
    rate = factors.rate if factors else 1.0
    return min(rate) if isinstance(rate, tuple) else rate


def _mend(path: str, ratios: Mapping[str, float], factors: Mapping[str, float], limit: float) -> str:
    """Returns what mends the updates of a kernel: its own factor, if that is to blame, or the rate of all.

    Args:
        path: of the kernel.
        ratios: of each kernel.
        factors: of each kernel's learning rate.
        limit: that its ratio is beyond.
    """
    large = limit == LARGEST
    lower, other = ("lower", "") if large else ("higher", ", or another optimizer")

    def beyond(ratio: float) -> bool:
        return ratio > limit if large else ratio < limit

    factor = factors[path]
    if factor != 1 and not beyond(ratios[path] / factor):
        return f"{_OWN}: the learning rate of {path} is multiplied by {factor:.3g}"
    few = [each for each, ratio in ratios.items() if beyond(ratio)]
    mend = f"a {lower} --config.optimizer.learning_rate{other}"
    if len(few) > len(ratios) / 2:
        return mend
    module, change = path.rpartition("/")[0], 0.1 if large else 10.0
    return f"{mend}; or for this layer alone --config.optimizer.multipliers='{module}={change * factor:g}'"
