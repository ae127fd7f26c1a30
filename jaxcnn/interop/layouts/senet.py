"""Names of timm's seresnet*, legacy_seresnet* and legacy_senet154."""

from jaxcnn.interop.layouts import resnet
from jaxcnn.interop.layouts.resnet import BLOCK, in_block

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
