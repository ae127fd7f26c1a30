"""Rows of the Inception families. Hand counts go layer by layer, in the order of the paper's table or figures."""

from tests.models.zoo import Row

_TORCHVISION = "torchvision 0.28.0"
_TIMM = "timm 1.0.31"


def biased(channels, features, cells=1):
    """A convolution of a kernel of so many cells, or a dense layer, with bias."""
    return (channels * cells + 1) * features


def normed(channels, features, cells=1):
    """A convolution without bias, and batch norm's scale and bias."""
    return channels * cells * features + 2 * features


def module_v1(channels, one, reduce3, three, reduce5, five, project):
    return (
        biased(channels, one)
        + biased(channels, reduce3) + biased(reduce3, three, 9)
        + biased(channels, reduce5) + biased(reduce5, five, 25)
        + biased(channels, project)
    )  # fmt: skip


GOOGLENET = (
    biased(3, 64, 49) + biased(64, 64) + biased(64, 192, 9)
    + module_v1(192, 64, 96, 128, 16, 32, 32) + module_v1(256, 128, 128, 192, 32, 96, 64)
    + module_v1(480, 192, 96, 208, 16, 48, 64) + module_v1(512, 160, 112, 224, 24, 64, 64)
    + module_v1(512, 128, 128, 256, 24, 64, 64) + module_v1(512, 112, 144, 288, 32, 64, 64)
    + module_v1(528, 256, 160, 320, 32, 128, 128)
    + module_v1(832, 256, 160, 320, 32, 128, 128) + module_v1(832, 384, 192, 384, 48, 128, 128)
    + biased(1024, 1000)
    + biased(512, 128) + biased(2048, 1024) + biased(1024, 1000)
    + biased(528, 128) + biased(2048, 1024) + biased(1024, 1000)
)  # fmt: skip


def module_v2(channels, one, reduce3, three, reduce_double, double, project):
    return (
        normed(channels, one)
        + normed(channels, reduce3) + normed(reduce3, three, 9)
        + normed(channels, reduce_double) + normed(reduce_double, double, 9) + normed(double, double, 9)
        + normed(channels, project)
    )  # fmt: skip


INCEPTION_V2 = (
    3 * 8 * 49 + normed(24, 64) + normed(64, 64) + normed(64, 192, 9)
    + module_v2(192, 64, 64, 64, 64, 96, 32) + module_v2(256, 64, 64, 96, 64, 96, 64)
    + module_v2(320, 0, 128, 160, 64, 96, 0)
    + module_v2(576, 224, 64, 96, 96, 128, 128) + module_v2(576, 192, 96, 128, 96, 128, 128)
    + module_v2(576, 160, 128, 160, 128, 160, 96) + module_v2(576, 96, 128, 192, 160, 192, 96)
    + module_v2(576, 0, 128, 192, 192, 256, 0)
    + module_v2(1024, 352, 192, 320, 160, 224, 128) + module_v2(1024, 352, 192, 320, 192, 224, 128)
    + biased(1024, 1000)
)  # fmt: skip

INCEPTION_RESNET_V1 = (
    # the stem
    normed(3, 32, 9) + normed(32, 32, 9) + normed(32, 64, 9) + normed(64, 80) + normed(80, 192, 9) + normed(192, 256, 9)
    # A
    + 5 * (3 * normed(256, 32) + 3 * normed(32, 32, 9) + biased(96, 256))
    # reduction A: n = 384; k, l, m = 192, 192, 256
    + normed(256, 384, 9) + normed(256, 192) + normed(192, 192, 9) + normed(192, 256, 9)
    # B
    + 10 * (2 * normed(896, 128) + 2 * normed(128, 128, 7) + biased(256, 896))
    # reduction B
    + 3 * normed(896, 256) + normed(256, 384, 9) + 3 * normed(256, 256, 9)
    # C
    + 5 * (2 * normed(1792, 192) + 2 * normed(192, 192, 3) + biased(384, 1792))
    + biased(1792, 1000)
)  # fmt: skip

ROWS = {
    "googlenet": Row("counted by hand from Szegedy et al. 2014, table 1 and section 5, with biases", GOOGLENET),
    "googlenet_torchvision": Row(_TORCHVISION + ", googlenet with auxiliary heads"),
    "inception_v2": Row("counted by hand from Ioffe and Szegedy 2015, figure 5; 4c, 4d as in Slim", INCEPTION_V2),
    "inception_v3": Row(_TORCHVISION + ", with the auxiliary head"),
    "inception_v4": Row(_TIMM),
    "inception_resnet_v1": Row(
        "counted by hand from Szegedy et al. 2016, figures 10 to 15, table 1", INCEPTION_RESNET_V1
    ),
    "inception_resnet_v2": Row(_TIMM),
    "xception": Row("Chollet 2017, table 3; timm 1.0.31, legacy_xception"),
}
