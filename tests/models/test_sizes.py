"""The smallest image that each model takes, by its paper's windows and strides, and how a smaller one is refused."""

import pytest

from jaxcnn.errors import UserError
from jaxcnn.models import check_image_size, create_model, list_models, model_variant

ANY = (1, 1)
_SIDES = {
    "alexnet": (67, 15),
    "alexnet_owt": (63, 15),  # torchvision's too
    "densenet1??": (29, 8),
    "densenet201": (29, 8),
    "densenet40_12": (4, 4),
    "densenet_bc*": (4, 4),
    "efficientnet*": ANY,
    "googlenet": (31, 4),
    "googlenet_torchvision": (15, 2),
    "highway*": (4, 4),
    "inception_resnet*": (75, 7),
    "inception_v2": ANY,
    "inception_v3": (75, 7),
    "inception_v4": (75, 7),
    "lenet5": ANY,  # pads to 32
    "lenet5_relu": (4, 4),
    "mlp*": ANY,
    "mobilenet*": ANY,
    "nasnet_a_cifar": ANY,
    "nasnet_a_large": (3, 1),
    "nasnet_a_mobile": (3, 1),
    "plain*": ANY,
    "preact_resnet*": ANY,
    "resnet*": ANY,
    "resnext*": ANY,
    "senet154": (3, 1),  # pools without padding behind a stem that halves
    "seresnet*": ANY,
    "shufflenet*": ANY,
    "squeezenet1_0": (21, 4),
    "squeezenet1_1": (17, 4),
    "vgg1[1369]": (32, 1),
    "vgg10_cifar": (16, 1),
    "wide_resnet*": ANY,
    "xception": (7, 1),
    "zfnet": (47, 11),
}
SMALLEST = {name: sides for names, sides in _SIDES.items() for name in list_models(names)}
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


def test_every_model_is_here_once():
    assert sorted(name for names in _SIDES for name in list_models(names)) == list_models()


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
