"""Evaluation: every example of a split exactly once."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import jax
from jax.sharding import Mesh

from jaxcnn.augment.views import Views, average
from jaxcnn.data.feed.pipeline import Pipeline
from jaxcnn.train.devices.mesh import in_turn, over_batch, over_processes, replicated
from jaxcnn.train.parts import metrics
from jaxcnn.train.state import TrainState
from jaxcnn.train.step import EvalStep
from jaxcnn.types import Array, Batch, Metrics, Variables


def over_views(apply_fn: Callable[..., Any], views: Views) -> Callable[..., Array]:
    """Returns `apply_fn(variables, image, train)` -> logits of the mean probability over each image's views."""

    def apply(variables: Variables, image: Array, *, train: bool) -> Array:
        logits = [apply_fn(variables, view, train=train) for view in views(image)]
        return average(logits) if len(logits) > 1 else logits[0]

    return apply


class Evaluator:
    """Evaluates a state on a split of a pipeline. It compiles on first use, and only then."""

    def __init__(
        self,
        eval_step: EvalStep,
        pipeline: Pipeline,
        eval_batch: Callable[..., Batch],
        *,
        batch_size: int,
        mesh: Mesh,
        seeds: Iterable[int] = (),
    ) -> None:
        """Makes an evaluator.

        Args:
            eval_step: (state, batch) -> sums of metrics.
            pipeline: of the run.
            eval_batch: `pipeline.eval_batch`, in any form.
            batch_size: changes no result. It is cut to the largest split, and rounded up to a multiple of the devices.
            mesh: of devices.
            seeds: of the nets; for several, results are as of `metrics.means`.
        """
        self._pipeline, self._mesh, self._seeds = pipeline, mesh, seeds
        self._batch_size = -(-min(batch_size, max(pipeline.sizes.values())) // mesh.size) * mesh.size
        fetch = functools.partial(eval_batch, batch_size=self._batch_size)
        self._fetch = jax.jit(fetch, out_shardings=over_batch(mesh))
        self._step = jax.jit(eval_step, out_shardings=replicated(mesh))

    def __call__(self, state: TrainState, split: str) -> dict[str, float]:
        """Returns `{split}/loss` (nats), metrics such as `{split}/accuracy` (a fraction), and `{split}/examples`."""
        size = self._pipeline.sizes[split]
        starts = range(0, size, self._batch_size)
        means = metrics.means((self._evaluate(state, split, start) for start in starts), self._seeds)
        expected = over_processes(self._pipeline.evaluated(split) - size) + size
        if means["examples"] != expected:
            raise AssertionError(f"evaluated {means['examples']} of the {expected} examples of {split}")
        return {f"{split}/{name}": value for name, value in means.items()}

    def _evaluate(self, state: TrainState, split: str, start: int) -> Metrics:
        feed = self._pipeline.eval_feed(split, start, self._batch_size)
        return in_turn(self._mesh, self._step(state, self._fetch(feed, start)))
