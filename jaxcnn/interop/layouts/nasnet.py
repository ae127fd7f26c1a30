"""timm's names of `nasnetalarge` -> ours, for `nasnet_a_large`.

timm's average pooling of stride 2 counts padding, so the field `count_padding=True` gives timm's logits. TensorFlow's,
from which the weights come, does not.
"""

import re

from jaxcnn.interop.layouts import BICUBIC, HALF, Preprocessing

_CELLS = 6
"""Normal cells in a stage. timm numbers those of all stages in one sequence."""
_FIT = {"conv_1x1": "fit_right", "conv_prev_1x1": "fit_left"}
_LEAVES = {"depthwise_conv2d": "depthwise", "pointwise_conv2d": "pointwise"}


def _cell(name: str) -> str:
    kind, number = re.fullmatch(r"(cell|reduction_cell|cell_stem)_(\d+)", name).groups()  # type: ignore[union-attr]
    number = int(number)
    if kind == "cell":
        return f"stage{number // _CELLS + 1}_cell{number % _CELLS + 1}"
    return f"stage{number + 2}_reduction" if kind == "reduction_cell" else f"stem_cell{number + 1}"


def _fit(match: re.Match[str]) -> str:
    """Returns the path of a layer that gives one of a cell's two inputs the right number of features."""
    return f"{_cell(match['cell'])}/{_FIT[match['fit']]}/{'norm' if match['leaf'] == 'bn' else match['leaf']}"


def _separable(match: re.Match[str]) -> str:
    """Returns the path of a convolution or norm of an operation. timm counts pairs from 0, and layers from 1."""
    leaf = _LEAVES[match["leaf"]] if match["leaf"] else "norm"
    return f"{_cell(match['cell'])}/pair{int(match['pair']) + 1}_{match['side']}/{leaf}{match['layer']}"


_IN_CELL = r"(?P<cell>(cell|reduction_cell|cell_stem)_\d+)\."
RULES = [
    (r"conv0\.conv", "stem_conv"),
    (r"conv0\.bn", "stem_norm"),
    (_IN_CELL + r"(?P<fit>conv_1x1|conv_prev_1x1)\.(?P<leaf>conv|bn)", _fit),
    (_IN_CELL + r"(?P<path>path_[12])\.conv", lambda m: f"{_cell(m['cell'])}/fit_left/{m['path'].replace('_', '')}"),
    (_IN_CELL + r"final_path_bn", lambda match: f"{_cell(match['cell'])}/fit_left/norm"),
    (
        _IN_CELL + r"comb_iter_(?P<pair>\d)_(?P<side>left|right)\."
        r"(bn_sep|separable)_(?P<layer>[12])(\.(?P<leaf>\w+))?",
        _separable,
    ),
    (r"last_linear", "classifier"),
]
PREPROCESSED = {r".*": Preprocessing("timm's", HALF, HALF, 0.911, BICUBIC)}
