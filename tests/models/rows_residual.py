"""Rows of the residual families; each hand count is a sum of its own."""

from jaxcnn.models import model_variant
from tests.models.zoo import Row

_TORCHVISION = "torchvision 0.28.0"
_TIMM = "timm 1.0.31"
_PLAIN = "counted by hand from He et al. 2016: the residual net without its projections and their norms"
_OPTION_A = "counted by hand from He et al. 2016, section 4.2: shortcuts without parameters change nothing"
_IDENTITY = "counted by hand from He et al. 2016 (identity mappings), table 1 and appendix"
_WIDE = "counted by hand from Zagoruyko and Komodakis 2016, table 1; table 4 rounds it to "
_RESNEXT = "counted by hand from Xie et al. 2017, section 5.3; table 7 prints "
_HIGHWAY = "counted by hand, layer by layer; Srivastava et al. 2015, table 1, rounds it to "


def _conv(kernel: int, channels: int, features: int) -> int:
    """Returns the parameters of a convolution with bias."""
    return kernel * kernel * channels * features + features


def _highway(stages: list[tuple[int, int]], last: int) -> int:
    """Returns the parameters for (layers, features) of each stage: a plain layer, then two convolutions in each."""
    total, channels = 0, 3
    for layers, features in stages:
        total += _conv(3, channels, features) + (layers - 1) * 2 * _conv(3, features, features)
        channels = features
    return total + _conv(1, channels, last) + _conv(1, last, 10)


def _norm(features: int) -> int:
    return 2 * features


def _preact(blocks: list[int], stem: int, widths: list[int], *, kernel: int, bottleneck: bool, classes: int) -> int:
    """Returns the parameters of a pre-activation net with projections; the first norm is the stem's."""
    channels, total = stem, kernel**2 * 3 * stem
    for width, number in zip(widths, blocks, strict=True):
        out = 4 * width if bottleneck else width
        for block in range(number):
            total += _norm(channels) + _norm(width)
            if bottleneck:
                total += channels * width + 9 * width * width + _norm(width) + width * out
            else:
                total += 9 * channels * width + 9 * width * width
            if block == 0 and channels != out:
                total += channels * out
            channels = out
    return total + _norm(channels) + _conv(1, channels, classes)


def _preact_imagenet(blocks: list[int], *, bottleneck: bool) -> int:
    return _preact(blocks, 64, [64, 128, 256, 512], kernel=7, bottleneck=bottleneck, classes=1000)


def _preact_cifar(blocks: int, width: int = 16, *, bottleneck: bool = False) -> int:
    widths = [width, 2 * width, 4 * width]
    return _preact([blocks] * 3, 16, widths, kernel=3, bottleneck=bottleneck, classes=10)


def _resnext29(groups: int, base_width: int) -> int:
    channels, total = 64, 27 * 64 + _norm(64)
    for stage in range(3):
        width, out = groups * base_width * 2**stage, 256 * 2**stage
        total += channels * out + _norm(out)
        for _ in range(3):
            total += channels * width + 9 * width * width // groups + 2 * _norm(width) + width * out + _norm(out)
            channels = out
    return total + _conv(1, channels, 10)


_PROJECTIONS = 64 * 128 + _norm(128) + 128 * 256 + _norm(256) + 256 * 512 + _norm(512)

ROWS = {
    "plain18": Row(_PLAIN, model_variant("resnet18").parameters - _PROJECTIONS),
    "plain34": Row(_PLAIN, model_variant("resnet34").parameters - _PROJECTIONS),
    "plain20": Row(_OPTION_A),
    "plain32": Row(_OPTION_A),
    "plain44": Row(_OPTION_A),
    "plain56": Row(_OPTION_A),
    "plain110": Row(_OPTION_A),
    "resnet1202": Row("counted by hand from He et al. 2016, section 4.2, option A; it rounds to 19.4 M"),
    "highway19": Row(_HIGHWAY + "2.3 M", _highway([(5, 32), (6, 80), (6, 128)], 100)),
    "highway32": Row(_HIGHWAY + "1.25 M", _highway([(10, 32), (10, 48), (10, 64)], 64)),
    "preact_resnet18": Row(_TIMM + ", resnetv2_18"),
    "preact_resnet34": Row(_TIMM + ", resnetv2_34"),
    "preact_resnet50": Row(_TIMM + ", resnetv2_50"),
    "preact_resnet101": Row(_TIMM + ", resnetv2_101"),
    "preact_resnet152": Row(_TIMM + ", resnetv2_152"),
    "preact_resnet200": Row(_IDENTITY, _preact_imagenet([3, 24, 36, 3], bottleneck=True)),
    "preact_resnet110": Row(_IDENTITY + "; 1.7 M, as the net of 2015"),
    "preact_resnet164": Row(_IDENTITY + "; it rounds to 1.7 M", _preact_cifar(18, bottleneck=True)),
    "preact_resnet1001": Row(
        _IDENTITY + "; it says 10.2 M, which is without the norms", _preact_cifar(111, bottleneck=True)
    ),
    "wide_resnet50_2": Row(_TORCHVISION),
    "wide_resnet101_2": Row(_TORCHVISION),
    "wide_resnet16_8": Row(_WIDE + "11.0 M", _preact_cifar(2, 128)),
    "wide_resnet28_10": Row(_WIDE + "36.5 M", _preact_cifar(4, 160)),
    "wide_resnet40_4": Row(_WIDE + "8.9 M", _preact_cifar(6, 64)),
    "resnext50_32x4d": Row(_TORCHVISION),
    "resnext101_32x8d": Row(_TORCHVISION),
    "resnext101_64x4d": Row(_TORCHVISION),
    "resnext29_8x64d": Row(_RESNEXT + "34.4 M", _resnext29(8, 64)),
    "resnext29_16x64d": Row(_RESNEXT + "68.1 M", _resnext29(16, 64)),
    "seresnet18": Row(_TIMM),
    "seresnet34": Row(_TIMM),
    "seresnet50": Row(_TIMM),
    "seresnet101": Row(_TIMM),
    "seresnet152": Row(_TIMM),
    "senet154": Row(_TIMM + ", legacy_senet154"),
}
