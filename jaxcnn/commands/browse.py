"""`jaxcnn browse CONFIG [--config.key=value ...] [--output FILE.png] ...`: draws a batch as the network sees it."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.commands.config import ConfigParser
from jaxcnn.commands.parser import new_file
from jaxcnn.data.read.sources import SPLITS
from jaxcnn.errors import UserError
from jaxcnn.pictures.tiles import contact_sheet
from jaxcnn.ranges import at_least, check_whole
from jaxcnn.train.run import Run
from jaxcnn.train.setup import make_run


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a wrong command line or config, in one line.
    """
    arguments, config = make_parser().parse(argv)
    check_whole("--count", arguments.count, at_least(1))
    run = make_run(config)
    with contextlib.closing(run.pipeline):
        batch = _batch(run, arguments.split, arguments.step)
    images = run.pipeline.recipe.pixels(batch["image"])[: arguments.count]
    captions = [_caption(label, run.dataset.class_names) for label in batch["label"][: arguments.count]]
    sheet = contact_sheet(images, captions, _title(run, images.shape[1:], arguments.split, arguments.step))
    try:
        sheet.save(arguments.output)
    except (OSError, ValueError) as error:  # ValueError: for a suffix that no image format has
        what = (isinstance(error, OSError) and error.strerror) or error  # an OSError names the file once more
        raise UserError(f"--output {arguments.output} cannot be written: {what}") from None
    print(f"{len(images)} images of the {arguments.split} batch {arguments.step} are in {arguments.output}")
    for remark in run.data["remarks"]:
        print(remark)
    return 0


def _batch(run: Run, split: str, number: int) -> dict[str, np.ndarray]:
    """Returns a batch as training or evaluation has it, without the padding of the last batch."""
    size = run.config.batch_size
    batches = run.total_steps if split == "train" else -(-run.pipeline.sizes[split] // size)
    if not 0 <= number < batches:
        raise UserError(f"--step is {number}: {split} has batches 0 to {batches - 1}")
    if split == "train":
        feed = run.pipeline.feed(number)
        return jax.device_get(jax.jit(run.batches_on(run.mesh))(feed, jnp.int32(number)))
    feed = run.pipeline.eval_feed(split, number * size, size)
    batch = jax.device_get(jax.jit(run.pipeline.eval_batch, static_argnums=2)(feed, jnp.int32(number * size), size))
    return {name: value[batch["mask"] > 0] for name, value in batch.items()}


def _caption(label: np.ndarray, names: Sequence[str]) -> list[str]:
    """Returns the class, or the two largest entries of a mixed label (num_classes,), as lines of text."""
    if label.ndim == 0:
        return [names[int(label)]]
    top = np.argsort(-label, kind="stable")[:2]
    return [f"{label[each]:.2f} {names[each]}" for each in top if label[each] >= 0.005]


def _title(run: Run, shape: tuple[int, ...], split: str, number: int) -> str:
    """Returns the line above the images.

    Args:
        run: whose batch it is.
        shape: (height, width, channels) of the images.
        split: of the batch.
        number: of the batch.
    """
    name = f"{run.dataset.name} (partial)" if run.dataset.partial else run.dataset.name
    augment = run.config.data.augment if split == "train" else ""
    return f"{name}, {split}, batch {number}: {'x'.join(map(str, shape))}, {augment or 'not augmented'}"


def make_parser() -> ConfigParser:
    """Returns the command line of the command."""
    parser = ConfigParser("jaxcnn browse", description="Draw a batch of images as the network sees it.")
    parser.add_argument(
        "--output", metavar="FILE", type=new_file, default=Path("browse.png"), help="default: browse.png"
    )
    parser.add_argument("--split", choices=SPLITS, default="train", help="default: train, which is augmented")
    parser.add_argument("--count", metavar="N", type=int, default=64, help="largest number of images; default: 64")
    parser.add_argument("--step", metavar="K", type=int, default=0, help="number of the batch; default: 0, the first")
    return parser
