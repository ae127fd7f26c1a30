"""Writes a trained net to a file that other programs read, after a check that it is the same net."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

import jaxcnn
from jaxcnn.addresses import full_name, local_path
from jaxcnn.errors import UserError, check_word
from jaxcnn.evaluation.subject import Subject, open_subject
from jaxcnn.evaluation.waiting import waiting
from jaxcnn.exporting import stablehlo, weights
from jaxcnn.exporting.appearing import appearing
from jaxcnn.exporting.check import BATCHES, Program, check
from jaxcnn.exporting.exportable import BATCH, INPUTS, Exportable, make_exportable, module_name
from jaxcnn.interop.own_file import CARD_ENDING

_STAGES = 2 + len(BATCHES)
"""Of the progress bar: the file is written, the net computes, and so does the file in each batch."""


class Format(NamedTuple):
    """How a net is written."""

    about: str
    """What the file is, in words."""
    write: Callable[[Exportable, Sequence[Path], dict[str, Any]], None]
    """Writes the files, and the card where they have a place for it; may add to the card."""
    load: Callable[[Exportable, Sequence[Path]], Program]
    """Returns what the files compute."""
    endings: Sequence[str] = ("",)
    """Of the names of the files, behind the name that was asked for."""
    program: bool = True
    """Whether it computes by itself; else it holds weights."""
    channels_first: bool = False
    """Whether whitened images have their channels before height and width."""
    promises: Callable[[Sequence[Path], Sequence[str]], Mapping[str, str]] | None = None
    """Returns, by file, for how long it can be read."""


def _of_onnx(name: str) -> Callable[..., Any]:
    """Returns a function of `jaxcnn.exporting.onnx.write`, which is imported when it is called."""

    def call(*arguments: Any) -> Any:
        try:
            from jaxcnn.exporting.onnx import write
        except ModuleNotFoundError as error:
            raise UserError(f"--format onnx needs {error.name}: pip install 'jaxcnn[onnx]'") from None
        return getattr(write, name)(*arguments)

    return call


FORMATS = {
    "safetensors": Format("weights by our names", weights.write_ours, weights.load_ours, program=False),
    "torch": Format("a state dict by PyTorch's names", weights.write_torch, weights.load_torch, program=False),
    "onnx": Format(
        "a program in ONNX",
        _of_onnx("write"),
        _of_onnx("load"),
        channels_first=True,
        promises=_of_onnx("promises"),
    ),
    "stablehlo": Format(
        "a program in StableHLO, and JAX's own file beside it",
        stablehlo.write,
        stablehlo.load,
        endings=stablehlo.ENDINGS,
        promises=stablehlo.promises,
    ),
}


def export(
    run: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    format: str,
    input: str | None = None,
    fold: bool = True,
    seed: int | None = None,
    step: int | str = "latest",
    class_names: Sequence[str] | os.PathLike[str] | None = None,
    model: Any | None = None,
) -> dict[str, Any]:
    """Writes a trained net to a file, and beside it a card that says what the file takes and gives.

    Programs give `logits` and `probabilities`, (batch, classes) float32, of a batch of any size. Before a file gets its
    name it is read back and compared with the net, on real images in batches of 1, 2 and 7.

    Args:
        run: a run folder, or a folder of imported weights.
        output: the file to write, which is replaced; the card is `output` with ".json" behind it.
        format: one of `FORMATS`.
        input: of a program: "uint8" (None), images (batch, height, width, channels) as they are decoded, which it
            whitens; or "whitened", float32, for onnx (batch, channels, height, width).
        fold: whether batch norms of a program are folded into the layers before them. Weights never are.
        seed: which net of a run of several seeds.
        step: of the checkpoint, as of `jaxcnn.load_run`.
        class_names: names of the outputs by label, or a file of them, in place of those that are known.
        model: as of `jaxcnn.load_run`.

    Returns:
        The card. `files` are the paths that were written, `check` has the images and the `largest_error`.

    Raises:
        UserError: for a run, format or file that cannot be used, in one line.
        Fault: if the file computes anything but the net; nothing is written then.
    """
    check_word("format", format, FORMATS)
    check_word("input", input or INPUTS[0], INPUTS)
    chosen, path = FORMATS[format], _path(output)
    if input is not None and not chosen.program:
        raise UserError(f"--input is of programs: {format} holds weights, which take whitened images as they always do")
    subject = open_subject(run, step=step, model=model, class_names=class_names)
    exportable = make_exportable(subject, seed=seed, input=input or INPUTS[0], fold=fold)
    return _written(exportable, format, chosen, path)


def _path(output: str | os.PathLike[str]) -> Path:
    path = local_path("the file", output).absolute()
    if path.exists() and not path.is_file():  # it would be replaced, a device too
        raise UserError(f"{path} is {'a folder' if path.is_dir() else 'no file'}: --output names a file")
    if not path.parent.is_dir():
        raise UserError(f"there is no folder {path.parent}")
    return path


def _written(exportable: Exportable, name: str, chosen: Format, path: Path) -> dict[str, Any]:
    """Writes the files of a format and the card; returns the card."""
    paths = [path.with_name(path.name + ending) for ending in (*chosen.endings, CARD_ENDING)]
    card = {"format": name, "file": path.name} | _facts(exportable, chosen)
    with appearing(paths) as partial, waiting(f"writing {path.name}", _STAGES, alike=False) as reached:
        files = partial[:-1]
        chosen.write(exportable, files, card)
        reached(1, f"checking {path.name}")
        program = chosen.load(exportable, files)
        checked = check(exportable, program, path.name, lambda done: reached(1 + done))
        if chosen.promises:
            card["readable"] = chosen.promises(files, [each.name for each in paths])
        card["check"] = checked.card()
        partial[-1].write_text(
            json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", errors="backslashreplace"
        )
    return card | {"files": [str(each) for each in paths]}


def _facts(exportable: Exportable, chosen: Format) -> dict[str, Any]:
    """Returns what a card says of a net: what makes it again, its images, its outputs."""
    subject, recipe = exportable.subject, exportable.recipe
    size, _, channels = exportable.image_shape
    return {
        "model": None if exportable.own else module_name(exportable),
        **({"module": module_name(exportable), "fields_known": recipe is not None} if exportable.own else {}),
        "num_classes": len(subject.class_names),
        "fields": dict(recipe.fields) if recipe else {},
        "image_size": size,
        "channels": channels,
        "class_names": list(subject.class_names),
        "preprocessing": dict(subject.preprocessing),
        **(_program(exportable, chosen) if chosen.program else {}),
        "source": _source(subject, exportable.seed),
        "jaxcnn": jaxcnn.__version__,
        "jax": jax.__version__,
    }


def _program(exportable: Exportable, chosen: Format) -> dict[str, Any]:
    """Returns what a card says of a program."""
    height, width, channels = exportable.image_shape
    axes = {"height": height, "width": width, "channels": channels}
    if exportable.input == "whitened" and chosen.channels_first:
        axes = {name: axes[name] for name in ("channels", "height", "width")}
    outputs = {name: [BATCH, len(exportable.subject.class_names)] for name in ("logits", "probabilities")}
    return {
        "input": {
            "name": "image",
            "dtype": str(jax.numpy.dtype(exportable.dtype)),
            "shape": [BATCH, *axes.values()],
            "axes": ", ".join(("batch", *axes)),
            "whitening": "inside" if exportable.input == "uint8" else "of the images that are given",
        },
        "outputs": outputs,
        "probabilities": "sigmoid of each logit" if exportable.subject.independent else "softmax of the logits",
        "batch_norms": exportable.folded(),
    }


def _source(subject: Subject, seed: int | None) -> dict[str, Any]:
    """Returns where the weights are from; the folder by its last name, for its path is of one machine."""
    folder = Path(full_name("the net", subject.name)).name
    known = {"folder": folder, "step": subject.step, "seed": seed, "views": subject.views or None}
    return {name: value for name, value in known.items() if value is not None}
