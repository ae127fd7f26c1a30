"""A past step of a run, taken again: the batch as the net saw it, and what the step made of it."""

import os
from typing import Any

import jax
import numpy as np

from jaxcnn.data.feed.given import Batches
from jaxcnn.data.read.dataset import Dataset
from jaxcnn.dynamics.again import Again, added, compared
from jaxcnn.dynamics.beginning import Beginning, beginning
from jaxcnn.dynamics.replayed import Replay
from jaxcnn.errors import UserError
from jaxcnn.evaluation.layers import in_order, layers_of
from jaxcnn.evaluation.step_sizes import StepSizes, sizes
from jaxcnn.evaluation.waiting import waiting
from jaxcnn.ranges import at_least, check_whole
from jaxcnn.train.files.fetch import run_here
from jaxcnn.train.files.folder import RunFolder, read_lines
from jaxcnn.train.files.predictions import file_names
from jaxcnn.train.given import Parts
from jaxcnn.train.gradient import Gradient
from jaxcnn.train.parts import metrics
from jaxcnn.train.run import Run
from jaxcnn.train.seeds import one_of
from jaxcnn.train.watched import make_watch


def replay(
    run: str | os.PathLike[str],
    step: int,
    *,
    seed: int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    parts: Parts | None = None,
) -> Replay:
    """Takes a past step of a run again, and returns what the net saw and what the step made of it.

    Order, augmentation and dropout are functions of (seed, step). So the steps from the nearest checkpoint before it,
    or from the initial state, are taken again as training took them, by the same programs. On a CPU like that of the
    training they have the same bits. What was logged on the way is compared. The run stays as it is.

    Args:
        run: the run folder, here or at gs:// or s3://.
        step: from 1, as in metrics.jsonl: step 1 makes the first update.
        seed: of the net that is looked at, of several; None for the first.
        data_dir: where its data lie now, if not where they were.
        parts: the objects that it was given in Python, as of `jaxcnn.make_run`.

    Raises:
        UserError: for a folder without a run, a step that the run does not have, parts that are missing, data that are
            others or cannot be read, or a step from before `--force` changed the config.
    """
    check_whole("STEP", step, at_least(1))
    with run_here(run) as place:
        folder = RunFolder(run, make=False, copy=place)
        if not folder.config.is_file():
            raise UserError(f"{run} holds no run: there is no config.json in it")
        with beginning(folder, step, data_dir=data_dir, parts=parts) as begun:
            return _taken(begun, str(run), step, seed, read_lines(folder.metrics))


def _taken(begun: Beginning, name: str, step: int, seed: int | None, rows: list[dict[str, Any]]) -> Replay:
    run, number = begun.run, _number(begun.run, seed)
    again = Again(run, begun.state)
    with waiting("steps taken again", step - again.start) as reached:
        again.take(step - 1, reached)
        before = again.forget()
        batch, gradient = make_watch(run)(again.state, run.pipeline.feed(step - 1), run.randomness)
        batch, gradient = jax.device_get(one_of((batch, gradient), number, run.num_seeds))
        params = _trained(run, again, number)
        last = again.take(step, reached, last=True)
    rest = [row for row in again.logged if row["step"] < step]
    rate = None if run.learning_rate is None else float(jax.jit(run.learning_rate)(step - 1))
    here = {"step": step, **added(run, before, last), "train/learning_rate": rate}
    index = _index(run, step, seed=run.seeds[number])
    found = metrics.means([one_of(last, number, run.num_seeds)])
    return Replay(
        run=name,
        step=step,
        seed=run.seeds[number],
        checkpoint=begun.checkpoint,
        again=step - 1 - again.start,
        image=batch["image"],
        pixels=_pixels(run, batch["image"]),
        label=batch["label"],
        index=index,
        file_name=_files(run, index, len(batch["image"])),
        class_names=tuple(run.dataset.class_names),
        logits=None if gradient is None else gradient.seen["logits"],
        loss=None if gradient is None else gradient.seen["loss"],
        metrics={name: value for name, value in found.items() if name != "examples"},
        learning_rate=rate,
        sizes=None if gradient is None else _sizes(run, params, _trained(run, again, number), gradient),
        frozen=run.groups.frozen.layers(run.abstract_variables()),
        finite=not np.any(last["nonfinite"]),
        compared=compared(again.start, [*rest, here], rows, begun.restarts),
        rows=[row for row in rows if "train/loss" in row],
    )


def _number(run: Run, seed: int | None) -> int:
    if seed is not None and seed not in run.seeds:
        raise UserError(f"seed is {seed}: this run has the seeds {', '.join(map(str, run.seeds))}")
    return 0 if seed is None else list(run.seeds).index(seed)


def _trained(run: Run, again: Again, number: int) -> Any:
    """Returns the parameters that are trained, of one net, as NumPy arrays."""
    state = one_of(again.state, number, run.num_seeds)
    return jax.device_get(run.groups.frozen.living(state.variables)["params"])


def _sizes(run: Run, before: Any, after: Any, gradient: Gradient) -> StepSizes:
    moved = jax.tree.map(np.subtract, after, before)
    found = StepSizes(weight=sizes(before), gradient=sizes(gradient.params), update=sizes(moved)).by_layer()
    return found.ordered(
        in_order(list(found.weight), layers_of(run.plain_model, run.abstract_variables(), run.image_shape))
    )


def _pixels(run: Run, image: np.ndarray) -> np.ndarray:
    """Returns what the images look like; those that are whitened elsewhere from their darkest to their brightest."""
    if isinstance(run.dataset, Dataset):
        return run.pipeline.recipe.pixels(image)
    low, high = np.nanmin(image), np.nanmax(image)
    return np.rint(255 * (np.nan_to_num(image) - low) / max(high - low, 1e-12)).clip(0, 255).astype(np.uint8)


def _index(run: Run, step: int, *, seed: int) -> np.ndarray | None:
    """Returns the places of a step's examples in the training split; of an unreadable one the next that is readable."""
    if isinstance(run.dataset, Batches):
        return None
    recipe = run.pipeline.recipe
    drawn = jax.jit(lambda step, seed: recipe.draw(step, seed)[1])(np.int32(step - 1), np.uint32(seed))
    source, skipped = run.dataset.sources["train"], run.pipeline.skipped.get("train", ())
    found = np.asarray(drawn).astype(np.int64)
    while skipped and any(bad := [source.name(each) in skipped for each in found.tolist()]):
        found = np.where(bad, (found + 1) % len(source.labels), found)
    return found


def _files(run: Run, index: np.ndarray | None, count: int) -> np.ndarray:
    if index is None or isinstance(run.dataset, Batches):
        return np.full(count, "")
    return file_names(run.dataset.sources["train"], index.tolist())
