"""The parts of a run."""

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

from jaxcnn.accel.accelerate import accelerate
from jaxcnn.accel.batches import MakeBatch, accelerate_batches
from jaxcnn.data.feed.given import Batches
from jaxcnn.data.feed.pipeline import Pipeline
from jaxcnn.data.read.crops import Crop
from jaxcnn.data.read.sources import Dataset
from jaxcnn.errors import UserError
from jaxcnn.layers.variables import parameter_count
from jaxcnn.models import over_axis
from jaxcnn.ops.window import Pads
from jaxcnn.train.devices.mesh import platform_of
from jaxcnn.train.groups import Groups
from jaxcnn.train.parts.best import Best
from jaxcnn.train.parts.losses import LossFn
from jaxcnn.train.parts.metrics import MetricFns
from jaxcnn.train.parts.schedules import Shape
from jaxcnn.train.parts.snapshots import Snapshots
from jaxcnn.train.seeds import Randomness, abstract_one_of, each, randomness_of, seeds_of
from jaxcnn.train.settings import Settings, Sharing
from jaxcnn.train.state import TrainState
from jaxcnn.train.step import TrainStep
from jaxcnn.train.transfer import Transfer
from jaxcnn.types import ApplyFn

Init: TypeAlias = Callable[..., TrainState]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timing:
    """How long a run is, and how often something is due."""

    total_steps: int
    steps_per_epoch: Fraction
    log_every: Fraction
    """In steps, as the others."""
    eval_every: Fraction
    checkpoint_every: Fraction
    schedule: Shape
    """Parameters of the schedule, in steps."""
    peak: float
    """Peak learning rate of the schedule, scaled by the batch size if the config says so."""
    snapshots: Snapshots | None
    """The states that stochastic weight averaging takes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measures:
    """What is minimised, and what is measured."""

    loss_fn: LossFn
    eval_loss_fn: LossFn
    """Without label smoothing, so that runs can be compared."""
    metrics: MetricFns
    """The metrics besides the loss, by name."""
    best: Best
    """How the best checkpoint is chosen."""
    sums: Mapping[str, jax.ShapeDtypeStruct]
    """Shapes and dtypes of the sums of a step, for one net."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run(Timing, Measures):
    """All parts of a run on this machine, made from a config and from objects that were handed over."""

    settings: Settings
    """What its config says."""
    given: Mapping[str, str]
    """By part, the qualified names of objects that were handed over. If there are any, the config cannot make this run
    alone."""
    mesh: Mesh
    dataset: Dataset | Batches
    squares: Crop | None
    """Makes the training squares from stored images; None if the data make their own batches."""
    pipeline: Pipeline
    data: Mapping[str, Any]
    """Facts about the data, for the run card."""
    remarks: tuple[str, ...]
    """Sentences about settings that are probably not intended. They are shown at the start and kept in the card."""
    batch: Mapping[str, jax.ShapeDtypeStruct]
    """Shapes and dtypes of a training batch: `image` and `label`."""
    model: nn.Module
    num_classes: int
    """Width of the logits."""
    tx: optax.GradientTransformation
    """Of the parameters that are trained."""
    groups: Groups
    """Of the parameters: which are trained, and at which rate."""
    init_state: Init
    """Makes the initial state, on every device of the mesh. It is traced once, also for its shapes."""
    step: TrainStep | None
    """A user's training step; None for ours."""
    learning_rate: optax.Schedule | None
    """None if an optimizer was handed over, which has its own."""
    paddings: Mapping[str, Pads]
    """Padding of each convolution whose padding has a name, from `paddings_of_convolutions`."""
    steps_per_dispatch: int
    transfer: Transfer | None = None
    """What is taken from trained weights; None if nothing is, or an earlier start of the run has done so."""
    tuned: bool = True
    """Whether net and step use the forms of `jaxcnn.accel`."""

    @property
    def config(self) -> FrozenConfigDict:
        """The config, as it is kept in the run folder."""
        return self.settings.config

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of training images."""
        return self.batch["image"].shape[1:]

    @property
    def crop(self) -> Crop:
        """`squares`; raises `UserError` if it is None."""
        if self.squares is None:
            raise UserError("the data make their own batches: there are no single images to look at")
        return self.squares

    def abstract_state(self) -> TrainState:
        """Returns the shapes and dtypes of the state, without computing it."""
        return jax.eval_shape(self.init_state)

    def abstract_variables(self) -> dict[str, Any]:
        """Returns the shapes and dtypes of one net's variables."""
        return abstract_one_of(dict(self.abstract_state().variables), self.num_seeds)

    def abstract_params(self) -> Any:
        """Returns the shapes and dtypes of one net's parameters."""
        return self.abstract_variables()["params"]

    @property
    def parameter_count(self) -> int:
        """Number of scalars of one net, trained or frozen."""
        return parameter_count(self.abstract_params())

    @property
    def statistics_examples(self) -> int | None:
        """Number of examples that share batch norm's statistics in training; None where no batch norm takes them."""
        if not self.groups.frozen.takes_statistics(self.abstract_variables()):
            return None
        return self.sharing.examples or self.batch_size // self.sharing.parts

    @property
    def sharing(self) -> Sharing:
        """How the examples of a training step are shared out."""
        return self.settings.sharing

    @property
    def batch_size(self) -> int:
        """Examples in a training batch, over all devices."""
        return self.sharing.batch_size

    @property
    def plain_model(self) -> nn.Module:
        """The model without averages over devices, for a whole batch on one device."""
        return over_axis(self.model, None) if self.mapped else self.model

    def apply_on(self, mesh: Mesh, *, looped: bool = False) -> ApplyFn:
        """Returns `model.apply` in the forms of the devices of `mesh`; `looped` as of `accelerate`."""
        return accelerate(self.model.apply, self.forms_on(mesh), looped=looped)

    def batches_on(self, mesh: Mesh) -> MakeBatch:
        """Returns `pipeline.train_batch` in the form of the devices of `mesh`."""
        return accelerate_batches(self.pipeline.train_batch, self.forms_on(mesh))

    def eval_batches_on(self, mesh: Mesh) -> MakeBatch:
        """Returns `pipeline.eval_batch` in the form of the devices of `mesh`."""
        return accelerate_batches(self.pipeline.eval_batch, self.forms_on(mesh))

    def forms_on(self, mesh: Mesh) -> str:
        """Returns the platform whose forms net and step have on the devices of `mesh`; "" for the plain forms."""
        return platform_of(mesh) if self.tuned else ""

    @property
    def mapped(self) -> bool:
        """Whether each device takes the step on its own part of the batch."""
        return self.sharing.mapped

    @property
    def randomness(self) -> Randomness:
        """Random seed and key of the run; for several seeds, with the seeds as their axis."""
        return jax.jit(each(randomness_of, self.num_seeds))(seeds_of(self.settings.seed, self.num_seeds))

    def no_sums(self) -> dict[str, Any]:
        """Returns the sums of zero training steps, as NumPy arrays; for several nets, (num_seeds,) each."""
        shape = (self.num_seeds,) if self.num_seeds > 1 else ()
        return {name: np.zeros(shape, leaf.dtype) for name, leaf in self.sums.items()} | {
            "nonfinite": np.zeros(shape, np.int32)
        }

    @property
    def num_seeds(self) -> int:
        """Number of nets that are trained at once; if above 1, the first axis of every array of the state."""
        return self.settings.num_seeds

    @property
    def seeds(self) -> Sequence[int]:
        """The seed of each net that is trained at once."""
        return range(self.settings.seed, self.settings.seed + self.num_seeds)
