"""Squeeze-and-excitation networks: a gate scales the channels of each residual branch.

Hu, Shen, Sun, "Squeeze-and-excitation networks", CVPR 2018 (arXiv:1709.01507): table 1, and for SENet-154 the appendix.

| net | blocks | in the stages | features | parameters |
|---|---|---|---|---|
| `seresnet18` | basic | 2, 2, 2, 2 | 64, 128, 256, 512 | 11,779,624 |
| `seresnet34` | basic | 3, 4, 6, 3 | the same | 21,960,416 |
| `seresnet50` | bottleneck | 3, 4, 6, 3 | 256, 512, 1024, 2048 | 28,088,024 |
| `seresnet101` | bottleneck | 3, 4, 23, 3 | the same | 49,326,872 |
| `seresnet152` | bottleneck | 3, 8, 36, 3 | the same | 66,821,848 |
| `senet154` | bottleneck, 64 groups | 3, 8, 36, 3 | the same | 115,088,984 |

- `seresnet*`: ResNets whose branches end in a gate of reduction 16, as in timm: the stride is on the 3x3 and the gate's
  hidden layer has a multiple of 8 features. `legacy=True` pools after the stem without padding, divides by the
  reduction exactly, and in basic blocks activates before the gate; with `stride_on_first=True` it is the first release
  of 2017, timm's `legacy_seresnet*`.
- `senet154` (timm's `legacy_senet154`): a stem of three 3x3 convolutions, bottlenecks with 64 groups whose first 1x1 is
  half as wide as the 3x3, 3x3 projections where the map shrinks, dropout of 0.2 before the classifier.

`stem="small"` gives every convolution of the stem stride 1 and leaves out its pooling. `norm` replaces batch norm; the
gates have none. After `instance` a gate sees only the norm's bias, which is 0 at first.
"""

import functools
from collections.abc import Callable
from typing import Any

from jaxcnn.layers.activation import Activation
from jaxcnn.layers.blocks import STEM_POOL, ConvNormAct, SqueezeExcite, strided_stem
from jaxcnn.layers.pool import ceil_pool
from jaxcnn.models.resnet import BasicBlock, BottleneckBlock, Parts, ResNet
from jaxcnn.models.shortcuts import ProjectionShortcut
from jaxcnn.models.variant import Variant
from jaxcnn.types import Array, ModuleDef


class SENet(ResNet, kw_only=True):
    """A residual network with gates.

    Attributes:
        reduction: channels divided by the features of a gate's hidden layer.
        legacy: see above.
        deep_stem: three 3x3 convolutions, of `features`, `features` and twice as many, instead of the 7x7.
        shortcut_size: kernel size of projections with stride 2.
    """

    reduction: int = 16
    legacy: bool = False
    deep_stem: bool = False
    shortcut_size: int = 1

    def enter(self, image: Array, parts: Parts) -> Array:
        """Returns the stem's output."""
        conv, norm, act, _ = parts
        small, pool = self.has_small_stem, ceil_pool if self.legacy else STEM_POOL
        enter = functools.partial(strided_stem, image, self.features, conv, norm, act, small=small)
        if not self.deep_stem:
            return enter(pool=pool)
        layer = functools.partial(ConvNormAct, conv=conv, norm=norm, act=act)
        x = layer(2 * self.features, name="stem3")(layer(self.features, name="stem2")(enter(kernel_size=3, pool=None)))
        return x if small else pool(name="stem_pool")(x)

    def make_block(self, parts: Parts) -> ModuleDef:
        """Returns a constructor of a block, called as `block(features, strides, name=...)`."""
        block = super().make_block(parts)
        activates = self.legacy and self.block is BasicBlock
        squeeze = functools.partial(SqueezeExcite, act=parts.act, dtype=self.dtype)
        gate = functools.partial(
            _gate, squeeze, self.reduction, 1 if self.legacy else 8, parts.act if activates else None
        )
        return functools.partial(block, gate=gate)

    def make_shortcut(self, conv: ModuleDef, norm: ModuleDef) -> ModuleDef | None:
        """Returns a constructor of a shortcut, called as `shortcut(features, strides, name=...)`; None for none."""
        if self.shortcut != "projection":
            return super().make_shortcut(conv, norm)
        return functools.partial(ProjectionShortcut, conv=conv, norm=norm, kernel_size=self.shortcut_size)


def _gate(
    squeeze: ModuleDef, reduction: int, multiple: int, act: Activation | None, channels: int, name: str
) -> Callable[[Array], Array]:
    """Returns the gate for `channels` inputs.

    Args:
        squeeze: makes the module.
        reduction: inputs divided by the features of its hidden layer.
        multiple: of which these features are a multiple.
        act: activation before it, if any.
        channels: number of inputs.
        name: of the module.
    """
    hidden = (channels // reduction + multiple // 2) // multiple * multiple
    gate = squeeze(max(hidden, multiple), name=name)
    return gate if act is None else lambda x: gate(act(x))


_PAPER = functools.partial(Variant, paper="Hu et al., CVPR 2018", year=2017)


def _variant(stage_sizes: tuple[int, ...], block: ModuleDef, parameters: int, **fields: Any) -> Variant:
    return _PAPER(functools.partial(SENet, stage_sizes=stage_sizes, block=block, **fields), parameters=parameters)


_SENET154 = functools.partial(BottleneckBlock, groups=64, base_width=4, reduce_first=2)

IDEA = "Squeeze-and-excitation: each channel is scaled by a gate, computed from the means of all channels."
VARIANTS = {
    "seresnet18": _variant((2, 2, 2, 2), BasicBlock, 11_779_624),
    "seresnet34": _variant((3, 4, 6, 3), BasicBlock, 21_960_416),
    "seresnet50": _variant((3, 4, 6, 3), BottleneckBlock, 28_088_024),
    "seresnet101": _variant((3, 4, 23, 3), BottleneckBlock, 49_326_872),
    "seresnet152": _variant((3, 8, 36, 3), BottleneckBlock, 66_821_848),
    "senet154": _variant(
        (3, 8, 36, 3), _SENET154, 115_088_984, legacy=True, deep_stem=True, shortcut_size=3, dropout_rate=0.2
    ),
}
