"""Evaluation: every example of a split exactly once."""

import functools

import jax
from jax.sharding import Mesh

from jaxcnn.data.pipeline import DevicePipeline, Feed
from jaxcnn.train import metrics
from jaxcnn.train.mesh import in_turn, over_batch, replicated
from jaxcnn.train.step import EvalStep
from jaxcnn.types import Metrics, Variables


class Evaluator:
    """Evaluates variables on a split of a pipeline; compiles on first use, then never again."""

    def __init__(self, eval_step: EvalStep, pipeline: DevicePipeline, *, batch_size: int, mesh: Mesh) -> None:
        """The result does not depend on `batch_size`; it is rounded up to what the devices of `mesh` share evenly."""
        self._pipeline, self._mesh = pipeline, mesh
        self._batch_size = -(-batch_size // mesh.size) * mesh.size
        fetch = functools.partial(pipeline.eval_batch, batch_size=self._batch_size)
        self._fetch = jax.jit(fetch, out_shardings=over_batch(mesh))
        self._step = jax.jit(eval_step, out_shardings=replicated(mesh))

    def __call__(self, variables: Variables, split: str) -> dict[str, float]:
        """Returns `{split}/loss` (nats), `{split}/accuracy` (a share) and `{split}/examples`."""
        arrays, expected = self._pipeline.arrays[split], self._pipeline.sizes[split]
        starts = range(0, expected, self._batch_size)
        means = metrics.means(self._evaluate(variables, arrays, start) for start in starts)
        if means["examples"] != expected:
            raise AssertionError(f"evaluated {means['examples']} of the {expected} examples of {split}")
        return {f"{split}/{name}": value for name, value in means.items()}

    def _evaluate(self, variables: Variables, arrays: Feed, start: int) -> Metrics:
        return in_turn(self._mesh, self._step(variables, self._fetch(arrays, start)))
