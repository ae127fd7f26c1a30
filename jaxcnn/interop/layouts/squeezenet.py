"""torchvision's names of `squeezenet1_0` and `squeezenet1_1` -> ours."""

from jaxcnn.interop.layouts import TORCHVISION
from jaxcnn.models.squeezenet import SqueezeNet


def rules(model: SqueezeNet) -> list[tuple[str, str]]:
    """Returns the rules for one net. `features` counts both fire modules and poolings."""
    found = [(r"features\.0", "stem_conv/conv"), (r"classifier\.1", "classifier")]
    index = 3
    for stage, size in enumerate(model.stage_sizes, start=1):
        for number in range(1, size + 1):
            found.append((rf"features\.{index}\.(squeeze|expand1x1|expand3x3)", rf"stage{stage}_fire{number}/\1/conv"))
            index += 1
        index += 1
    return found


PREPROCESSED = {r".*": TORCHVISION}
