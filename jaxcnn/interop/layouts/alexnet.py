"""torchvision's names of `alexnet` -> ours, for `alexnet_owt`."""

from jaxcnn.interop.layouts import TORCHVISION

FLATTENED = {"dense1": (256, 6, 6)}
RULES = [
    (r"features\.0", "conv1"),
    (r"features\.3", "conv2"),
    (r"features\.6", "conv3"),
    (r"features\.8", "conv4"),
    (r"features\.10", "conv5"),
    (r"classifier\.1", "dense1"),
    (r"classifier\.4", "dense2"),
    (r"classifier\.6", "classifier"),
]
PREPROCESSED = {r".*": TORCHVISION}
