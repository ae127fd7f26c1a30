"""How large a training step is, layer by layer: weights, gradients, updates."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.errors import UserError
from jaxcnn.layers.variables import by_path
from jaxcnn.train.run import Run
from jaxcnn.train.seeds import one_of
from jaxcnn.train.state import TrainState
from jaxcnn.train.watched import make_watch
from jaxcnn.types import Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepSizes:
    """Euclidean norms of what is trained, by the path of the parameter or of the layer."""

    weight: Mapping[str, float]
    gradient: Mapping[str, float]
    update: Mapping[str, float]

    def by_layer(self) -> "StepSizes":
        """Returns the norms of all parameters of each layer together, by the path of the layer."""
        return StepSizes(**{name: _by_layer(each) for name, each in vars(self).items()})

    def ordered(self, paths: Sequence[str]) -> "StepSizes":
        """Returns the same, with the paths in this order."""
        return StepSizes(**{name: {path: each[path] for path in paths} for name, each in vars(self).items()})

    def ratio(self, name: str) -> dict[str, float]:
        """Returns "gradient" or "update" over the weight, by path; NaN for a weight of 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return {
                path: float(np.float64(size) / self.weight[path]) if self.weight[path] else float("nan")
                for path, size in getattr(self, name).items()
            }


def sizes(tree: Any) -> dict[str, float]:
    """Returns the Euclidean norm of each array of a tree, by its path; of blocks in a loop, over all turns."""
    program = jax.jit(lambda tree: jax.tree.map(_size, tree))
    return {path: float(size) for path, size in by_path(jax.device_get(program(tree))).items()}


def sizes_at_peak(run: Run, state: TrainState, number: int = 0) -> StepSizes:
    """Returns the sizes of a step on the first batch of the run, at the highest learning rate of its schedule.

    The last step of most schedules has none.

    Args:
        run: with a step and an optimizer of ours.
        state: whose weights they are; it stays as it is.
        number: of the net, of several seeds.

    Raises:
        UserError: for a run with a step of a user's own.
    """
    if run.step is not None or run.learning_rate is None:
        raise UserError(
            "the run was given its step or its optimizer in Python, which has no learning rate of the config"
        )
    begun = state.replace(step=jnp.zeros_like(state.step))
    _, gradient = make_watch(run)(begun, run.pipeline.feed(0), run.randomness)
    assert gradient is not None
    gradients, one = one_of(gradient.params, number, run.num_seeds), one_of(state, number, run.num_seeds)
    params = run.groups.frozen.living(one.variables)["params"]
    updates, _ = jax.jit(run.tx.update)(gradients, at_peak(run, one.opt_state), params)
    return StepSizes(weight=sizes(params), gradient=sizes(gradients), update=sizes(updates))


def peak_step(run: Run) -> int:
    """Returns a step at which the schedule is highest."""
    rate = run.learning_rate
    assert rate is not None
    tried = np.arange(0, run.total_steps, max(run.total_steps // 1000, 1))
    return int(tried[np.argmax([float(rate(step)) for step in tried])])


def at_peak(run: Run, opt_state: Any) -> Any:
    """Returns the optimizer's state with its count of steps at the highest learning rate."""
    peak = peak_step(run)
    return jax.tree.map(
        lambda leaf: jnp.full_like(leaf, peak) if leaf.ndim == 0 and jnp.issubdtype(leaf.dtype, jnp.integer) else leaf,
        opt_state,
    )


def _size(leaf: Array) -> Array:
    return jnp.linalg.norm(leaf.astype(jnp.float32).ravel())


def _by_layer(found: Mapping[str, float]) -> dict[str, float]:
    """Returns the roots of the sums of squares over the parameters of each layer."""
    squares: dict[str, float] = {}
    for path, size in found.items():
        layer = path.rpartition("/")[0]
        squares[layer] = squares.get(layer, 0.0) + size**2
    return {layer: float(np.sqrt(square)) for layer, square in squares.items()}
