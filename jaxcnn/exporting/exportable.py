"""A trained net as it goes into a file: what it computes, of which images, and how it would be made again."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from jaxcnn.accel.fold import fold_batch_norm
from jaxcnn.config.check import frozen
from jaxcnn.errors import UserError, first_line
from jaxcnn.evaluation.subject import Subject
from jaxcnn.interop.named import folder_of
from jaxcnn.interop.weights import make_net, read_card
from jaxcnn.models import Net, list_models, over_axis
from jaxcnn.models.described import fields_of
from jaxcnn.parts import is_path, part_name
from jaxcnn.train.net import make_model
from jaxcnn.train.settings import model_settings
from jaxcnn.types import ApplyFn, Array, Variables

INPUTS = ("uint8", "whitened")
"""What a program is given: images as they are decoded, or images that are whitened already."""
BATCH = "b"
"""What the number of images of a program is called."""
Outputs = dict[str, Array]
"""`logits` and `probabilities`, (batch, classes) float32 each."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What makes a net again: `create_model(name, num_classes=..., **fields)`."""

    name: str
    """Of `list_models()`, or the path of a module class of a user's own."""
    num_classes: int
    fields: Mapping[str, Any]
    """Ready for JSON."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Exportable:
    """One trained net. It computes in float32, whatever it was trained in."""

    subject: Subject
    model: nn.Module
    variables: Variables
    """On the host."""
    seed: int | None
    """Which of the nets of a run; None for imported weights."""
    recipe: Recipe | None
    """None for a net of a user's own whose fields no file can hold."""
    input: str = "uint8"
    """One of `INPUTS`."""
    fold: bool = True
    """Whether a program has batch norms inside the layers before them."""

    @property
    def own(self) -> bool:
        """Whether it is a net of a user's own."""
        return self.recipe is None or is_path(self.recipe.name)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images that it takes."""
        square = self.subject.square
        return square.size, square.size, square.channels

    @property
    def dtype(self) -> Any:
        """Of the images that a program takes."""
        return np.uint8 if self.input == "uint8" else np.float32

    def given(self, image: np.ndarray) -> np.ndarray:
        """Returns what a program is given of images (batch, height, width, channels) uint8."""
        return image if self.input == "uint8" else np.asarray(self.subject.whitened(jnp.asarray(image)))

    @functools.cached_property
    def net(self) -> tuple[ApplyFn, Variables]:
        """What is called as `model.apply`, and its variables: with the batch norms folded, where they can be."""
        if self.fold:
            with contextlib.suppress(UserError):  # it has none that can be folded
                return fold_batch_norm(self.model.apply, self.variables, self.image_shape)
        return self.model.apply, self.variables

    def folded(self) -> str:
        """Returns in words what became of the batch norms of `net`."""
        before, after = (_norms(variables) for variables in (self.variables, self.net[1]))
        return f"{before - after} of {before} folded into the layers before them" if before else "none"

    def forward(self, apply_fn: ApplyFn, variables: Variables) -> Callable[[Array], Outputs]:
        """Returns the program: a function of images, (batch, height, width, channels) of `dtype`, to `Outputs`."""

        def forward(image: Array) -> Outputs:
            logits = self.logits(apply_fn, variables, image)
            return {"logits": logits, "probabilities": self.shares(logits)}

        return forward

    def logits(self, apply_fn: ApplyFn, variables: Variables, image: Array) -> Array:
        """Returns the logits of images as `forward` takes them."""
        x = self.subject.whitened(image) if self.input == "uint8" else image
        return _applied(apply_fn, variables, x).astype(jnp.float32)

    def shares(self, logits: Array) -> Array:
        """Returns the probability of each class."""
        return jax.nn.sigmoid(logits) if self.subject.independent else jax.nn.softmax(logits)


def _applied(apply_fn: ApplyFn, variables: Variables, x: Array) -> Any:
    """Returns the logits of a batch; where its size is not known, as no net of ours needs, also image by image."""
    try:
        return apply_fn(variables, x, train=False)
    except TypeError:  # of `len(image)`, which has to be a number
        if isinstance(x.shape[0], int):
            raise
        return jax.vmap(lambda one: apply_fn(variables, one[None], train=False)[0])(x)


@contextlib.contextmanager
def any_batch(exportable: Exportable) -> Iterator[jax.ShapeDtypeStruct]:
    """Gives images whose number, `BATCH`, is not known, (b, height, width, channels), to trace a program with.

    Raises:
        UserError: if the block fails, as for a net that does what only a batch of a known size can do.
    """
    (batch,) = jax.export.symbolic_shape(BATCH)
    try:
        yield jax.ShapeDtypeStruct((batch, *exportable.image_shape), exportable.dtype)
    except Exception as error:  # a user's net may do anything with its batch
        reason = first_line(error)
        raise UserError(f"{exportable.subject.name} cannot be traced for a batch of any size: {reason}") from error


def make_exportable(subject: Subject, *, seed: int | None, input: str, fold: bool) -> Exportable:
    """Returns one net of a subject, ready to be written.

    Args:
        subject: a run, or imported weights.
        seed: which net of a run of several seeds; None: the only one.
        input: one of `INPUTS`.
        fold: as of `Exportable`.

    Raises:
        UserError: for a seed that the run does not have, or none where it has several.
    """
    if seed is None and len(subject.members) > 1:
        listed = ", ".join(map(str, subject.seeds))
        raise UserError(f"{subject.name} has {len(subject.members)} nets: --seed says which, of {listed}")
    subject, model = subject.of_seed(seed), subject.model
    if "dtype" in (field.name for field in dataclasses.fields(model)):
        model = model.clone(dtype=jnp.float32)
    return Exportable(
        subject=subject,
        model=model,
        variables=jax.device_get(subject.members[0]),
        seed=next(iter(subject.seeds), None),
        recipe=_recipe(subject) if isinstance(model, Net) else _own_recipe(model, len(subject.class_names)),
        input=input,
        fold=fold,
    )


def _recipe(subject: Subject) -> Recipe | None:
    if subject.config is None:
        card = read_card(folder_of(subject.name))
        return Recipe(card["model"], card["num_classes"], card["fields"])
    asked, count = model_settings(frozen(subject.config)), len(subject.class_names)
    if asked.name not in list_models():
        return None
    if over_axis(make_model(asked, count), None) != subject.model:  # the run was given another
        return None
    words = {name: getattr(asked, name) for name in ("norm", "act", "stem", "dropout_rate")}
    fields = words | {"norm_options": asked.norm_options or None} | dict(asked.fields)
    return Recipe(asked.name, count, {name: value for name, value in fields.items() if value is not None})


def _own_recipe(model: nn.Module, num_classes: int) -> Recipe | None:
    """Returns what makes a module of a user's own again: its class, and the fields that are not its defaults."""
    words = fields_of(model)
    fields = {
        field.name: words[field.name]
        for field in dataclasses.fields(model)
        if field.name in words.keys() - {"num_classes", "dtype"} and getattr(model, field.name) != field.default
    }
    with contextlib.suppress(Exception):  # it has no path, or fields that are no words; a user's may raise any kind
        again = make_net(part_name(model), num_classes, fields)
        return Recipe(part_name(model), num_classes, fields) if again == model else None
    return None


def _norms(variables: Variables) -> int:
    """Returns how many batch norms variables are of; those in a loop count once."""
    return sum(path[-1] == "mean" for path in flatten_dict(variables.get("batch_stats", {})))


def module_name(exportable: Exportable) -> str:
    """Returns what the net is called: its name in the registry, or that of a user's module."""
    return exportable.recipe.name if exportable.recipe else part_name(exportable.model)
