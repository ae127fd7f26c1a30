"""The net of a run and its first state: made, and traced once to see whether it takes the images."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import optax
from jax.sharding import Mesh

from jaxcnn.errors import UserError
from jaxcnn.layers.means import Mean, means_of_norms
from jaxcnn.layers.padding import paddings_of_convolutions
from jaxcnn.models import Net, check_image_size, check_logits, create_model, over_axis
from jaxcnn.ops.window import Pads
from jaxcnn.train.devices.mesh import AXIS, replicated
from jaxcnn.train.given import Parts
from jaxcnn.train.run import Init
from jaxcnn.train.seeds import each, init_key, seeds_of
from jaxcnn.train.settings import PRECISIONS, ModelSettings, Settings
from jaxcnn.train.state import TrainState, create_state
from jaxcnn.types import Array

_NOTHING: Mapping[str, Array] = {}


def make_model(settings: ModelSettings, num_classes: int, parts: Parts | None = None) -> nn.Module:
    """Returns the model of the settings, with the model, norm and activation among `parts` in their place."""
    m, own = settings, parts or {}
    twice = inspect.signature(create_model).parameters.keys() & m.fields.keys()
    if twice:
        raise UserError(f"model.fields holds {', '.join(sorted(twice))}, which the config has a key or the data for")
    model = create_model(
        _first(own.get("model"), m.name),
        num_classes=num_classes,
        norm=_first(own.get("norm"), m.norm),
        norm_options=m.norm_options or None,
        act=_first(own.get("act"), m.act),
        stem=m.stem,
        dtype=PRECISIONS[m.precision],
        dropout_rate=m.dropout_rate,
        **m.fields,
    )
    return over_axis(model, AXIS) if m.mapped else model


def _first(own: Any | None, word: Any) -> Any:
    return word if own is None else own


def make_init(
    settings: Settings, mesh: Mesh, model: nn.Module, tx: optax.GradientTransformation, shape: tuple[int, int, int]
) -> Init:
    """Returns a function that makes the initial state on every device of a mesh.

    It may be given trained arrays by path; every net of several has the same of them.

    Args:
        settings: of the run: its seeds, which averages it keeps, and what is frozen.
        mesh: of devices.
        model: the net.
        tx: the optimizer.
        shape: (height, width, channels) of training images.
    """
    kept = {"ema": settings.ema_decay is not None, "swa": settings.swa.start is not None}
    first, count, freeze = settings.seed, settings.num_seeds, settings.train.freeze

    def create(seed: Array, loaded: Mapping[str, Array]) -> TrainState:
        return create_state(model, tx, shape, init_key(seed), **kept, loaded=loaded, freeze=freeze)

    @functools.partial(jax.jit, out_shardings=replicated(mesh))
    def init_state(loaded: Mapping[str, Array] = _NOTHING) -> TrainState:
        return each(create, count, in_axes=(0, None))(seeds_of(first, count), loaded)

    return init_state


def trace(
    model: nn.Module, shape: tuple[int, int, int], init_state: Init, num_classes: int, batch: int
) -> tuple[list[Mean], dict[str, Pads]]:
    """Returns the means of norms for a training batch of `batch` examples, and the paddings that have names.

    It traces `init_state` once, and only if that fails looks for the reason with `check_image_size`.

    Args:
        model: the net.
        shape: (height, width, channels) of training images.
        init_state: makes the initial state, as `make_init` returns it.
        num_classes: outputs that the net must have.
        batch: examples of a step, or of each of the parts in which it takes them.

    Raises:
        UserError: as `check_image_size`.
    """
    with means_of_norms(batch) as means, paddings_of_convolutions() as paddings:
        try:
            fits = all(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(init_state)))
        except Exception:  # of any kind: `check_image_size` reports it
            fits = False
    if not fits:
        check_image_size(model, shape)
    if not isinstance(model, Net):
        check_logits(model, shape, num_classes)
    return means, paddings
