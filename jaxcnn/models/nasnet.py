"""NASNet-A: two cells found by search on CIFAR-10, stacked.

Zoph, Vasudevan, Shlens, Le, "Learning transferable architectures for scalable image recognition", CVPR 2018
(arXiv:1707.07012): figure 2 has the nets, figure 4 the cells, appendix A the training. Details that these do not give
are as in the authors' TensorFlow code.

| member | paper's name | image | normal cells | maps of the stages |
|---|---|---|---|---|
| `nasnet_a_large` | 6 @ 4032 | 331 px | 3 x 6 | 42x42x1008, 21x21x2016, 11x11x4032 |
| `nasnet_a_mobile` | 4 @ 1056 | 224 px | 3 x 4 | 28x28x264, 14x14x528, 7x7x1056 |
| `nasnet_a_cifar` | 6 @ 768 | 32 px | 3 x 6 | 32x32x192, 16x16x384, 8x8x768 |

- The inputs of a cell are the outputs of the two cells before it: `right` is the last one's, `left` the earlier one's.
  Each is first projected to the cell's features. A cell adds five pairs of operations, and concatenates the sums that
  it does not use itself.
- A `left` twice as large as `right` is halved by two 1x1 convolutions of every other cell, one shifted by (1, 1).
- Stages 2 and 3 begin with a reduction cell. The ImageNet members' stem is a 3x3 of stride 2 without padding and two
  more of them. The very first cell has no `left`, and its `right` is the stem's convolution.
- In the large member, `left` of the cell after a reduction is the input of the reduction (`skip_reduction_input`).
- `drop_path_rate` grows linearly from cell to cell; in the paper it also grows from step to step, which is left out.
- The 6 @ members run the equal cells of a stage in a loop (`scan`), so that only one is compiled. Their parameters are
  stacked along a leading axis, in `stageN_rest`.

Padding is TensorFlow's 'same'; average pooling does not count padding. Batch norm has epsilon 1e-3 in the ImageNet
members (the authors' momentum there, 0.9997, is left out). Dropout of 0.5 precedes their classifier. Kernels start with
variance 2 / fan out. The published parameter counts leave out the auxiliary head; `auxiliary_head=True` puts Inception
v3's on stage 2 (the authors' has a second kernel as large as its map, and its loss counts 0.4 times).

`norm` replaces batch norm. `stem="small"` is the CIFAR stem: a 3x3 of stride 1, no stem cells.
"""

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.core import FrozenDict

from jaxcnn.layers.blocks import ConvNormAct, repeat
from jaxcnn.layers.init import he_normal_fan_out
from jaxcnn.models.inception_v3 import AuxiliaryHead
from jaxcnn.models.nasnet_cells import Cell
from jaxcnn.models.net import AUXILIARY, Net
from jaxcnn.models.variant import Variant
from jaxcnn.ops.pool import global_avg_pool
from jaxcnn.parts import Part
from jaxcnn.types import Array, ModuleDef


