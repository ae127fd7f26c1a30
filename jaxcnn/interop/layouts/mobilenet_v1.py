"""timm's names of `mobilenetv1_100` -> ours, for MobileNet v1."""

from jaxcnn.interop.layouts import BICUBIC, HALF, Preprocessing

_PARTS = {"conv_dw": "depthwise/conv", "bn1": "depthwise/norm", "conv_pw": "pointwise/conv", "bn2": "pointwise/norm"}

BUILT_WITH = {r"blocks\..*": {"act": "relu6"}}
RULES = [
    (r"conv_stem", r"stem_conv/conv"),
    (r"bn1", r"stem_conv/norm"),
    (
        r"blocks\.(\d+)\.(\d+)\.(conv_dw|bn1|conv_pw|bn2)",
        lambda match: f"stage{int(match[1]) + 1}_block{int(match[2]) + 1}/{_PARTS[match[3]]}",
    ),
    (r"classifier", r"classifier"),
]
PREPROCESSED = {r".*": Preprocessing("timm's", HALF, HALF, 0.875, BICUBIC)}
