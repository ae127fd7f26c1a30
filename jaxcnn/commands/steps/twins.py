"""PyTorch nets that do the same work as ours: torchvision's, timm's, and small ones for the nets of our lectures."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from jaxcnn.commands.steps.work import Work
from jaxcnn.errors import UserError
from jaxcnn.interop.published.counterparts import COUNTERPARTS
from jaxcnn.models import MODELS

_NAMES = {  # ours -> torchvision's, where they differ
    "alexnet_owt": "alexnet",
    "googlenet_torchvision": "googlenet",
    "wide_resnet50": "wide_resnet50_2",
    "squeezenet": "squeezenet1_0",
}
_TIMM = {counterpart.model: name for name, counterpart in COUNTERPARTS.items() if not counterpart.fields}
"""Ours -> timm's; torchvision's go before these."""


def make_twin(work: Work) -> nn.Module:
    """Returns the twin of `work.model` in PyTorch, with random weights.

    Raises:
        UserError: if there is no twin.
    """
    if work.fields:
        raise UserError(f"{work.model} with fields of its own ({', '.join(work.fields)}) has no twin in PyTorch")
    if work.model in _LECTURES:
        return _LECTURES[work.model](work)
    net = _of_library(work)
    if work.stem == "small":
        _make_stem_small(net, work.model)
    return net


def _torchvision_models() -> Any:
    # With a CPU-only torch, torchvision lacks its compiled operators, and fails when it registers fakes for them.
    if not torch.cuda.is_available():
        torch.library.register_fake = lambda *_, **__: lambda function: function
    return importlib.import_module("torchvision.models")


def _of_library(work: Work) -> nn.Module:
    models, name = _torchvision_models(), _NAMES.get(work.model, work.model)
    if name in models.list_models():
        return models.get_model(name, weights=None, num_classes=work.num_classes)
    if work.model in _TIMM:
        return _timm().create_model(_TIMM[work.model], num_classes=work.num_classes)
    known = sorted({*_LECTURES, *(set(MODELS) & set(models.list_models())), *_NAMES, *_TIMM})
    raise UserError(f"{work.model} has no twin in PyTorch; these have one: {', '.join(known)}")


def _timm() -> Any:
    try:
        return importlib.import_module("timm")
    except ImportError:
        raise UserError("this twin is one of timm's nets: pip install 'jaxcnn[torch]'") from None


def _make_stem_small(net: nn.Module, name: str) -> None:
    """Replaces the stem of a torchvision ResNet by a 3x3 convolution of stride 1 without pooling."""
    if not isinstance(getattr(net, "maxpool", None), nn.MaxPool2d) or not hasattr(net, "layer1"):
        raise UserError(f"--stem=small has a twin in PyTorch for ResNets, not for {name}")
    net.conv1 = nn.Conv2d(net.conv1.in_channels, net.conv1.out_channels, 3, padding=1, bias=False)
    net.maxpool = nn.Identity()


def _convs(channels: int, stages: Sequence[Sequence[int]]) -> list[nn.Module]:
    """Returns 3x3 convolutions of these widths with ReLU, and 2x2 max pooling after each stage."""
    layers: list[nn.Module] = []
    for widths in stages:
        for width in widths:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return layers


def _dense(inputs: int, hidden: Sequence[int], num_classes: int) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Flatten()]
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return [*layers, nn.Linear(inputs, num_classes)]


def _plain(stages: Sequence[Sequence[int]], hidden: Sequence[int]) -> Callable[[Work], nn.Module]:
    def make(work: Work) -> nn.Module:
        side = work.image_size // 2 ** len(stages)
        dense = _dense(side**2 * stages[-1][-1], hidden, work.num_classes)
        return nn.Sequential(*_convs(work.channels, stages), *dense)

    return make


_LECTURES = {
    "lenet5_relu": _plain([(50,), (100,)], (100,)),
    "vgg10_cifar": _plain([(64, 64), (128, 128), (256, 256), (512,)], (4096, 4096)),
}
