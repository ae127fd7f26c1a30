"""Rows of the residual families; each hand count is a sum of its own, made without jaxcnn."""

from tests.models.zoo import Row

_TORCHVISION = "torchvision 0.28.0"
_TIMM = "timm 1.0.31"
_PLAIN = "counted by hand from He et al. 2016: the residual net without its projections and their norms"
_OPTION_A = "counted by hand from He et al. 2016, section 4.2: shortcuts without parameters change nothing"
_IDENTITY = "counted by hand from He et al. 2016 (identity mappings), table 1 and appendix"
_WIDE = "counted by hand from Zagoruyko and Komodakis 2016, table 1; table 4 rounds it to "
_RESNEXT = "counted by hand from Xie et al. 2017, section 5.3; table 7 prints "
_HIGHWAY = "counted by hand, layer by layer; Srivastava et al. 2015, table 1, rounds it to "

_IMAGENET, _CIFAR = (224, 224, 3), (32, 32, 3)


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
    "plain18": Row(_IMAGENET, 1000, 11_689_512 - _PROJECTIONS, _PLAIN),
    "plain34": Row(_IMAGENET, 1000, 21_797_672 - _PROJECTIONS, _PLAIN),
    "plain20": Row(_CIFAR, 10, 269_722, _OPTION_A),
    "plain32": Row(_CIFAR, 10, 464_154, _OPTION_A),
    "plain44": Row(_CIFAR, 10, 658_586, _OPTION_A),
    "plain56": Row(_CIFAR, 10, 853_018, _OPTION_A),
    "plain110": Row(_CIFAR, 10, 1_727_962, _OPTION_A),
    "resnet1202": Row(
        _CIFAR, 10, 19_421_274, "counted by hand from He et al. 2016, section 4.2, option A; it rounds to 19.4 M"
    ),
    "highway19": Row(_CIFAR, 10, _highway([(5, 32), (6, 80), (6, 128)], 100), _HIGHWAY + "2.3 M"),
    "highway32": Row(_CIFAR, 10, _highway([(10, 32), (10, 48), (10, 64)], 64), _HIGHWAY + "1.25 M"),
    "preact_resnet18": Row(_IMAGENET, 1000, 11_687_720, _TIMM + ", resnetv2_18"),
    "preact_resnet34": Row(_IMAGENET, 1000, 21_795_880, _TIMM + ", resnetv2_34"),
    "preact_resnet50": Row(_IMAGENET, 1000, 25_549_352, _TIMM + ", resnetv2_50"),
    "preact_resnet101": Row(_IMAGENET, 1000, 44_541_480, _TIMM + ", resnetv2_101"),
    "preact_resnet152": Row(_IMAGENET, 1000, 60_185_128, _TIMM + ", resnetv2_152"),
    "preact_resnet200": Row(_IMAGENET, 1000, _preact_imagenet([3, 24, 36, 3], bottleneck=True), _IDENTITY),
    "preact_resnet110": Row(_CIFAR, 10, 1_727_962, _IDENTITY + "; 1.7 M, as the net of 2015"),
    "preact_resnet164": Row(_CIFAR, 10, _preact_cifar(18, bottleneck=True), _IDENTITY + "; it rounds to 1.7 M"),
    "preact_resnet1001": Row(
        _CIFAR, 10, _preact_cifar(111, bottleneck=True), _IDENTITY + "; it says 10.2 M, which is without the norms"
    ),
    "wide_resnet50_2": Row(_IMAGENET, 1000, 68_883_240, _TORCHVISION),
    "wide_resnet101_2": Row(_IMAGENET, 1000, 126_886_696, _TORCHVISION),
    "wide_resnet16_8": Row(_CIFAR, 10, _preact_cifar(2, 128), _WIDE + "11.0 M"),
    "wide_resnet28_10": Row(_CIFAR, 10, _preact_cifar(4, 160), _WIDE + "36.5 M"),
    "wide_resnet40_4": Row(_CIFAR, 10, _preact_cifar(6, 64), _WIDE + "8.9 M"),
    "resnext50_32x4d": Row(_IMAGENET, 1000, 25_028_904, _TORCHVISION),
    "resnext101_32x8d": Row(_IMAGENET, 1000, 88_791_336, _TORCHVISION),
    "resnext101_64x4d": Row(_IMAGENET, 1000, 83_455_272, _TORCHVISION),
    "resnext29_8x64d": Row(_CIFAR, 10, _resnext29(8, 64), _RESNEXT + "34.4 M"),
    "resnext29_16x64d": Row(_CIFAR, 10, _resnext29(16, 64), _RESNEXT + "68.1 M"),
    "seresnet18": Row(_IMAGENET, 1000, 11_779_624, _TIMM),
    "seresnet34": Row(_IMAGENET, 1000, 21_960_416, _TIMM),
    "seresnet50": Row(_IMAGENET, 1000, 28_088_024, _TIMM),
    "seresnet101": Row(_IMAGENET, 1000, 49_326_872, _TIMM),
    "seresnet152": Row(_IMAGENET, 1000, 66_821_848, _TIMM),
    "senet154": Row(_IMAGENET, 1000, 115_088_984, _TIMM + ", legacy_senet154"),
}
