"""torchvision's names of wide ResNets -> ours: those of its ResNets."""

from jaxcnn.interop.layouts.resnet import PREPROCESSED as PREPROCESSED
from jaxcnn.interop.layouts.resnet import RULES as RULES
