"""Where cells are in the image, and what units and cells see."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn.errors import UserError
from jaxcnn.pictures.places import places_of, spread
from jaxcnn.pictures.program import Program
from jaxcnn.pictures.shown import Shown
from jaxcnn.pictures.support import side_of, support_band, support_of
from jaxcnn.pictures.units import find_units, outstanding, unit_band
from tests.pictures.nets import SIDE, SQUARE, Bright, bright, dataset_of, initial, net_of, planted


class Chain(nn.Module):
    """Layers one after the other, whose output is the last."""

    layers: tuple

    @nn.compact
    def __call__(self, image):
        x = image
        for layer in self.layers:
            x = layer(x)
        self.sow("intermediates", "end", x)
        return x.mean((1, 2))


def conv(strides=1, **fields):
    return nn.Conv(3, (3, 3), strides, **fields)


@pytest.mark.parametrize(
    ("layers", "first", "step"),
    [
        ((conv(padding=1),), 0, 1),
        ((conv(2, padding=1), conv(2, padding=1)), 0, 4),
        ((conv(2, padding="VALID"),), 1, 2),
        ((lambda x: nn.max_pool(x, (2, 2), (2, 2)), conv(padding=1)), 0.5, 2),
        ((conv(2, padding=((0, 1), (0, 1))),), 1, 2),  # SAME, which pads on one side
        ((conv(2, padding=1), nn.GroupNorm(1), conv(2, padding=1)), 0, 4),
        ((nn.LayerNorm(reduction_axes=(1, 2, 3)), conv(2, padding=1)), 0, 2),
    ],
)
def test_the_middle_of_what_cells_see(layers, first, step):
    own = Program(Chain(layers), (16, 16, 3))
    rows, columns = places_of(own, "end")
    cells = own.layers["end"][0]
    np.testing.assert_allclose(rows.centre, first + step * np.arange(cells))
    np.testing.assert_array_equal(rows.centre, columns.centre)


def test_a_norm_over_the_map_sees_the_whole_image_and_a_gate_moves_no_cell():
    tiny = {"num_classes": 3, "stem": "small", "stage_sizes": (1, 1), "features": 8}
    plain, gated = (
        places_of(Program(jaxcnn.create_model(name, norm=norm, **tiny), (32, 32, 3)), "stage2")[0]
        for name, norm in (("resnet18", "batch"), ("seresnet18", "group"))
    )
    assert np.isinf(gated.first).all()
    assert np.isfinite(plain.first).all()
    np.testing.assert_array_equal(gated.centre, plain.centre)


def test_cells_of_which_nothing_is_known_are_spread_evenly():
    own = Program(Chain((lambda x: jnp.sort(x, axis=1), conv(2, padding=1))), (16, 16, 3))
    np.testing.assert_allclose(places_of(own, "end")[0].centre, 0.5 + 2 * np.arange(8))


def test_a_spread_map_has_each_cell_at_its_middle_and_a_constant_stays_one():
    own = Program(Chain((conv(2, padding=1), conv(2, padding=1))), (16, 16, 3))
    places = places_of(own, "end")
    cells = np.random.default_rng(0).normal(size=(1, 4, 4))
    found = spread(cells, *places, (16, 16, 3))
    np.testing.assert_allclose(found[:, ::4, ::4], cells)
    np.testing.assert_allclose(found[:, 2, 0], cells[:, :2, 0].mean(axis=1))
    np.testing.assert_allclose(found[:, 13:, 13:], np.broadcast_to(cells[:, 3:, 3:], (1, 3, 3)))
    np.testing.assert_allclose(spread(np.ones((1, 4, 4)), *places, (16, 16, 3)), 1)


@pytest.fixture(scope="module")
def images():
    found, corners = planted(24, seed=3)
    return np.rint(np.minimum(found, 1) * 255).astype(np.uint8), corners


def test_a_unit_is_shown_where_it_is_excited(images):
    pixels, corners = images
    strong = np.arange(24) % 3 == 0
    pixels = np.where(strong[:, None, None, None], pixels, pixels // 3)
    net = net_of(Bright(), bright(), SIDE, 1, ("dark", "bright"))
    dataset = dataset_of(pixels, strong, ("dark", "bright"))
    [unit] = find_units(net, dataset, "test", "conv1", [0])
    assert set(unit.places[:8, 0]) == set(np.flatnonzero(strong))
    assert unit.labels[:8] == ("bright",) * 8
    assert (np.diff(unit.values) <= 0).all()
    for place, row, column in unit.places[:8]:
        top, left = corners[place]
        assert top <= row < top + SQUARE
        assert left <= column < left + SQUARE
    [[patches, back]] = unit_band(net, dataset, "test", "conv1", [unit]).rows
    assert patches.pixels.shape == (3 * 3 + 2, 3 * 3 + 2, 1)  # what a 3x3 convolution sees, nine times
    assert (patches.pixels[:3, :3] > 200).all()
    assert (back.pixels[:3, :3] == 255).all()  # a kernel of equal weights
    assert patches.lines[1] == "8 of 9 are bright"


def test_units_that_stand_out_come_first_and_dead_ones_never():
    random = np.random.default_rng(0)
    value = random.normal(size=(300, 4)).astype(np.float32)
    value[:, 1] = 0
    value[:9, 2] += 20
    found = outstanding(value)
    assert found[0] == 2
    assert set(found) == {0, 2, 3}


def test_units_that_are_not_there_are_refused(images):
    pixels, _ = images
    net = net_of(Bright(), bright(), SIDE, 1, ("dark", "bright"))
    dataset = dataset_of(pixels, np.ones(24), ("dark", "bright"))
    with pytest.raises(UserError, match="there is no unit 7 in conv1: it has 0 to 1"):
        find_units(net, dataset, "test", "conv1", [7])
    with pytest.raises(UserError, match="planted has no split val: there are test"):
        find_units(net, dataset, "val", "conv1")


def test_what_a_cell_sees_is_measured_inside_of_its_box(images):
    variables = initial(Bright(), (SIDE, SIDE, 1), seed=2)
    net = net_of(Bright(), variables, SIDE, 1, ("dark", "bright"))
    image = Shown("one", images[0][0], None)
    found = support_of(net, image, "conv2")
    assert found.box == (21, 21, 28, 28) or found.size == (8, 8)
    top, left, bottom, right = (int(each) for each in found.box)
    for values in (found.trained, found.fresh):
        assert values.max() > 0
        outside = values.copy()
        outside[top : bottom + 1, left : right + 1] = 0
        assert (outside == 0).all()
    assert not np.array_equal(found.trained, found.fresh)
    rows = support_band([(net, image, found)]).rows
    assert rows[0][0].lines == ("one, net", "field: 8x8")
    assert all(tile.pixels.shape == rows[0][0].pixels.shape for tile in rows[0])
    assert (rows[0][1].pixels == (255, 64, 0)).all(-1).any()


def test_the_side_that_holds_most_of_a_gradient():
    values = np.zeros((9, 9))
    values[4, 4] = 10
    assert side_of(values, (0, 0, 8, 8)) == 1
    values[3:6, 3:6] = 10
    assert side_of(values, (0, 0, 8, 8)) == 3
    assert side_of(values, (-np.inf, -np.inf, np.inf, np.inf)) == 3
    assert side_of(np.zeros((9, 9)), (0, 0, 8, 8)) == 0
