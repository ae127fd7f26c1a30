"""Multiply-adds of one image, counted in the reference implementations, and where."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Counted(NamedTuple):
    """A model of ours, the image size in pixels, the multiply-adds of its reference, and which that is."""

    name: str
    image_size: int
    multiply_adds: int
    source: str
    fields: Mapping[str, Any] = MappingProxyType({})


FIRST_RELEASE = MappingProxyType({"legacy": True, "stride_on_first": True})
COUNTED = [
    Counted("alexnet_owt", 224, 714_188_480, "torchvision 0.28.0"),
    Counted("vgg11", 224, 7_609_090_048, "torchvision 0.28.0"),
    Counted("vgg13", 224, 11_308_466_176, "torchvision 0.28.0"),
    Counted("vgg16", 224, 15_470_264_320, "torchvision 0.28.0"),
    Counted("vgg19", 224, 19_632_062_464, "torchvision 0.28.0"),
    Counted("vgg11", 224, 7_609_090_048, "torchvision 0.28.0", {"norm": "batch"}),
    Counted("vgg13", 224, 11_308_466_176, "torchvision 0.28.0", {"norm": "batch"}),
    Counted("vgg16", 224, 15_470_264_320, "torchvision 0.28.0", {"norm": "batch"}),
    Counted("vgg19", 224, 19_632_062_464, "torchvision 0.28.0", {"norm": "batch"}),
    Counted("resnet18", 224, 1_814_073_344, "torchvision 0.28.0"),
    Counted("resnet34", 224, 3_663_761_408, "torchvision 0.28.0"),
    Counted("resnet50", 224, 4_089_184_256, "torchvision 0.28.0"),
    Counted("resnet101", 224, 7_801_405_440, "torchvision 0.28.0"),
    Counted("resnet152", 224, 11_513_626_624, "torchvision 0.28.0"),
    Counted("resnext50_32x4d", 224, 4_230_479_872, "torchvision 0.28.0"),
    Counted("resnext101_32x8d", 224, 16_414_015_488, "torchvision 0.28.0"),
    Counted("resnext101_64x4d", 224, 15_460_270_080, "torchvision 0.28.0"),
    Counted("wide_resnet50_2", 224, 11_398_021_120, "torchvision 0.28.0"),
    Counted("wide_resnet101_2", 224, 22_753_050_624, "torchvision 0.28.0"),
    Counted("densenet121", 224, 2_834_161_664, "torchvision 0.28.0"),
    Counted("densenet161", 224, 7_727_907_072, "torchvision 0.28.0"),
    Counted("densenet169", 224, 3_359_843_328, "torchvision 0.28.0"),
    Counted("densenet201", 224, 4_291_365_888, "torchvision 0.28.0"),
    Counted("mobilenet_v2", 224, 300_774_272, "torchvision 0.28.0"),
    Counted("mobilenet_v3_small", 224, 56_510_400, "torchvision 0.28.0"),
    Counted("mobilenet_v3_large", 224, 216_589_760, "torchvision 0.28.0"),
    Counted("shufflenet_v2_x0_5", 224, 40_476_448, "torchvision 0.28.0"),
    Counted("shufflenet_v2_x1_0", 224, 144_907_992, "torchvision 0.28.0"),
    Counted("shufflenet_v2_x1_5", 224, 295_759_392, "torchvision 0.28.0"),
    Counted("shufflenet_v2_x2_0", 224, 583_253_464, "torchvision 0.28.0"),
    Counted("efficientnet_b0", 224, 385_814_752, "torchvision 0.28.0"),
    Counted("efficientnet_b1", 224, 569_651_680, "torchvision 0.28.0"),
    Counted("efficientnet_b2", 224, 658_963_440, "torchvision 0.28.0"),
    Counted("efficientnet_b3", 224, 962_708_240, "torchvision 0.28.0"),
    Counted("efficientnet_b4", 224, 1_503_710_432, "torchvision 0.28.0"),
    Counted("efficientnet_b5", 224, 2_356_493_184, "torchvision 0.28.0"),
    Counted("efficientnet_b6", 224, 3_360_166_848, "torchvision 0.28.0"),
    Counted("efficientnet_b7", 224, 5_169_865_152, "torchvision 0.28.0"),
    Counted("squeezenet1_0", 224, 818_924_576, "torchvision 0.28.0"),
    Counted("squeezenet1_1", 224, 349_151_936, "torchvision 0.28.0"),
    Counted("googlenet_torchvision", 224, 1_498_376_192, "torchvision 0.28.0"),
    Counted("inception_v3", 299, 5_713_216_096, "torchvision 0.28.0"),
    Counted("inception_v4", 299, 12_253_974_624, "timm 1.0.31"),
    Counted("inception_resnet_v2", 299, 13_155_794_016, "timm 1.0.31"),
    Counted("senet154", 224, 20_688_363_520, "timm 1.0.31"),
    Counted("seresnet50", 224, 4_091_699_200, "timm 1.0.31"),
    Counted("seresnet18", 224, 1_814_160_384, "timm 1.0.31, legacy_seresnet18", {"legacy": True}),
    Counted("seresnet50", 224, 3_860_488_192, "timm 1.0.31, legacy_seresnet50", FIRST_RELEASE),
    Counted("seresnet101", 224, 7_574_937_600, "timm 1.0.31, legacy_seresnet101", FIRST_RELEASE),
    Counted("preact_resnet50", 224, 4_089_184_256, "timm 1.0.31, resnetv2_50"),
    Counted("nasnet_a_large", 331, 23_783_414_658, "timm 1.0.31"),
    Counted("mobilenet_v1", 224, 568_740_352, "timm 1.0.31"),
    Counted("xception", 299, 8_357_403_496, "timm 1.0.31"),
]
