"""The statistics of batch norms, estimated anew with the weights as they are.

In training, running statistics lag behind the weights, and are of augmented images; averaged weights have none at all.
Here a net in training mode, but without dropout, sees every un-augmented training image once. The statistics of its
batches are averaged, each with the weight of its images: the means, and the variances plus the variance of the means
(Wu and Johnson, arXiv:2105.07576, section 3). Those of the first norm are thereby the exact mean and variance over the
split. Behind it they are of images that were normalised by their own batch, as in training.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jax.sharding import Mesh

from jaxcnn.accel.accelerate import accelerate
from jaxcnn.layers.blocks import DropPath
from jaxcnn.layers.norm import BatchNorm
from jaxcnn.layers.variables import STATISTICS
from jaxcnn.train.devices.mesh import in_turn, on_every_device, replicated, split_over_batch
from jaxcnn.train.parts.frozen import Frozen, whole
from jaxcnn.train.run import Run
from jaxcnn.train.seeds import one_of
from jaxcnn.types import ApplyFn, Array, Variables

_NOTHING = Frozen()
_FAR = 2.0**20
"""A running value so large that what is added to it shows in its weight alone."""


def estimate_on_training_split(run: Run, kinds: Sequence[Variables]) -> tuple[list[Variables], int]:
    """Returns variables with the statistics of their batch norms over the training split, and its number of images.

    Args:
        run: whose net it is, and whose images; of several processes all call it.
        kinds: variables of the run's net, such as the last and the averaged ones; of several seeds with the seeds as
            first axis. All see a batch once it is read.
    """
    count, sizes = run.num_seeds, batch_sizes(run.pipeline.sizes["train"], run.batch_size, run.mesh.size)
    nets = [one_of(kind, number, count) for kind in jax.device_get(list(kinds)) for number in range(count)]
    apply_fn = accelerate(run.plain_model.apply, run.forms_on(run.mesh))
    batches = rebatched(_training_images(run), sizes)
    found, images = estimate(apply_fn, nets, batches, run.mesh, frozen=run.groups.frozen)
    statistics = [net[STATISTICS] for net in found]
    if count > 1:
        groups = [statistics[first : first + count] for first in range(0, len(found), count)]
        statistics = [jax.tree.map(lambda *leaves: np.stack(leaves), *group) for group in groups]
    new = [on_every_device(run.mesh, each) for each in statistics]
    return [{**kind, STATISTICS: each} for kind, each in zip(kinds, new, strict=True)], images


def _training_images(run: Run) -> Iterator[np.ndarray]:
    """Yields the images of the training split once, whitened and not augmented, of their views the first.

    Classes are mixed: images of a folder lie together by class, and a batch must not see only one.
    """
    size = -(-run.batch_size // run.mesh.size) * run.mesh.size
    make_batch, views = run.eval_batches_on(run.mesh), run.settings.feeding.views

    def seen(feed: Any, start: Array) -> tuple[Array, Array]:
        batch = make_batch(feed, start, batch_size=size)
        return views(batch["image"])[0], batch["mask"]

    program = jax.jit(seen, out_shardings=replicated(run.mesh))
    for start in range(0, run.pipeline.sizes["train"], size):
        feed = run.pipeline.eval_feed("train", start, size, mixed=True)
        image, mask = jax.device_get(in_turn(run.mesh, program(feed, start)))
        yield image[mask > 0]


def batch_sizes(images: int, most: int, unit: int = 1) -> list[int]:
    """Returns the sizes of batches that have every image once: all alike where possible, as each is a program.

    A last batch of few images would be normalised by their own statistics, so the images are shared out evenly.

    Args:
        images: their number.
        most: images of a batch, about.
        unit: all but the last batch are multiples of it.
    """
    whole, rest = divmod(images, unit)
    most = max(min(most // unit, whole), 1)
    alike = next((size for size in range(most, most * 3 // 4, -1) if whole % size == 0), 0)
    if alike:
        sizes = [alike] * (whole // alike)
    else:
        count = -(-whole // most)
        sizes = [whole // count + (number < whole % count) for number in range(count)]
    return [*(size * unit for size in sizes[:-1]), sizes[-1] * unit + rest] if sizes else [rest]


def rebatched(parts: Iterable[np.ndarray], sizes: Iterable[int]) -> Iterator[np.ndarray]:
    """Yields the rows of `parts` in batches of these sizes; the last may be smaller, if rows are missing."""
    source = iter(parts)
    held: list[np.ndarray] = []
    for size in sizes:
        while sum(len(part) for part in held) < size and (more := next(source, None)) is not None:
            held.append(more)
        rows = np.concatenate(held)
        held = [rows[size:]]
        if len(rows):
            yield rows[:size]


def estimate(
    apply_fn: ApplyFn,
    nets: Sequence[Variables],
    batches: Iterable[np.ndarray],
    mesh: Mesh,
    *,
    frozen: Frozen = _NOTHING,
) -> tuple[list[Variables], int]:
    """Returns the variables of nets with the statistics of their batch norms over all images, and their number.

    Args:
        apply_fn: `model.apply` of the nets.
        nets: variables of each, in memory.
        batches: (images, height, width, channels), as `apply_fn` takes them; of any sizes, each a program.
        mesh: of devices, over which a batch is split if it can be.
        frozen: what of the nets is frozen; such norms use and keep the statistics that they have.
    """
    program = jax.jit(batch_statistics(apply_fn, frozen), out_shardings=replicated(mesh))
    placed = [on_every_device(mesh, jax.tree.map(np.asarray, variables)) for variables in nets]
    found: list[list[Any]] = []
    sizes: list[int] = []
    for batch in batches:
        image = (on_every_device if len(batch) % mesh.size else split_over_batch)(mesh, batch)
        found.append(jax.device_get([in_turn(mesh, program(variables, image)) for variables in placed]))
        sizes.append(len(batch))
    each = zip(nets, zip(*found, strict=True), strict=True)
    return [whole({STATISTICS: combined(of_net, sizes)}, variables) for variables, of_net in each], sum(sizes)


def batch_statistics(apply_fn: ApplyFn, frozen: Frozen = _NOTHING) -> Callable[[Variables, Array], Any]:
    """Returns `forward(variables, image)` -> the statistics of a batch, in the structure of the running ones.

    Those of frozen norms are not among them.

    The weight of the old value in a running statistic is found by moving 0 and a large value towards the batch's. A
    statistic that does not move keeps its value.
    """
    apply = in_training_mode(frozen.apply(apply_fn))

    def taken(variables: Variables) -> Any:
        return frozen.living(variables)[STATISTICS]

    def moved(variables: Variables, image: Array, start: float) -> Any:
        filled = jax.tree.map(lambda leaf: jnp.full_like(leaf, start), taken(variables))
        _, statistics = apply(whole({STATISTICS: filled}, variables), image)
        return taken({**variables, STATISTICS: statistics})

    def forward(variables: Variables, image: Array) -> Any:
        near, far = (moved(variables, image, start) for start in (0.0, _FAR))

        def found(old: Array, low: Array, high: Array) -> Array:
            weight = (high - low) / _FAR
            return jnp.where(weight < 1, low / jnp.where(weight < 1, 1 - weight, 1), old)

        return jax.tree.map(found, taken(variables), near, far)

    return forward


def in_training_mode(apply_fn: ApplyFn) -> Callable[[Variables, Array], tuple[Array, Any]]:
    """Returns `apply(variables, image)` -> logits and moved statistics, in training mode but without dropout.

    All images of a batch share their statistics, also where a run has `model.norm_options.examples`.
    """

    def apply(variables: Variables, image: Array) -> tuple[Array, Any]:
        rngs = {name: jax.random.key(0) for name in ("params", "dropout")}
        kept = [name for name in variables if name != "params"]  # a module of a user's own may change all of them
        with whole_and_without_dropout():
            logits, updated = apply_fn(variables, image, train=True, mutable=[*kept, "aux_logits"], rngs=rngs)
        return logits, updated[STATISTICS]

    return apply


def whole_and_without_dropout() -> AbstractContextManager[None]:
    """While it is entered, batch norms that are traced share statistics among all images, and nothing is dropped."""
    return nn.intercept_methods(_whole_and_without_dropout)


def _whole_and_without_dropout(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
    module, method = context.module, context.method_name
    if isinstance(module, nn.Dropout | DropPath) and method == "__call__":
        return args[0]
    if isinstance(module, BatchNorm) and method == "sharing" and module.examples:
        return args[0], call(module.examples)[1]
    return call(*args, **kwargs)


def combined(batches: Iterable[Any], sizes: Sequence[int]) -> Any:
    """Returns the statistics over all batches; `var` gets the variance of the means too.

    Args:
        batches: statistics of each.
        sizes: number of images of each.
    """
    flat = [traverse_util.flatten_dict(each) for each in batches]
    stacked = {path: np.stack([np.asarray(each[path], np.float64) for each in flat]) for path in flat[0]}

    def over(path: tuple[str, ...]) -> np.ndarray:
        mean = np.average(stacked[path], axis=0, weights=sizes)
        means = stacked.get((*path[:-1], "mean"))
        if path[-1] != "var" or means is None:
            return mean
        return mean + np.average((means - np.average(means, axis=0, weights=sizes)) ** 2, axis=0, weights=sizes)

    return traverse_util.unflatten_dict({path: over(path).astype(flat[0][path].dtype) for path in stacked})
