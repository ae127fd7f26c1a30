"""Augmentations of a user's own in a text of the config."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.augment import Draw, parse_augment, parse_calls
from jaxcnn.augment.calls import read_calls
from jaxcnn.errors import UserError


def test_a_path_stands_between_names_of_ours():
    text = "flip, tests.own_parts:speckle(0.1), shift(2)"
    assert [call.name for call in parse_calls(text)] == ["flip", "tests.own_parts:speckle", "shift"]
    with jax.numpy_rank_promotion("allow"):
        images = jnp.full((8, 4, 4, 1), 100.0)
        changed, labels = parse_augment("tests.own_parts:speckle(amount=0.1)")(
            Draw.of(jax.random.key(0), 8), images, jnp.arange(8)
        )
    assert len(np.unique(changed)) == 8
    assert 90 <= changed.min() < changed.max() <= 110
    np.testing.assert_array_equal(labels, np.arange(8))


def test_what_is_in_quotes_is_no_path():
    def say(text, more=""):
        return text

    (call,) = read_calls("word", "say('os:path', \"a:b\")", {"say": say}, "say('x')")
    assert call.arguments == {"text": "os:path", "more": "a:b"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tests.own_parts:speckel(0.1)", "module tests.own_parts has no speckel; did you mean speckle"),
        ("tests.own_parts:speckle", "augmentation tests.own_parts:speckle.*missing a required argument: 'amount'"),
        ("tests.own_parts:speckle(2)", "augmentation tests.own_parts:speckle: amount is 2"),
        ("tests.own_parts:speckle(0.1", "cannot read augmentation"),
        ("tests.own_parts: speckle(0.1)", "cannot read augmentation"),
        ("nowhere:speckle(0.1)", "there is no module nowhere"),
    ],
)
def test_a_path_that_is_wrong_is_refused_in_one_line(text, says):
    with pytest.raises(UserError, match=says) as caught:
        parse_calls(text)
    assert "\n" not in str(caught.value)
