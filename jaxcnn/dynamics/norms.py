"""What the norms of a trained net do, by depth: in training and in evaluation mode, with the same weights."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jaxcnn.dynamics.depth import Depth, by_depth, host
from jaxcnn.dynamics.figures import LayerFigures, Norms
from jaxcnn.dynamics.words import WORDS, by_words, check_words
from jaxcnn.errors import UserError, unknown_word
from jaxcnn.evaluation.data import named, opened
from jaxcnn.evaluation.layers import Layer, layers_of
from jaxcnn.evaluation.restored import restored
from jaxcnn.evaluation.statistics import NOTHING, accuracies, estimate_on, mean_offsets, mixed, variance_ratios
from jaxcnn.evaluation.step_sizes import StepSizes, peak_step, sizes_at_peak
from jaxcnn.evaluation.subject import Subject, open_subject
from jaxcnn.evaluation.waiting import waiting
from jaxcnn.json_file import read_json
from jaxcnn.layers.variables import loop_of
from jaxcnn.train.files.fetch import run_here
from jaxcnn.train.files.folder import RunFolder
from jaxcnn.train.parts.frozen import Frozen
from jaxcnn.types import Variables

BATCHES = (8, 32, 256)
"""Numbers of images that share statistics, of which accuracies are measured."""
ESTIMATED, LOOKED_AT = 2048, 512
"""Most training images of new statistics, and of the values of layers."""
_PIXELS = 2**21
"""Most pixels of a batch whose layers are looked at."""


def norms(
    run: str | os.PathLike[str],
    words: Sequence[str] = (),
    *,
    layer: str | None = None,
    step: int | str = "latest",
    seed: int | None = None,
    data: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    model: Any | None = None,
) -> Norms:
    """Returns what the norms of a trained net do; nothing is changed.

    With the same weights, values are looked at in training mode, where a batch norm takes the statistics of the batch,
    and in evaluation mode. Dropout is off in both. Running statistics are compared with new ones of training images,
    which are not augmented. Accuracies on the validation split are with each of them.

    Args:
        run: a run folder, here or at gs:// or s3://, or a folder of imported weights.
        words: norms, of which it is said what they would make of the same values; none: all that take means.
        layer: path of the norm whose input these values are; None for the first.
        step: of the checkpoint, as of `jaxcnn.load_run`.
        seed: of the net, of a run of several; None for the first.
        data: a data set or a folder of images; None for the run's own.
        data_dir: where it lies; None for where it was.
        model: as of `jaxcnn.load_run`.

    Raises:
        UserError: for a run, data, a norm or a layer that is not there, in one line.
    """
    check_words(words)
    subject = open_subject(run, step=step, model=model).of_seed(seed)
    own = None if subject.config is None else subject.config.data.name
    name, folder = named(data) if data and data_dir is None else (data, data_dir)
    if name is None and folder is not None:
        name = own  # of imported weights, which have none: a folder of images
    sources = opened(subject, name, folder).sources
    moved = data_dir if name == own else None
    with run_here(run) as place:
        sizes, rate, frozen, remark = _sizes(subject, RunFolder(run, make=False, copy=place), moved, seed)
    shape = (subject.square.size, subject.square.size, subject.square.channels)
    layers = layers_of(subject.model, subject.members[0], shape)
    chosen = _chosen(layers, layer)
    train = mixed(sources["train"], ESTIMATED)
    batch = max(min(_batch_size(subject), _PIXELS // shape[0] ** 2, len(train.labels)), 1)
    depth = by_depth(subject, layers, mixed(sources["train"], max(LOOKED_AT, batch)), batch, frozen, chosen)
    new = _estimated(subject, layers, train, frozen)
    split = "val" if "val" in sources else "test"
    found = [] if new is None else accuracies(subject, new, sources[split], BATCHES, frozen=frozen)
    x = _input(depth, chosen)
    if x.ndim == 2 and "instance" in words:
        raise UserError(
            f"what goes into {chosen} has no height and width: an instance norm has nothing to average over"
        )
    return Norms(
        run=str(run),
        step=subject.step,
        seed=subject.seeds[0] if subject.seeds else None,
        layers=_figures(layers, depth, subject.members[0], new, sizes, rate, frozen),
        accuracies=found,
        words=by_words(x, words or WORDS) if x.size else [],
        layer=chosen or "",
        shape=x.shape,
        images=depth.images,
        batch=depth.batch,
        estimated=0 if new is None else len(train.labels),
        difference=depth.difference,
        rate=rate,
        remark=remark,
    )


def _input(depth: Depth, path: str | None) -> np.ndarray:
    """Returns what goes into a layer, of a loop in its first turn; an empty array if it is not known."""
    if path is None or path not in depth.first:
        return np.zeros((0, 0), np.float32)
    x = host(depth.first[path])
    return x[0] if loop_of(path.split("/")) else x


def _chosen(layers: Sequence[Layer], asked: str | None) -> str | None:
    """Returns the path of the layer whose input other norms are tried on; of a net without norms, the second layer."""
    paths = [layer.path for layer in layers]
    if asked is not None:
        if asked not in paths:
            raise unknown_word("layer", asked, paths)
        return asked
    return next((layer.path for layer in layers if layer.norm), next(iter(paths[1:]), None))


def _batch_size(subject: Subject) -> int:
    return 32 if subject.config is None else int(subject.config.batch_size)


def _sizes(
    subject: Subject, folder: RunFolder, data_dir: str | os.PathLike[str] | None, seed: int | None
) -> tuple[StepSizes | None, float | None, Frozen, str]:
    """Returns the sizes of a step, the peak learning rate, what is frozen, and why there are no sizes."""
    if subject.config is None:
        return None, None, NOTHING, "imported weights have no training whose gradients could be shown"
    given = read_json(folder.card).get("given", {}) if folder.card.exists() else {}
    if given:
        return None, None, NOTHING, f"the run was given {', '.join(given)} in Python: its gradients cannot be shown"
    with _run_of(subject, folder, data_dir) as (made, state):
        rate = None if made.learning_rate is None else float(made.learning_rate(peak_step(made)))
        number = 0 if seed is None else list(made.seeds).index(seed)
        with waiting("gradient", 1, alike=False):
            return sizes_at_peak(made, state, number).by_layer(), rate, made.groups.frozen, ""


@contextlib.contextmanager
def _run_of(subject: Subject, folder: RunFolder, data_dir: str | os.PathLike[str] | None) -> Iterator[Any]:
    step = subject.step if subject.states == 1 else None  # an averaged net has no state of its own
    with restored(folder, step, data_dir=data_dir) as both:
        yield both


def _estimated(subject: Subject, layers: Sequence[Layer], source: Any, frozen: Frozen) -> Variables | None:
    """Returns the net's variables with new statistics; None where no norm keeps any that are not frozen."""
    variables = subject.members[0]
    if not any(layer.running for layer in layers) or not frozen.takes_statistics(variables):
        return None
    size = min(_batch_size(subject), len(source.labels))
    return estimate_on(subject, [variables], source, batch_size=size, frozen=frozen)[0]


