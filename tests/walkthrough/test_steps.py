"""The steps of nets of all kinds: each layer is in one of them, with its norm and its activation."""

import functools

import flax.linen as nn
import jax
import numpy as np
import pytest

import jaxcnn
from jaxcnn.analysis.values import Values
from jaxcnn.analysis.walk import IMAGE, supports, trace, walked
from jaxcnn.evaluation.subject import Subject
from jaxcnn.walkthrough.fields import Box, box_of, field_line, place_line
from jaxcnn.walkthrough.maps import Unit, strongest
from jaxcnn.walkthrough.nets import traced, walked_through
from jaxcnn.walkthrough.steps import MOST, granularity, steps_of


@functools.cache
def found(name, size, **fields):
    model = jaxcnn.create_model(name, num_classes=10, **fields)
    shape = (size, size, 1 if name.startswith("lenet") else 3)
    made = trace(model, shape)
    walk, rows = walked(made, shape)
    return walk, Values(made, rows.equations())


@pytest.mark.parametrize(
    ("name", "size", "count", "step", "words", "change"),
    [
        ("lenet5", 32, 7, "conv1", ("Conv 5x5", "tanh"), "tanh"),
        ("resnet20", 32, 30, "stage1_block1/conv1", ("Conv 3x3, padding 1", "BatchNorm", "relu"), "norm1: BatchNorm"),
        ("resnet20", 32, 30, "stage2_block1/join", ("PadShortcut", "sum", "relu"), "relu"),
        ("preact_resnet18", 64, 32, "stage1_block2/conv1",
         ("BatchNorm", "relu", "Conv 3x3, padding 1", "BatchNorm", "relu"), "stage1_block2/norm2: BatchNorm"),
        ("googlenet", 224, 16, "stem3", ("Conv 3x3, padding 1", "relu", "LocalResponseNorm"), "LocalResponseNorm"),
        ("googlenet", 224, 16, "stage1_block1", ("Mixed",), "relu"),
        ("mobilenet_v2", 224, 21, "stage2_block1", ("InvertedResidual",), "stage2_block1/project/norm: BatchNorm"),
        ("squeezenet1_1", 224, 39, "classifier", ("Conv 1x1", "relu"), "relu"),
    ],
)  # fmt: skip
def test_the_steps_of_a_family(name, size, count, step, words, change):
    walk, values = found(name, size)
    for by in (None, "layer", "stage"):
        steps = steps_of(walk, values, granularity([(walk, values)], None, by))
        layers = [layer.path for each in steps for layer in each.layers]
        run = [layer.path for layer in walk.layers if layer.path != IMAGE and not layer.training_only]
        assert sorted(layers) == sorted(run)
        assert all(each.output is not None for each in steps)
        assert all(each.output.aval.shape[1:] == each.row.output_shape for each in steps)
        assert len(steps) <= MOST or by == "layer"
    steps = {each.path: each for each in steps_of(walk, values, granularity([(walk, values)], None, None))}
    assert len(steps) == count
    assert steps[step].words == words
    assert steps[step].change.name.endswith(change)
    deeper = {each.path for each in steps_of(walk, values, granularity([(walk, values)], 1, None))}
    assert all("/" not in path for path in deeper)


@pytest.mark.parametrize("fields", [{"act": "gelu", "norm": "group"}, {"act": "prelu", "norm": "none"}])
def test_any_norm_and_activation(fields):
    walk, values = found("resnet20", 32, **fields)
    steps = {step.path: step for step in steps_of(walk, values, None)}
    assert len(steps) == 30
    conv, join = steps["stage2_block2/conv1"], steps["stage2_block2/join"]
    if fields["norm"] == "group":
        assert conv.words == ("Conv 3x3, padding 1", "GroupNorm 8 groups", "gelu")
        assert (join.words, join.change.name) == (("PadShortcut", "sum", "gelu"), "gelu")
    else:
        assert conv.words == ("Conv 3x3, padding 1", "PReLU")
        assert (join.words, join.change.name) == (("PadShortcut", "PReLU", "sum"), "PReLU")


