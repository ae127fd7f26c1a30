"""Evaluation: every example of a split exactly once."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxcnn.augment.views import over_views
from jaxcnn.data.feed.pipeline import Pipeline
from jaxcnn.train.devices.mesh import in_turn, over_batch, over_processes, replicated
from jaxcnn.train.eval_step import make_predict_step
from jaxcnn.train.parts import metrics
from jaxcnn.train.run import Run
from jaxcnn.train.seeds import each
from jaxcnn.train.state import TrainState
from jaxcnn.types import Array, Batch, Metrics

PredictStep: TypeAlias = Callable[[TrainState, Batch], tuple[Metrics, Array]]


@dataclasses.dataclass(frozen=True, eq=False)
class Outputs:
    """What a net, or each of several, says of the examples of a split."""

    logits: np.ndarray
    """([seeds, ]examples, classes) float32."""
    label: np.ndarray
    """(examples,) int32, or what else the labels of the run are."""
    place: np.ndarray
    """(examples,) int64, places of the examples in the pipeline's split."""


def _joined(starts: Iterable[int], batches: Iterable[Mapping[str, Array]]) -> Outputs:
    """Returns the outputs for the examples of all batches that count."""
    logits, labels, places = [], [], []
    for start, batch in zip(starts, batches, strict=True):
        found = jax.device_get(batch)
        rows = np.flatnonzero(found["mask"] > 0)
        logits.append(found["logits"][..., rows, :])
        labels.append(found["label"][rows])
        places.append(start + rows)
    return Outputs(np.concatenate(logits, axis=-2), np.concatenate(labels), np.concatenate(places))


def _with_label(predict_step: PredictStep) -> Callable[[TrainState, Batch], tuple[Metrics, Mapping[str, Array]]]:
    """Returns the step with all that is kept of a batch, so that every process gets the rows of all."""

    def step(state: TrainState, batch: Batch) -> tuple[Metrics, Mapping[str, Array]]:
        sums, logits = predict_step(state, batch)
        mask = batch.get("mask", jnp.ones(logits.shape[-2], jnp.float32))
        return sums, {"logits": logits, "label": batch["label"], "mask": mask}

    return step


class Evaluator:
    """Evaluates a state on a split of a pipeline. It compiles on first use, and only then."""

    def __init__(
        self,
        predict_step: PredictStep,
        pipeline: Pipeline,
        eval_batch: Callable[..., Batch],
        *,
        batch_size: int,
        mesh: Mesh,
        seeds: Iterable[int] = (),
    ) -> None:
        """Makes an evaluator.

        Args:
            predict_step: (state, batch) -> sums of metrics, and logits.
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
        self._step = jax.jit(_with_label(predict_step), out_shardings=replicated(mesh))

    def __call__(self, state: TrainState, split: str) -> dict[str, float]:
        """Returns `{split}/loss` (nats), metrics such as `{split}/accuracy` (a fraction), and `{split}/examples`."""
        return self._means(split, (self._evaluate(state, split, start)[0] for start in self._starts(split)))

    def predict(self, state: TrainState, split: str) -> tuple[dict[str, float], Outputs]:
        """Returns the same, and the outputs for every example that counts, in order."""
        starts = self._starts(split)
        batches = [self._evaluate(state, split, start) for start in starts]
        return self._means(split, (sums for sums, _ in batches)), _joined(starts, [each for _, each in batches])

    def _starts(self, split: str) -> range:
        return range(0, self._pipeline.sizes[split], self._batch_size)

    def _means(self, split: str, sums: Iterable[Metrics]) -> dict[str, float]:
        size = self._pipeline.sizes[split]
        means = metrics.means(sums, self._seeds)
        expected = over_processes(self._pipeline.evaluated(split) - size) + size
        if means["examples"] != expected:
            raise AssertionError(f"evaluated {means['examples']} of the {expected} examples of {split}")
        return {f"{split}/{name}": value for name, value in means.items()}

    def _evaluate(self, state: TrainState, split: str, start: int) -> tuple[Metrics, Mapping[str, Array]]:
        feed = self._pipeline.eval_feed(split, start, self._batch_size)
        return in_turn(self._mesh, self._step(state, self._fetch(feed, start)))


def make_evaluator(run: Run, *, batch_size: int) -> Evaluator:
    """Returns an evaluator for the splits of the run's data; `batch_size` changes no result."""
    apply_fn = over_views(run.apply_on(run.mesh), run.settings.feeding.views)
    step = make_predict_step(apply_fn=apply_fn, loss_fn=run.eval_loss_fn, metrics=run.metrics)
    step = each(step, run.num_seeds, in_axes=(0, None))
    eval_batch = run.eval_batches_on(run.mesh)
    return Evaluator(step, run.pipeline, eval_batch, batch_size=batch_size, mesh=run.mesh, seeds=run.seeds)