class NASNet(Net, kw_only=True):
    """A stem, three stages of normal cells with a reduction cell between, a linear classifier.

    Attributes:
        features: of a cell of the first stage; twice and four times as many in the next.
        stem_features: of the stem's convolution.
        cells: normal cells in a stage.
        cifar: the stem is small whatever `stem` is.
        skip_reduction_input: `left` of the cell after a reduction cell is the input of the reduction cell.
        drop_path_rate: of the last cell.
        auxiliary_head: on the second stage.
        count_padding: average pooling of stride 2 counts padded cells, as in timm.
        scan: runs the normal cells of a stage in one loop, except the first two, whose inputs have other shapes.
    """

    features: int
    stem_features: int
    cells: int
    cifar: bool = False
    skip_reduction_input: bool = False
    drop_path_rate: float = 0.0
    auxiliary_head: bool = False
    count_padding: bool = False
    scan: bool = False
    norm: Part = "batch"

    @nn.compact
    def __call__(self, image: Array, *, train: bool = False) -> Array:
        """Maps (batch, height, width, channels) to float32 logits (batch, num_classes)."""
        parts: dict[str, Any] = {
            "conv": self.conv_before_norm(kernel_init=he_normal_fan_out),
            "norm": self.norm_layer(train=train),
            "act": self.activation(),
        }
        make_cell: ModuleDef = functools.partial(Cell, count_padding=self.count_padding, **parts)
        strides, padding = (1, 1) if self._small else (2, 0)
        stem = parts["conv"](self.stem_features, 3, strides=strides, padding=padding, name="stem_conv")
        x, before = parts["norm"](name="stem_norm")(stem(image.astype(self.dtype))), None

        plan, halve = self._plan(), False
        total = sum(map(len, plan))
        rates = iter([self.drop_path_rate * number / total if train else 0.0 for number in range(1, total + 1)])
        for stage, cells in enumerate(plan):
            alike = max(0, self.cells - 2) if self.scan and stage > 0 else 0
            for name, features, reduction in cells[: len(cells) - alike]:
                y = make_cell(features, reduction, halve, name=name)(x, before, next(rates))
                keep = stage > 0 and reduction and self.skip_reduction_input
                x, before, halve = y, before if keep else x, reduction
            if alike:
                cell = make_cell(features, reduction, halve, name=f"stage{stage}_rest")
                x, before = self._repeat(cell, (x, before), list(itertools.islice(rates, alike)))
            self.sow("intermediates", f"stage{stage}" if stage else "stem", x)
            if stage == 2:
                self._attach(x, parts, train=train)
        return self.classify(self.dropout(global_avg_pool(parts["act"](x)), train=train))

    def _repeat(self, cell: nn.Module, seen: tuple[Array, Any], rates: Sequence[float]) -> tuple[Array, Array]:
        """Returns the outputs of the last two cells of a loop, the last first; each of `rates` is a turn."""
        each = jnp.asarray(rates, jnp.float32) if any(rates) else None

        def turn(cell: ModuleDef, seen: tuple[Array, Array], rate: Array | None) -> tuple[Array, Array]:
            return cell(*seen, 0.0 if rate is None else rate), seen[0]

        last, before = repeat(cell, seen, len(rates), turn=turn, each=each)
        return last, before

    @property
    def _small(self) -> bool:
        return self.cifar or self.stem == "small"

    def _plan(self) -> list[list[tuple[str, int, bool]]]:
        """Returns the cells of the stem and of the stages: name, features, whether it is a reduction cell."""
        plan = [[(f"stem_cell{n}", self.features * n // 4, True) for n in (1, 2) if not self._small]]
        for stage, features in ((1, self.features), (2, 2 * self.features), (3, 4 * self.features)):
            reduction = [(f"stage{stage}_reduction", features, True)] if stage > 1 else []
            plan.append(reduction + [(f"stage{stage}_cell{n}", features, False) for n in range(1, self.cells + 1)])
        return plan

    def _attach(self, x: Array, parts: Mapping[str, Any], *, train: bool) -> None:
        if self.auxiliary_head and (train or self.is_initializing()):
            unit = functools.partial(ConvNormAct, **parts)
            head = AuxiliaryHead(self.num_classes, unit, parts["act"], self.dtype, name=f"{AUXILIARY}1")
            self.auxiliary(head(parts["act"](x), train=train), name="logits1", train=train)


_VARIANT = functools.partial(Variant, paper="Zoph et al., CVPR 2018", year=2017)
_IMAGENET = functools.partial(NASNet, batch_norm_defaults=FrozenDict(epsilon=1e-3), dropout_rate=0.5)
_LARGE = functools.partial(
    _IMAGENET, features=168, stem_features=96, cells=6, skip_reduction_input=True, drop_path_rate=0.3, scan=True
)
_MOBILE = functools.partial(_IMAGENET, features=44, stem_features=32, cells=4)
_CIFAR = functools.partial(NASNet, features=32, stem_features=96, cells=6, cifar=True, drop_path_rate=0.4, scan=True)

IDEA = "A search by reinforcement learning found the cell on small images; it is stacked for large ones."
VARIANTS = {
    "nasnet_a_large": _VARIANT(_LARGE, image_size=331, parameters=88_753_150),
    "nasnet_a_mobile": _VARIANT(_MOBILE, parameters=5_289_978),
    "nasnet_a_cifar": _VARIANT(_CIFAR, image_size=32, num_classes=10, parameters=3_346_538),
}
