"""A verdict on the size of updates."""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from jaxcnn.evaluation.doctor.verdict import Verdict
from jaxcnn.train.parts.frozen import whole
from jaxcnn.train.parts.optimizers import Factors
from jaxcnn.train.run import Run
from jaxcnn.train.seeds import one_of
from jaxcnn.train.state import TrainState
from jaxcnn.types import Array

LARGEST, SMALLEST = 0.1, 1e-6
"""Range of the size of a kernel's update, as a fraction of the kernel's."""
_OWN = "another --config.optimizer.multipliers or layer_decay"


def verdicts(run: Run, state: TrainState) -> Iterator[Verdict]:
    """Yields the verdict on a training step at the highest learning rate of the schedule.

    The last step of most schedules has none.
    """
    if run.learning_rate is None or run.step is not None:
        return
    one = one_of(state, 0, run.num_seeds)
    ratios = {
        path: float(ratio)
        for path, ratio in jax.device_get(_ratios(run, one.replace(opt_state=_at_peak(run, one)))).items()
    }
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


def _ratios(run: Run, state: TrainState) -> dict[str, Array]:
    """Returns the size of the update of each kernel that is trained, relative to the kernel's."""
    frozen = run.groups.frozen

    def step(state: TrainState, feed: Any) -> dict[str, Array]:
        batch = run.pipeline.train_batch(feed, jnp.zeros((), jnp.int32))

        apply_fn = frozen.apply(run.apply_on(run.mesh))

        def loss(params: Any) -> Array:
            variables = whole({"params": params}, state.variables)
            rngs = {name: jax.random.key(0) for name in ("params", "dropout")}
            kept = [*state.collections, "aux_logits"]
            logits, _ = apply_fn(variables, batch["image"], train=True, mutable=kept, rngs=rngs)
            return jnp.mean(run.loss_fn(logits, batch["label"]))

        params = frozen.living(state.variables)["params"]
        updates, _ = run.tx.update(jax.grad(loss)(params), state.opt_state, params)
        sizes, moved = (_sizes(tree) for tree in (params, updates))
        return {path: moved[path] / sizes[path] for path in sizes if path.endswith("kernel")}

    return jax.jit(step)(state, run.pipeline.feed(0))


def _at_peak(run: Run, state: TrainState) -> Any:
    """Returns the optimizer's state with its count of steps at the highest learning rate."""
    rate = run.learning_rate
    assert rate is not None
    tried = np.arange(0, run.total_steps, max(run.total_steps // 1000, 1))
    peak = int(tried[np.argmax([float(rate(step)) for step in tried])])
    return jax.tree.map(
        lambda leaf: jnp.full_like(leaf, peak) if leaf.ndim == 0 and jnp.issubdtype(leaf.dtype, jnp.integer) else leaf,
        state.opt_state,
    )


def _sizes(tree: Any) -> dict[str, Array]:
    return {path: jnp.linalg.norm(leaf.ravel()) for path, leaf in traverse_util.flatten_dict(tree, sep="/").items()}
