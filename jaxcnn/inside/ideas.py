"""What each family of models brought, in a sentence."""

from collections.abc import Mapping

from jaxcnn.models.registry import family_of

IDEAS: Mapping[str, str] = {
    "alexnet": "A deep convolutional net trained on GPUs, with ReLUs, dropout and overlapping pooling, won ImageNet.",
    "densenet": "Every layer is given the outputs of all layers before it in its block, so each can be narrow.",
    "efficientnet": "Depth, width and image size are scaled together, by one factor, from a small net found by search.",
    "googlenet": "Inception modules compute several window sizes side by side, and 1x1 convolutions make them cheap.",
    "highway": "Learned gates decide how much of a layer's input passes it unchanged, so that very deep nets train.",
    "inception_v2": "Batch normalisation: layers are given inputs of fixed mean and variance, and train far faster.",
    "inception_v3": "Large windows are factorised into small and one-dimensional ones; labels are smoothed.",
    "inception_v4": "Inception modules of one form throughout, and with residual connections around them.",
    "lenet": "Convolutions with shared weights and subsampling, trained end to end by gradients, read digits.",
    "mlp": "Dense layers alone: every unit is connected with every pixel. It is what convolutions are compared with.",
    "mobilenet_v1": "A convolution is split into a depthwise one and a 1x1 one, at an eighth to a ninth of the cost.",
    "mobilenet_v2": "Inverted residuals: narrow ends, a wide depthwise middle, and no activation at the narrow end.",
    "mobilenet_v3": "Found by a search for phones, with squeeze-and-excitation and the cheap activation hard-swish.",
    "nasnet": "A search by reinforcement learning found the cell on small images; it is stacked for large ones.",
    "plain": "Residual nets without their shortcuts: with more layers even their training error rises.",
    "preact_resnet": "Norm and activation come before the convolution, so that the shortcut is a clear path.",
    "resnet": "Blocks learn what to add to their input: shortcuts let nets of a hundred layers and more train.",
    "resnext": "Many narrow paths of one form, written as a grouped convolution: cardinality beside depth and width.",
    "senet": "Squeeze-and-excitation: each channel is scaled by a gate, computed from the means of all channels.",
    "shufflenet_v1": "Grouped 1x1 convolutions, and channels shuffled between them, for phones.",
    "shufflenet_v2": "Designed by measured speed: channels are split, half pass by; equal widths cost least.",
    "squeezenet": "Fire modules squeeze channels by 1x1 before they expand: as accurate as AlexNet at a 50th of it.",
    "vgg": "Only 3x3 convolutions, many of them: two see what a 5x5 sees, three what a 7x7 sees, with fewer weights.",
    "wide_resnet": "Residual nets with fewer and wider blocks are as accurate as very deep ones, and faster.",
    "xception": "Inception taken to its end: depthwise separable convolutions throughout, with residual connections.",
}
"""By family, of `jaxcnn.models.registry.FAMILIES`."""


def idea_of(name: str) -> str:
    """Returns what was new in a model of ours."""
    return IDEAS[family_of(name)]
