"""timm's names of `seresnet*`, `legacy_seresnet*` and `legacy_senet154` -> ours."""

from collections.abc import Mapping
from typing import Any

from jaxcnn.interop.layouts import BICUBIC, BILINEAR, MEAN, STD, Preprocessing, resnet
from jaxcnn.interop.layouts.resnet import BLOCK, in_block
from jaxcnn.models.resnet import BasicBlock
from jaxcnn.models.senet import SENet

_GATE = BLOCK + r"(?:se|se_module)"

RULES = [
    *resnet.RULES,
    (_GATE + r"\.fc1", in_block("gate/reduce")),
    (_GATE + r"\.fc2", in_block("gate/expand")),
    (r"last_linear", "classifier"),
    (r"layer0\.conv1", "stem_conv"),
    (r"layer0\.bn1", "stem_norm"),
    (r"layer0\.conv([23])", r"stem\1/conv"),
    (r"layer0\.bn([23])", r"stem\1/norm"),
]
FROM_CONV = [r".*/gate/(?:reduce|expand)"]


def built_with(model: SENet) -> Mapping[str, Mapping[str, Any]]:
    """Returns the fields of models with legacy names. All but SENet-154 stride on the first 1x1 convolution."""
    strides = {} if model.deep_stem or model.block is BasicBlock else {"stride_on_first": True}
    return {BLOCK + r"se_module\..*": {"legacy": True, **strides}}


PREPROCESSED = {
    r".*\.se_module\..*": Preprocessing("timm's legacy ones", MEAN, STD, 0.875, BILINEAR),
    r".*\.se\..*": Preprocessing("timm's", MEAN, STD, 224 / 235, BICUBIC),
}