class Sums(nn.Module):
    """Windows whose weights are all 1, so that a bright pixel is bright wherever it is seen."""

    norm: bool = False

    @nn.compact
    def __call__(self, image):
        ones = nn.initializers.ones
        x = nn.relu(nn.Conv(2, (3, 3), strides=2, kernel_init=ones, name="first")(image))
        x = nn.max_pool(x, (2, 2), (2, 2))
        x = nn.GroupNorm(num_groups=1, name="norm")(x) if self.norm else x
        x = nn.Conv(2, (3, 3), padding="VALID", kernel_init=ones, name="second")(x)
        return nn.Dense(2, name="last")(x.mean(axis=(1, 2)))


@functools.cache
def subject(model, size):
    variables = jax.jit(model.init)(jax.random.key(0), np.zeros((1, size, size, 1), np.float32))
    known = {"image_size": size, "channels": 1, "mean": [0.0], "std": [1.0]}
    return Subject(name="net", model=model, members=(variables,), class_names=("a", "b"), preprocessing=known)


@pytest.mark.parametrize("place", [(9, 21), (20, 14)])
def test_the_field_of_the_strongest_unit_holds_the_one_bright_pixel(place):
    photo = np.zeros((32, 32, 1), np.uint8)
    photo[place] = 255
    steps, logits = walked_through(traced("net", subject(Sums(), 32), photo), None)
    assert [step.step.path for step in steps] == ["image", "first", "max_pool", "second", "global_pool", "last"]
    for each in steps[:4]:
        channel = strongest(each.output, 1)[0]
        row, column = np.unravel_index(each.output[..., channel].argmax(), each.output.shape[:2])
        box = box_of(each.field, Unit(channel, row, column, 0.0), 32)
        assert box.top <= place[0] < box.top + box.height
        assert box.left <= place[1] < box.left + box.width
        assert box.height <= 13
    assert box_of(steps[4].field, None, 32) == (0, 0, 32, 32)
    assert logits.shape == (2,)


def test_boxes_are_what_gradients_say():
    support = supports(Sums(), (32, 32, 1))
    steps, _ = walked_through(traced("net", subject(Sums(), 32), np.zeros((32, 32, 1), np.uint8)), None)
    [field] = [each.field for each in steps if each.step.path == "second"]
    rows, columns = support["second",]
    for row, column in np.ndindex(5, 5):
        box = box_of(field, Unit(0, row, column, 0.0), 32)
        assert max(box.top, 0) == rows.first[0, row, 0, 0]
        assert min(box.top + box.height, 32) - 1 == rows.last[0, row, 0, 0]
        assert max(box.left, 0) == columns.first[0, 0, column, 0]


def test_a_norm_over_the_whole_map_is_told_and_left_out_of_the_box():
    steps, _ = walked_through(traced("net", subject(Sums(norm=True), 32), np.zeros((32, 32, 1), np.uint8)), None)
    plain, _ = walked_through(traced("net", subject(Sums(), 32), np.zeros((32, 32, 1), np.uint8)), None)
    [normed] = [each for each in steps if each.step.path == "second"]
    [other] = [each for each in plain if each.step.path == "second"]
    assert normed.step.row.receptive.size == "global"
    assert normed.field == other.field
    assert "the whole photo, through the means" in field_line(normed.step.row.receptive, normed.field)
    assert field_line(other.step.row.receptive, other.field) == "13x13 px, stride 4 px"


@pytest.mark.parametrize("box", [Box(-6, -6, 13, 13), Box(20, -2, 25, 5), Box(3, 4, 5, 5)])
def test_what_is_shown_holds_the_whole_box_and_the_photo(box):
    frame = box.frame(32)
    for start, length, low, size in ((frame.top, frame.height, box.top, box.height),
                                     (frame.left, frame.width, box.left, box.width)):  # fmt: skip
        assert start < min(low, 0)
        assert start + length > max(low + size, 32)


def test_a_box_that_reaches_far_is_open_and_the_photo_stays_large():
    frame = Box(-200, 3, 427, 5).frame(32)
    assert (frame.top, frame.height) == (-16, 64)


def test_places_are_told_with_their_padding():
    steps, _ = walked_through(traced("net", subject(Sums(), 32), np.zeros((32, 32, 1), np.uint8)), None)
    first = steps[1].field
    assert place_line(box_of(first, Unit(0, 3, 4, 0.0), 32), 32) == "rows 6 to 8, columns 8 to 10"
    assert place_line(box_of(first, Unit(0, 15, 0, 0.0), 32), 32) == "rows 30 to 32, columns 0 to 2, padding included"
