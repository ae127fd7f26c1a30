"""Maps the module names of reference implementations to ours: one file for each family.

A layout has `RULES`: pairs of a regular expression for a module path in the reference ("layer1.0.conv1") and its path
here ("stage1_block1/conv1"). The path is a text with groups, or a function of the match. If the function raises a
LookupError or ValueError, the reference has no such module. A layout may also have

- `FLATTENED`: by path of a dense layer, the (channels, height, width) that the reference flattens before it;
- `FROM_CONV`: regular expressions for paths here of dense layers that are convolutions in the reference: of 1x1, or of
  the whole map that `FLATTENED` says;
- `BUILT_WITH`: by regular expression for the reference's names, the fields and options of batch norm that our model
  must have if a name matches. Weights that would fit, but give other logits, are then refused;
- `UNDECIDED`: by regular expression for the reference's names, a field that must be given for such weights, since nets
  with different values of it have the same names, and a text that says so;
- `PREPROCESSED`: by regular expression for the reference's names, the preprocessing for its ImageNet weights, or None
  if the names do not tell it.

Any of them may depend on the model. It is then a function with a name in lower case: `rules(model)`,
`built_with(model)`.
"""

from typing import NamedTuple

from jaxcnn.data.read.predicting import filter_of


class Preprocessing(NamedTuple):
    """The preprocessing of images for published weights. Pixels are in [0, 1]."""

    source: str
    """Who published the weights."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop_fraction: float
    """Side of the central square, as a fraction of the shorter side of the resized image, which timm rounds down."""
    filter: str


BILINEAR, BICUBIC = filter_of("bilinear"), filter_of("bicubic")
HALF = (0.5, 0.5, 0.5)
"""Mean and standard deviation of TensorFlow's nets, which get pixels in [-1, 1]."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet in most PyTorch code."""
TORCHVISION = Preprocessing("torchvision's", MEAN, STD, 224 / 256, BILINEAR)


def unit_part(name: str) -> str:
    """Returns the name here of a part of a `ConvNormAct` that the reference Inceptions call "conv" or "bn"."""
    return "norm" if name == "bn" else name
