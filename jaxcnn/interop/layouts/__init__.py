"""How the reference implementations name what our families hold: one file per family of names.

A layout has `RULES`, pairs of a regular expression over the reference's module path ("layer1.0.conv1") and what it
becomes here ("stage1_block1/conv1"), a text with groups or a function of the match; a LookupError or ValueError from it
says that the reference has no such module. It may also have

- `FLATTENED`: from the path of a dense layer to the (channels, height, width) that the reference flattens before it;
- `FROM_CONV`: the paths (regular expressions) of dense layers that are 1x1 convolutions there;
- `BUILT_WITH`: from a regular expression over the reference's names to the fields, and options of batch norm, that our
  model must have been given where a name matches: weights that fit and would give other logits are refused;
- `PREPROCESSED`: from a regular expression over the reference's names to how its ImageNet weights want their images.

What depends on the model, as its depth, is a function of it in lower case: `rules(model)`, `built_with(model)`.
"""

from typing import NamedTuple


class Preprocessing(NamedTuple):
    """How published weights want their images; red, green and blue are in [0, 1]."""

    source: str
    """Whose weights these are."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop_fraction: float
    """Side of the square as a part of the short side that the image is resized to."""
    filter: str


BILINEAR, BICUBIC = "bilinear, antialiased (Pillow)", "bicubic, antialiased (Pillow)"
HALF = (0.5, 0.5, 0.5)
"""Mean and deviation of nets that were trained with TensorFlow: pixels are in [-1, 1]."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, as most PyTorch code has them."""
TORCHVISION = Preprocessing("torchvision's", MEAN, STD, 224 / 256, BILINEAR)


def unit_part(name: str) -> str:
    """Returns what the part of a `ConvNormAct` is called here that the Inceptions there call `name`: conv or bn."""
    return "norm" if name == "bn" else name
