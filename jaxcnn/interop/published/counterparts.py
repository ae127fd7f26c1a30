"""Which of timm's nets compute what a net of ours computes, and with which fields."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxcnn.errors import UserError, nearest


class Counterpart(NamedTuple):
    """A net of ours that computes the same as one of timm's."""

    model: str
    fields: Mapping[str, Any] = {}
    """Of `create_model`, besides `num_classes`."""


_PYTORCH = {"padding": None, "norm_options": {"epsilon": 1e-5}}
"""Of timm's EfficientNets and MobileNets v3, but for those whose weights come from TensorFlow: it calls these tf_*."""
_TENSORFLOW = {"padding": "same", "norm_options": {"epsilon": 1e-3}}
_LITE = ((1.0, 1.0), (1.0, 1.1), (1.1, 1.2), (1.2, 1.4), (1.4, 1.8))
"""By the size of an EfficientNet-Lite, the factors of its features and of its blocks."""
_LEGACY = {"legacy": True}
_FIRST = {"stride_on_first": True}
_SAME = (
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "wide_resnet101_2"),
    *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"),
    *("seresnet18", "seresnet34", "seresnet50", "seresnet101", "seresnet152"),
    *("densenet121", "densenet161", "densenet169", "densenet201", "vgg11", "vgg13", "vgg16", "vgg19"),
    *("inception_v3", "inception_v4", "inception_resnet_v2"),
)

COUNTERPARTS: Mapping[str, Counterpart] = {
    **{name: Counterpart(name) for name in _SAME},
    "resnet26": Counterpart("resnet50", {"stage_sizes": [2, 2, 2, 2]}),
    "resnet200": Counterpart("resnet152", {"stage_sizes": [3, 24, 36, 3]}),
    **{
        f"resnetv2_{depth}": Counterpart(f"preact_resnet{depth}", {"norm_after_pool": True}) for depth in (50, 101, 152)
    },
    **{f"legacy_seresnet{depth}": Counterpart(f"seresnet{depth}", _LEGACY) for depth in (18, 34)},
    **{f"legacy_seresnet{depth}": Counterpart(f"seresnet{depth}", _LEGACY | _FIRST) for depth in (50, 101, 152)},
    "legacy_senet154": Counterpart("senet154"),
    **{f"vgg{depth}_bn": Counterpart(f"vgg{depth}", {"norm": "batch"}) for depth in (11, 13, 16, 19)},
    "legacy_xception": Counterpart("xception"),
    "nasnetalarge": Counterpart("nasnet_a_large", {"count_padding": True}),
    "mobilenetv1_100": Counterpart("mobilenet_v1", {"act": "relu6"}),
    "mobilenetv1_125": Counterpart("mobilenet_v1", {"act": "relu6", "width": 1.25}),
    "mobilenetv2_100": Counterpart("mobilenet_v2"),
    **{f"mobilenetv2_{part:03d}": Counterpart("mobilenet_v2", {"width": part / 100}) for part in (35, 50, 75, 140)},
    **{f"mobilenetv3_{size}_100": Counterpart(f"mobilenet_v3_{size}", _PYTORCH) for size in ("small", "large")},
    **{f"tf_mobilenetv3_{size}_100": Counterpart(f"mobilenet_v3_{size}", _TENSORFLOW) for size in ("small", "large")},
    **{f"efficientnet_b{size}": Counterpart(f"efficientnet_b{size}", _PYTORCH) for size in range(8)},
    **{f"tf_efficientnet_b{size}": Counterpart(f"efficientnet_b{size}", _TENSORFLOW) for size in range(8)},
    **{
        f"{begin}efficientnet_lite{size}": Counterpart("efficientnet_lite0", fields | {"width": width, "depth": depth})
        for begin, fields in (("", _PYTORCH), ("tf_", _TENSORFLOW))
        for size, (width, depth) in enumerate(_LITE)
    },
}
"""By timm's name of a net, without the tag of its weights: `resnet50`, not `resnet50.a1_in1k`."""

_RENAMED: Mapping[str, str] = {
    r"(?:tv|ssl|swsl)_(.+)": r"\1",
    r"gluon_(resnet\d+)_v1b|gluon_(resnext.+)": r"\1\2",
    r"(?:tf|adv|gluon)_(inception_v3)|ens_adv_(inception_resnet_v2)": r"\1\2",
    r"(tf_efficientnet_b\d)_(?:ap|ns)|(efficientnet_b\d)a": r"\1\2",
    r"xception": r"legacy_xception",
}
"""What older timm called its nets, and what it calls them now."""
_OTHERWISE: Mapping[str, str] = {
    r"(se)?resnex?t\d+[cst](_.*)?": "its stem has three 3x3 convolutions",
    r"(se)?resnex?t\d+d(_.*)?": "its stem has three 3x3 convolutions, and its shortcuts average",
    r"resnetv2_.*_bit": "its convolutions are standardised",
    r".*_(gn|evos|frn)": "its norms are others",
    r"(se)?resnext.*": "no net here has its groups of channels",
    r"tf_mobilenetv3_.*_minimal_.*": "it has no gates",
    r"(tf_)?mobilenetv[23]_.*\d+d?": "it scales its layers otherwise",
}
"""By regular expression for timm's names, what distinguishes nets from the one of ours that is nearest."""
_ARGUMENTS: Mapping[str, Callable[[Any], Mapping[str, Any]]] = {
    "layers": lambda sizes: {"stage_sizes": list(sizes)},
    "block_config": lambda sizes: {"stage_sizes": list(sizes)},
    "growth_rate": lambda growth: {"growth": growth, "features": 2 * growth},
    "in_chans": lambda _: {},  # the size of the images says it
    "num_classes": lambda _: {},  # so does the description
}
"""What an argument of timm's `create_model` is here."""
_POOLS = ("avg", "fast", "fastavg")
"""timm's words for the mean over a map."""


def counterpart(architecture: str, arguments: Mapping[str, Any]) -> Counterpart:
    """Returns the net of ours that computes what one of timm's does.

    Args:
        architecture: timm's name; a tag behind a point is ignored.
        arguments: of timm's `create_model`.

    Raises:
        UserError: if none does. The message says why, where that is known.
    """
    name = current(architecture)
    found = COUNTERPARTS.get(name)
    if found is None:
        reason = next((text for pattern, text in _OTHERWISE.items() if re.fullmatch(pattern, name)), "")
        near = nearest(name, COUNTERPARTS)
        known = f"those nearest to it that are: {', '.join(near)}" if near else "docs/weights.md lists those that are"
        raise UserError(f"timm's {name} is no net of ours{f': {reason}' if reason else ''}; {known}")
    unknown = [f"{key}={value!r}" for key, value in arguments.items() if not _is_known(key, value)]
    if unknown:
        raise UserError(f"timm's {name} was made with {', '.join(unknown)}: what that is here is not known")
    fields = dict(found.fields)
    for key, value in arguments.items():
        fields |= _ARGUMENTS[key](value) if key in _ARGUMENTS else {}
    return Counterpart(found.model, fields)


def current(architecture: str) -> str:
    """Returns what timm calls a net now, without a tag."""
    name = architecture.partition(".")[0]
    for pattern, replacement in _RENAMED.items():
        if match := re.fullmatch(pattern, name):
            return match.expand(replacement)
    return name


def _is_known(key: str, value: Any) -> bool:
    return value in _POOLS if key == "global_pool" else key in _ARGUMENTS
