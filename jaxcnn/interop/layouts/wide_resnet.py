"""Names of torchvision's wide ResNets: its ResNets'."""

from jaxcnn.interop.layouts.resnet import PREPROCESSED as PREPROCESSED
from jaxcnn.interop.layouts.resnet import RULES as RULES
