import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcnn.errors import UserError
from jaxcnn.ops.window import image_size, output_size, pad, pair, resolve_padding


@pytest.mark.parametrize("word", ["same", "same_lower"])
@pytest.mark.parametrize(
    ("kernel_size", "strides", "dilation"), [(3, 1, 1), ((2, 4), 1, 1), ((4, 5), (2, 3), 1), (3, 2, 2)]
)
def test_same_is_xlas(word, kernel_size, strides, dilation):
    size = (7, 10)
    spans = [d * (k - 1) + 1 for k, d in zip(pair(kernel_size), pair(dilation), strict=True)]
    expected = lax.padtype_to_pads(size, spans, pair(strides), word.upper())
    assert resolve_padding(word, size, kernel_size, strides, dilation) == tuple(tuple(p) for p in expected)


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        ("valid", ((0, 0), (0, 0))),
        (2, ((2, 2), (2, 2))),
        ((1, 3), ((1, 1), (3, 3))),
        (((1, 0), (2, 3)), ((1, 0), (2, 3))),
        ([1, (0, 2)], ((1, 1), (0, 2))),
    ],
)
def test_explicit_padding(padding, expected):
    assert resolve_padding(padding, (5, 6), 3) == expected


@pytest.mark.parametrize(
    ("padding", "message"),
    [
        ("sme", "unknown padding 'sme': did you mean same"),
        (-1, "must not be negative"),
        (((0, 0), (0, -1)), "must not be negative"),
        ((1, 2, 3), "one entry per axis"),
        ((1, (1, 2, 3)), "wanted one number or two"),
    ],
)
def test_wrong_padding_is_one_line(padding, message):
    with pytest.raises(UserError, match=message) as caught:
        resolve_padding(padding, (5, 6), 3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("padding", ["valid", "same", "same_lower", 1, ((2, 0), (1, 3))])
@pytest.mark.parametrize("strides", [1, 2, (3, 2)])
@pytest.mark.parametrize("dilation", [1, (2, 3)])
@pytest.mark.parametrize("kernel_size", [1, 2, (3, 2)])
def test_output_size_is_what_xla_makes(kernel_size, strides, padding, dilation):
    size = (9, 11)
    pads = resolve_padding(padding, size, kernel_size, strides, dilation)

    def conv(x, kernel):
        return lax.conv_general_dilated(
            x, kernel, pair(strides), pads, rhs_dilation=pair(dilation), dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    made = jax.eval_shape(conv, jnp.zeros((1, *size, 1)), jnp.zeros((*pair(kernel_size), 1, 1)))
    assert output_size(size, kernel_size, strides=strides, padding=padding, dilation=dilation) == made.shape[1:3]


def test_output_size_of_a_number_is_a_number():
    assert output_size(32, 5, padding=2) == 32
    assert output_size(2, 5) == -2  # does not fit: the caller decides what to do


def test_pad_fills():
    x = jnp.arange(6.0).reshape(1, 2, 3, 1)
    top_and_right = ((1, 0), (0, 1))
    zero, reflect, edge = (pad(x, top_and_right, fill)[0, :, :, 0] for fill in ("zero", "reflect", "edge"))
    np.testing.assert_array_equal(zero, [[0, 0, 0, 0], [0, 1, 2, 0], [3, 4, 5, 0]])
    np.testing.assert_array_equal(reflect, [[3, 4, 5, 4], [0, 1, 2, 1], [3, 4, 5, 4]])
    np.testing.assert_array_equal(edge, [[0, 1, 2, 2], [0, 1, 2, 2], [3, 4, 5, 5]])


def test_pad_refuses():
    x = jnp.zeros((1, 2, 3, 1))
    with pytest.raises(UserError, match="reflect padding by 2 and 0 needs an image of at least 3x1, got 2x3"):
        pad(x, ((2, 0), (0, 0)), "reflect")
    with pytest.raises(UserError, match="reflect padding by 0 and 3 needs an image of at least 1x4, got 2x3"):
        pad(x, ((0, 0), (0, 3)), "reflect")
    with pytest.raises(UserError, match="unknown fill 'mirror'"):
        pad(x, ((1, 1), (1, 1)), "mirror")
    with pytest.raises(UserError, match=r"got shape \(2, 3\)"):
        image_size(jnp.zeros((2, 3)))


def test_same_adds_nothing_where_strides_pass_over_the_last_cells():
    assert resolve_padding("same", (4, 4), 1, 2) == ((0, 0), (0, 0))
