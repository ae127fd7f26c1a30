"""The parts of the Inception families: branches in parallel, written as data, and the net around them.

A branch is a tuple of steps, each of them a convolution with norm and activation (`conv(96, 3)`), a pooling layer,
or a tuple of branches whose outputs are concatenated. `()` is the identity.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import flax.linen as nn
import jax.numpy as jnp
from flax.core import FrozenDict

from jaxcnn.layers.activation import Activation
from jaxcnn.layers.blocks import ConvNormAct
from jaxcnn.layers.conv import Conv
from jaxcnn.layers.join import Join
from jaxcnn.layers.pool import AvgPool, MaxPool
from jaxcnn.models.net import AUXILIARY, Net
from jaxcnn.ops.pool import global_avg_pool
from jaxcnn.parts import Part
from jaxcnn.types import Array, ModuleDef

Branch: TypeAlias = Sequence[Any]
"""Of steps: a mapping (the fields of `ConvNormAct`), what makes a pooling layer, or a sequence of branches."""

MAX_SAME: ModuleDef = functools.partial(MaxPool, window=3, strides=1, padding=1)
AVG_SAME: ModuleDef = functools.partial(AvgPool, window=3, strides=1, padding=1)
MAX_HALVE: ModuleDef = functools.partial(MaxPool, window=3, strides=2)


def conv(
    features: int, kernel_size: int | tuple[int, int] = 1, strides: int = 1, padding: int | None = None
) -> Mapping[str, Any]:
    """Returns a step: convolution, norm, activation; padding None is half the kernel.

    Args:
        features: of the output.
        kernel_size: one number or (height, width).
        strides: of the convolution.
        padding: cells on each side; None for half the kernel.
    """
    return FrozenDict(features=features, kernel_size=kernel_size, strides=strides, padding=padding)


def walk(steps: Branch, x: Array, unit: ModuleDef, prefix: str) -> Array:
    """Returns x (batch, height, width, channels) after `steps`; `unit` makes their convolutions.

    Their names are `prefix` and their number among the steps; those of inner branches are 2a_1, 2b_1 and so on.
    A pooling layer is called `prefix`, then pool, then its number.

    Args:
        steps: a branch.
        x: (batch, height, width, channels).
        unit: constructor of a `ConvNormAct`.
        prefix: of names.
    """
    number = pools = 0
    for step in steps:
        if callable(step):
            pools += 1
            x = step(name=f"{prefix}pool{pools}")(x)
            continue
        number += 1
        if isinstance(step, Mapping):
            x = unit(**step, name=f"{prefix}{number}")(x)
        else:
            inner = zip("abcdef", step, strict=False)
            x = jnp.concatenate([walk(branch, x, unit, f"{prefix}{number}{key}_") for key, branch in inner], axis=-1)
    return x


def without_strides(steps: Branch) -> Branch:
    """Returns the steps with every convolution at stride 1, keeping the size of the map, and without pooling."""
    return tuple(
        FrozenDict({**step, "strides": 1, "padding": None})
        if isinstance(step, Mapping)
        else tuple(without_strides(branch) for branch in step)
        for step in steps
        if not callable(step)
    )


class Mixed(nn.Module):
    """An Inception module: parallel branches, whose outputs are concatenated; submodules `branch1_1`, `branch1_2`, ...

    Attributes:
        branches: see the top of this file.
        unit: makes a `ConvNormAct`.
        act: follows the sum of a residual block; None leaves it out.
        pool: makes a pooling layer before the branches.
        scale: if given, the block is residual: x + scale * linear 1x1 convolution of the branches (submodule `linear`).
        linear_end: no activation after the sum.
    """

    branches: Sequence[Branch]
    unit: ModuleDef
    act: Activation | None = None
    pool: ModuleDef | None = None
    scale: float | None = None
    linear_end: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Maps (batch, height, width, channels) to (batch, out_height, out_width, sum of the branches' features)."""
        x = x if self.pool is None else self.pool(name="pool")(x)
        outputs = [walk(branch, x, self.unit, f"branch{n}_") for n, branch in enumerate(self.branches, start=1)]
        y = jnp.concatenate(outputs, axis=-1)
        if self.scale is None:
            return y
        y = x + self.scale * Conv(x.shape[-1], 1, padding=0, dtype=x.dtype, name="linear")(y)
        return Join(name="join")(y if self.linear_end or self.act is None else self.act(y))


class BranchNet(Net, kw_only=True):
    """A stem, stages of `Mixed` blocks, the mean of each channel, dropout, a linear classifier.

    Attributes:
        stem_steps: a branch; `stem="small"` takes it without strides and pooling.
        stages: the blocks of each stage, as constructors called as `block(unit=..., act=..., name="stage1_block1")`.
        heads: by name of a block, the auxiliary head on its output, as a constructor called as `head(num_classes,
            unit=..., act=..., dtype=..., name="auxiliary1")`.
    """

    stem_steps: Branch = ()
    stages: Sequence[Sequence[ModuleDef]]
    heads: Mapping[str, ModuleDef] = FrozenDict()
    norm: Part = "batch"

    def unit(self, *, train: bool) -> ModuleDef:
        """Returns a constructor of a convolution with this net's norm and activation."""
        norm, act = self.norm_layer(train=train), self.activation()
        return functools.partial(ConvNormAct, conv=self.conv_before_norm(), norm=norm, act=act)

    def walk_stem(self, x: Array, unit: ModuleDef) -> Array:
        """Maps the image (batch, height, width, channels) to the first stage's input."""
        return walk(without_strides(self.stem_steps) if self.stem == "small" else self.stem_steps, x, unit, "stem")

    def head(self, block: str) -> ModuleDef:
        """Returns a constructor of the auxiliary head on the output of `block`."""
        return self.heads[block]

    def attach(self, block: str, x: Array, unit: ModuleDef, *, train: bool) -> None:
        """Runs the auxiliary head on x, the output of `block`, if it has one: at initialisation and in training.

        Args:
            block: its name.
            x: (batch, height, width, channels).
            unit: constructor of a `ConvNormAct`.
            train: whether the net trains.
        """
        if block in self.heads and (train or self.is_initializing()):
            number = list(self.heads).index(block) + 1
            fields = {"unit": unit, "act": self.activation(), "dtype": self.dtype, "name": f"{AUXILIARY}{number}"}
            logits = self.head(block)(self.num_classes, **fields)(x, train=train)
            self.auxiliary(logits, name=f"logits{number}", train=train)

    @nn.compact
    def __call__(self, image: Array, *, train: bool = False) -> Array:
        """Maps (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        unit = self.unit(train=train)
        x = self.walk_stem(image.astype(self.dtype), unit)
        self.sow("intermediates", "stem", x)
        for stage, blocks in enumerate(self.stages, start=1):
            for number, block in enumerate(blocks, start=1):
                name = f"stage{stage}_block{number}"
                x = block(unit=unit, act=self.activation(), name=name)(x)
                self.attach(name, x, unit, train=train)
            self.sow("intermediates", f"stage{stage}", x)
        return self.classify(self.dropout(global_avg_pool(x), train=train))
