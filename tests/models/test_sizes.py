"""The smallest image that each model takes, by its paper's windows and strides, and how a smaller one is refused."""

import pytest

from jaxcnn.errors import UserError
from jaxcnn.models import check_image_size, create_model, list_models, model_variant
from jaxcnn.models.registry import family_of
from tests.models.tiny import TINY

_OTHERS = {
    "alexnet": (67, 15),
    "alexnet_owt": (63, 15),  # torchvision's too
    "densenet40_12": (4, 4),
    "densenet_bc*": (4, 4),
    "googlenet": (31, 4),
    "googlenet_torchvision": (15, 2),
    "lenet5_relu": (4, 4),  # lenet5 pads to 32
    "nasnet_a_large": (3, 1),
    "nasnet_a_mobile": (3, 1),
    "senet154": (3, 1),  # pools without padding behind a stem that halves
    "squeezenet1_0": (21, 4),
    "squeezenet1_1": (17, 4),
    "vgg10_cifar": (16, 1),
    "zfnet": (47, 11),
}
"""Models whose sides are others than their family's."""
SMALLEST = {name: TINY[family_of(name)].sides for name in list_models()}
SMALLEST |= {name: sides for names, sides in _OTHERS.items() for name in list_models(names)}
"""Model -> sides in pixels at the stems imagenet and small."""

QUICK = (
    *("alexnet", "alexnet_owt", "densenet40_12", "googlenet_torchvision", "highway19", "inception_v3", "lenet5_relu"),
    *("mlp1", "mobilenet_v2", "resnet18", "squeezenet1_0", "squeezenet1_1", "vgg11", "xception", "zfnet"),
)
"""The ordinary suite's: of each arithmetic the net that is quickest to trace; the others are slow."""
CASES = [
    pytest.param(name, stem, size, marks=() if name in QUICK else pytest.mark.slow, id=f"{name}-{stem}")
    for name, sides in SMALLEST.items()
    for stem, size in zip(("imagenet", "small"), sides, strict=True)
]


def test_a_model_of_other_sides_than_its_familys_is_here_once():
    others = [name for names in _OTHERS for name in list_models(names) or [names]]
    assert sorted(others) == [name for name in list_models() if SMALLEST[name] != TINY[family_of(name)].sides]


@pytest.mark.parametrize(("name", "stem", "size"), CASES)
def test_the_smallest_image(name, stem, size):
    model, channels = create_model(name, num_classes=10, stem=stem), model_variant(name).channels
    if size == 1:
        check_image_size(model, (1, 1, channels))
        return
    one_line = rf"^an image of {size - 1}x{size - 1} does not pass: .* the smallest image that works is {size}x{size}$"
    with pytest.raises(UserError, match=one_line):
        check_image_size(model, (size - 1, size - 1, channels))


def test_the_shorter_side_decides():
    with pytest.raises(UserError, match=r"^an image of 3x100 does not pass: .* is 4x4$"):
        check_image_size(create_model("lenet5_relu", num_classes=10), (3, 100, 1))


def test_what_fails_at_every_size_is_not_blamed_on_the_image():
    model = create_model("resnet18", num_classes=10, norm="group", norm_options={"num_groups": 3})
    with pytest.raises(UserError, match=r"^group norm's 3 groups must divide the 64 channels$"):
        check_image_size(model, (8, 8, 3))
