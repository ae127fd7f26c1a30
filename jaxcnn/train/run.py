"""What a run is made of."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import flax.linen as nn
import jax
import numpy as np
import optax
from jax.sharding import Mesh
from ml_collections import FrozenConfigDict

from jaxcnn.data.feed.given import Batches
from jaxcnn.data.feed.pipeline import Pipeline
from jaxcnn.data.read.crops import Crop
from jaxcnn.data.read.sources import Dataset
from jaxcnn.errors import UserError
from jaxcnn.models import over_axis
from jaxcnn.ops.window import Pads
from jaxcnn.train.devices.mesh import platform_of
from jaxcnn.train.parts.best import Best
from jaxcnn.train.parts.losses import LossFn
from jaxcnn.train.parts.metrics import MetricFns
from jaxcnn.train.parts.schedules import Shape
from jaxcnn.train.seeds import Chance, chance_of, each, seeds_of
from jaxcnn.train.state import TrainState
from jaxcnn.train.step import TrainStep

Init: TypeAlias = Callable[[], TrainState]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """What a config amounts to on this machine."""

    config: FrozenConfigDict
    given: Mapping[str, str]
    """What was handed over as objects, by qualified name: where there is any, the config alone makes another run."""
    mesh: Mesh
    dataset: Dataset | Batches
    squares: Crop | None
    """Makes the squares that are trained on, of images as they are stored; None where the data make their own."""
    pipeline: Pipeline
    data: Mapping[str, Any]
    """What the run card says of the data."""
    remarks: tuple[str, ...]
    """Sentences about what in this config is likely not meant; shown when the run begins and kept in its card."""
    batch: Mapping[str, jax.ShapeDtypeStruct]
    """Shapes and dtypes of what the network is trained on, `image` and `label`."""
    model: nn.Module
    num_classes: int
    """Width of the logits."""
    tx: optax.GradientTransformation
    init_state: Init
    """Makes the fresh state, on every device of the mesh; traced once, for its shapes too."""
    loss_fn: LossFn
    eval_loss_fn: LossFn
    """Without label smoothing, so that runs can be compared."""
    metrics: MetricFns
    """What is measured beside the loss, by name."""
    best: Best
    """What the best checkpoint is chosen by."""
    sums: Mapping[str, jax.ShapeDtypeStruct]
    """Shapes and dtypes of what a step adds up, of one net."""
    step: TrainStep | None
    """A training step of a user's own; None: ours."""
    learning_rate: optax.Schedule | None
    """None where an optimizer is handed over that has its own."""
    schedule: Shape
    """What the schedule is made of, in steps."""
    peak: float
    """The learning rate that the schedule starts from, scaled by the batch size where the config says so."""
    paddings: Mapping[str, Pads]
    """What a word for padding means in each convolution that has one, as of `paddings_of_convolutions`."""
    total_steps: int
    steps_per_epoch: Fraction
    log_every: Fraction
    eval_every: Fraction
    checkpoint_every: Fraction
    steps_per_dispatch: int
    tuned: bool = True
    """Whether net and step are computed in the forms of `jaxcnn.accel`."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of what the network is trained on."""
        return self.batch["image"].shape[1:]

    @property
    def crop(self) -> Crop:
        """As `squares`; raises `UserError` where there is none."""
        if self.squares is None:
            raise UserError("the data make their own batches: there are no single images to look at")
        return self.squares

    def abstract_state(self) -> TrainState:
        """Returns the shapes and dtypes of the state, without computing it."""
        return jax.eval_shape(self.init_state)

    def abstract_params(self) -> Any:
        """Returns the shapes and dtypes of the parameters, of one net."""
        own = 1 if self.num_seeds > 1 else 0
        params = self.abstract_state().params
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[own:], leaf.dtype), params)

    @property
    def parameter_count(self) -> int:
        """The number of trained scalars, of one net."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.abstract_params()))

    @property
    def statistics_examples(self) -> int | None:
        """How many examples share batch-norm statistics in training; None in a net without them."""
        if "batch_stats" not in self.abstract_state().collections:
            return None
        return self.config.model.norm_options.examples or self.config.batch_size // self.config.accumulate_steps

    @property
    def batch_size(self) -> int:
        """Examples in a training step, over all devices."""
        return self.config.batch_size

    @property
    def plain_model(self) -> nn.Module:
        """The model as it computes a whole batch in one place."""
        return over_axis(self.model, None) if self.mapped else self.model

    def forms_on(self, mesh: Mesh) -> str:
        """Returns the platform of whose forms net and step are on the devices of `mesh`; an empty one: the plain."""
        return platform_of(mesh) if self.tuned else ""

    @property
    def mapped(self) -> bool:
        """Whether each device takes the step on its own part of the batch."""
        return self.config.parallel == "pmap"

    @property
    def chance(self) -> Chance:
        """Where the run's chances come from; of several seeds, with the seeds as its axis."""
        return jax.jit(each(chance_of, self.num_seeds))(seeds_of(self.config.seed, self.num_seeds))

    def no_sums(self) -> dict[str, Any]:
        """Returns the sums of no training step, of NumPy: of several nets, (num_seeds,) each."""
        shape = (self.num_seeds,) if self.num_seeds > 1 else ()
        return {name: np.zeros(shape, leaf.dtype) for name, leaf in self.sums.items()} | {
            "nonfinite": np.zeros(shape, np.int32)
        }

    @property
    def num_seeds(self) -> int:
        """How many nets are trained at once; more than one are the first axis of every array of the state."""
        return self.config.num_seeds

    @property
    def seeds(self) -> Sequence[int]:
        """The seed of each net that is trained at once."""
        return range(self.config.seed, self.config.seed + self.num_seeds)
