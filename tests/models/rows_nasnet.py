"""Rows of NASNet-A; see zoo.py. A norm counts its scale and bias; a separable operation is applied twice."""

from tests.models.zoo import Row


def _pointwise(inputs: int, features: int) -> int:
    return inputs * features + 2 * features


def _separables(sizes: tuple[int, ...], inputs: int, features: int) -> int:
    once = [size**2 * inputs + _pointwise(inputs, features) for size in sizes]
    again = [size**2 * features + _pointwise(features, features) for size in sizes]
    return sum(once + again)


def _stage(features: int, cells: int, before: int, channels: int) -> int:
    """Counts normal cells from figure 4; `before` and `channels` are the widths of the first one's two inputs."""
    total = 0
    for _ in range(cells):
        total += _pointwise(before, features) + _pointwise(channels, features)
        total += _separables((5, 3, 5, 3, 3), features, features)
        before, channels = channels, 6 * features
    return total


def _reduction(features: int, before: int, channels: int) -> int:
    fitted = _pointwise(before, features) + _pointwise(channels, features)
    return fitted + _separables((5, 7, 7, 5, 3), features, features)


def _later_stages(features: int, cells: int, classes: int) -> int:
    """Counts stages 2 and 3 and the classifier, every cell before which is 6 times its features wide."""
    total, channels = 0, 6 * features
    for wider in (2 * features, 4 * features):
        total += _reduction(wider, channels, channels) + _stage(wider, cells, channels, 4 * wider)
        channels = 6 * wider
    return total + channels * classes + classes


def _imagenet(features: int, cells: int, stem: int) -> int:
    """Counts a net whose stem is a convolution and two reduction cells, of which the first has no earlier input."""
    total = 27 * stem + 2 * stem
    quarter, half = features // 4, features // 2
    total += _pointwise(stem, quarter) + _separables((5, 3), quarter, quarter) + _separables((7, 7, 5), stem, quarter)
    total += _reduction(half, stem, 4 * quarter)
    total += _stage(features, cells, 4 * quarter, 4 * half)
    return total + _later_stages(features, cells, 1000)


def _cifar(features: int, cells: int, stem: int) -> int:
    """Counts a net whose first cell has the image's convolution, unfitted, as its earlier input: in 3 separable
    operations, and in 3 additions and the concatenation, before each of which a 1x1 fits it."""
    total = 27 * stem + 2 * stem
    total += 5 * _pointwise(stem, features)
    total += _separables((5, 3), features, features) + _separables((3, 5, 3), stem, features)
    total += _stage(features, cells - 1, stem, 6 * features)
    return total + _later_stages(features, cells, 10)


_BY_HAND = "counted by hand from Zoph et al. 2018, figures 2 and 4, and its authors' code; "
ROWS = {
    "nasnet_a_large": Row("timm 1.0.31, nasnetalarge; the paper says 88.9 M"),
    "nasnet_a_mobile": Row(_BY_HAND + "the paper says 5.3 M", _imagenet(44, 4, 32)),
    "nasnet_a_cifar": Row(_BY_HAND + "the paper says 3.3 M", _cifar(32, 6, 96)),
}
