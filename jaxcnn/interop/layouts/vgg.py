"""torchvision's and timm's names of `vgg11` to `vgg19` and `vgg11_bn` to `vgg19_bn` -> ours.

timm has convolutions in place of the dense layers; they are the same for images of 224 to 255 pixels.
"""

from jaxcnn.interop.layouts import TORCHVISION
from jaxcnn.models.vgg import VGG

FLATTENED = {"dense1": (512, 7, 7)}
FROM_CONV = {r"dense[12]"}


def rules(model: VGG) -> list[tuple[str, str]]:
    """Returns the rules for one net. `features` counts convolutions, norms, activations and poolings."""
    found = [
        (r"classifier\.0|pre_logits\.fc1", "dense1"),
        (r"classifier\.3|pre_logits\.fc2", "dense2"),
        (r"classifier\.6|head\.fc", "classifier"),
    ]
    index = 0
    for stage, size in enumerate(model.stage_sizes, start=1):
        for number in range(1, size + 1):
            block = f"stage{stage}_conv{number}"
            found.append((rf"features\.{index}", f"{block}/conv"))
            if model.norm != "none":
                index += 1
                found.append((rf"features\.{index}", f"{block}/norm"))
            index += 2
        index += 1
    return found


PREPROCESSED = {r".*": TORCHVISION}