def _figures(
    layers: Sequence[Layer],
    depth: Depth,
    variables: Variables,
    new: Variables | None,
    sizes: StepSizes | None,
    rate: float | None,
    frozen: Frozen,
) -> list[LayerFigures]:
    still = frozen.layers(variables)
    ratios = {} if new is None else variance_ratios(variables, new)
    offsets = {} if new is None else mean_offsets(variables, new)
    relative: Mapping[str, float] = {} if sizes is None else sizes.ratio("gradient")
    updates: Mapping[str, float] = {} if sizes is None else sizes.ratio("update")
    return [
        LayerFigures(
            layer=layer,
            train=depth.values["train"].get(layer.path),
            eval=depth.values["eval"].get(layer.path),
            ratio=_quartiles(ratios[layer.path]) if layer.path in ratios else None,
            offset=float(np.median(np.abs(offsets[layer.path]))) if layer.path in offsets else None,
            gradient=None if sizes is None else sizes.gradient.get(layer.path),
            weight=None if sizes is None else sizes.weight.get(layer.path),
            effective_rate=rate * relative[layer.path] if rate is not None and layer.path in relative else None,
            update=updates.get(layer.path),
            frozen=layer.path in still,
        )
        for layer in layers
    ]


def _quartiles(ratio: np.ndarray) -> tuple[float, float, float]:
    low, middle, high = np.quantile(ratio, (0.25, 0.5, 0.75)).tolist()
    return low, middle, high
