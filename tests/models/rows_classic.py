"""Rows of the AlexNet, VGG, SqueezeNet and DenseNet families."""

from tests.models.zoo import Row

_TORCHVISION = "torchvision 0.28.0"
_LAYERS = "counted by hand, layer by layer: "
_HUANG = "; Huang et al. 2017, table 2, rounds it to "

ROWS = {
    "alexnet": Row(
        _LAYERS + "Krizhevsky et al. 2012 without groups; the lecture's 62 M and conv1's 35 k round it",
        34_944 + 614_656 + 885_120 + 1_327_488 + 884_992 + 37_752_832 + 16_781_312 + 4_097_000,
    ),
    "alexnet_owt": Row(_TORCHVISION + " alexnet"),
    "zfnet": Row(
        _LAYERS + "Zeiler and Fergus 2014, figure 3, with 512, 1024, 512 (table 3)",
        14_208 + 614_656 + 1_180_160 + 4_719_616 + 4_719_104 + 75_501_568 + 16_781_312 + 4_097_000,
    ),
    "vgg11": Row(_TORCHVISION),
    "vgg13": Row(_TORCHVISION),
    "vgg16": Row(_TORCHVISION),
    "vgg19": Row(_TORCHVISION),
    "vgg10_cifar": Row(
        _LAYERS + "CS5242 lecture 8 (NUS), the figure; the text adds a second 512 convolution, 2,359,808",
        # stages 1 to 4, two dense layers, classifier
        38_720 + 221_440 + 885_248 + 1_180_160 + 8_392_704 + 16_781_312 + 40_970,
    ),
    "squeezenet1_0": Row(_TORCHVISION),
    "squeezenet1_1": Row(_TORCHVISION),
    "densenet121": Row(_TORCHVISION),
    "densenet161": Row(_TORCHVISION),
    "densenet169": Row(_TORCHVISION),
    "densenet201": Row(_TORCHVISION),
    # The CIFAR DenseNets: stem; each block's layers, whose input widths c sum to the first number in brackets; the
    # transition behind it; the last norm and the classifier.
    "densenet40_12": Row(
        _LAYERS + "a layer has 2 c + 9 c 12 = 110 c" + _HUANG + "1.0 M",
        432 + 110 * (984 + 2_712 + 4_440) + (320 + 160 * 160) + (608 + 304 * 304) + 896 + 4_490,
    ),
    "densenet_bc_100_12": Row(
        _LAYERS + "a layer has (2 c + 48 c) + (2 * 48 + 9 * 48 * 12) = 50 c + 5,280" + _HUANG + "0.8 M",
        648 + 50 * (1_824 + 3_168 + 3_840) + 48 * 5_280 + (432 + 216 * 108) + (600 + 300 * 150) + 684 + 3_430,
    ),
    "densenet_bc_250_24": Row(
        _LAYERS + "a layer has (2 c + 96 c) + (2 * 96 + 9 * 96 * 24) = 98 c + 20,928" + _HUANG + "15.3 M",
        1_296
        + 98 * (21_648 + 40_836 + 50_430)
        + 123 * 20_928
        + (2_064 + 1_032 * 516)
        + (3_000 + 1_500 * 750)
        + 3_468
        + 17_350,
    ),
    "densenet_bc_190_40": Row(
        _LAYERS + "a layer has (2 c + 160 c) + (2 * 160 + 9 * 160 * 40) = 162 c + 57,920" + _HUANG + "25.6 M",
        2_160
        + 162 * (21_080 + 39_060 + 48_050)
        + 93 * 57_920
        + (2_640 + 1_320 * 660)
        + (3_800 + 1_900 * 950)
        + 4_380
        + 21_910,
    ),
}
