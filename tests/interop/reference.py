"""The reference implementations, with random weights and random statistics; PyTorch is imported on use."""

import functools
import importlib
from typing import Any, NamedTuple

import numpy as np

TORCHVISION = "torchvision"
TIMM = "timm"
EFFICIENTNET = "efficientnet_pytorch"
EFFICIENTNET_LITE = "efficientnet_lite_pytorch"
TWINS = "twins"
"""The module beside this one, whose nets have ten classes."""

NEGATIVE = 1 / 4
"""The part of a norm's scales below 0, by chance: with these, a maximum before the norm is not the one behind it."""


@functools.cache
def packages():
    """Returns torch, torchvision and timm."""
    import torch

    # Beside a CPU-only torch, torchvision's compiled operators are missing, and with them what it registers fakes for.
    torch.library.register_fake = lambda *_, **__: lambda function: function
    import timm
    import torchvision

    return torch, torchvision, timm


def release(library):
    """Returns a library's name and version."""
    packages()
    return library if library == TWINS else f"{library} {_module(library).__version__.partition('+')[0]}"


def create(library, name, num_classes=10, **options):
    """Returns a reference net in evaluation mode, as it is initialised there."""
    torch, *_ = packages()
    torch.manual_seed(0)
    return _initialised(library, name, num_classes, options).eval()


def build(library, name, edit=None, **options):
    """Returns a reference net in evaluation mode, all of its weights and statistics random, after `edit(net)`."""
    net = create(library, name, **options)
    torch, *_ = packages()
    with torch.no_grad():
        for module in _batch_norms(net):
            module.weight.uniform_(0.5, 1.5)
            module.weight *= torch.where(torch.rand_like(module.weight) < NEGATIVE, -1, 1)
            module.bias.normal_(0, 0.1)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
        if edit:
            edit(net)
    return net


def stride_on_first(net):
    """Moves each bottleneck's stride from its 3x3 to its first 1x1, where the ResNet paper has it."""
    for module in net.modules():
        if hasattr(module, "conv3"):
            module.conv1.stride, module.conv2.stride = module.conv2.stride, module.conv1.stride


def calm(net):
    """Scales the end of each branch down: the sum of dozens of branches amplifies rounding beyond float32 otherwise."""
    for module in net.modules():
        if hasattr(module, "bn3"):
            module.bn3.weight *= 0.2


def weights(net):
    """Returns the state dict as arrays, which later steps of the net leave as they are."""
    return {key: value.numpy().copy() for key, value in net.state_dict().items()}


def norm_options(net):
    """Returns the options with which our batch norm follows its running statistics as this net does."""
    momenta = {1 - module.momentum for module in _batch_norms(net)}
    return {"unbiased": True, "momentum": momenta.pop()} if len(momenta) == 1 else {}


def logits(net, image):
    """Returns the logits (batch, num_classes) for images (batch, height, width, channels), in evaluation mode."""
    torch, *_ = packages()
    with torch.no_grad():
        return net(_channels_first(image)).numpy()


class Step(NamedTuple):
    """Logits (batch, num_classes), those of the auxiliary heads from the first on, and the state dict after it."""

    logits: np.ndarray
    auxiliary: list[np.ndarray]
    weights: dict[str, Any]


def step(net, image):
    """Runs a net forward in training mode, where nothing is dropped."""
    torch, *_ = packages()
    net.train()
    for module in net.modules():
        for rate in ("p", "drop_prob", "drop_rate"):
            if isinstance(getattr(module, rate, None), float):
                setattr(module, rate, 0.0)
    with torch.no_grad():
        output = net(_channels_first(image))
    # torchvision's nets with auxiliary heads return a tuple, the head nearest to the end behind the logits
    main, *auxiliary = (output,) if isinstance(output, torch.Tensor) else output
    return Step(main.numpy(), [head.numpy() for head in reversed(auxiliary)], weights(net))


def _initialised(library, name, num_classes, options):
    module = _module(library)
    if library == TORCHVISION:
        return module.models.get_model(name, weights=None, num_classes=num_classes, **options)
    if library == TIMM:
        return module.create_model(name, pretrained=False, num_classes=num_classes, **options)
    if library == TWINS:
        return getattr(module, name)(**options)
    # Without an image size, a port of EfficientNet pads each image by its own.
    return module.EfficientNet.from_name(name, num_classes=num_classes, image_size=None, **options)


def _module(library):
    return importlib.import_module(f"tests.interop.{TWINS}" if library == TWINS else library)


def _batch_norms(net):
    torch, *_ = packages()
    return [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]


def _channels_first(image):
    torch, *_ = packages()
    return torch.from_numpy(np.ascontiguousarray(image.transpose(0, 3, 1, 2)))
