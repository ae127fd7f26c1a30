import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.train import metrics
from jaxcnn.train.losses import LOSSES, make_loss

LOGITS = np.array([[2.0, -1.0, 0.5], [0.1, 0.2, -3.0]], np.float32)
LABEL = np.array([0, 2], np.int32)


def reference(name, smoothing):
    target = np.eye(3)[LABEL] * (1 - smoothing) + smoothing / 3
    if name == "softmax":
        return -np.sum(target * (LOGITS - np.log(np.exp(LOGITS).sum(-1, keepdims=True))), -1)
    probability = 1 / (1 + np.exp(-LOGITS))
    return -np.sum(target * np.log(probability) + (1 - target) * np.log(1 - probability), -1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_loss_is_its_formula_for_hard_and_soft_labels(name, smoothing):
    loss = make_loss(name, label_smoothing=smoothing)
    np.testing.assert_allclose(loss(jnp.asarray(LOGITS), jnp.asarray(LABEL)), reference(name, smoothing), rtol=1e-5)
    soft = jnp.asarray(np.eye(3, dtype=np.float32)[LABEL])
    np.testing.assert_allclose(loss(jnp.asarray(LOGITS), soft), reference(name, smoothing), rtol=1e-5)


def test_sums_leave_out_the_padding_even_where_it_is_not_a_number():
    losses = jnp.array([1.0, jnp.nan])
    sums = metrics.summed(jnp.asarray(LOGITS), jnp.asarray(LABEL), losses, jnp.array([1.0, 0.0]))
    assert metrics.means([sums]) == {"loss": 1.0, "accuracy": 1.0, "examples": 1}


def test_means_divide_once():
    one = {"loss": np.float32(1.0), "correct": np.int32(1), "examples": np.int32(1)}
    three = {"loss": np.float32(1.0), "correct": np.int32(1), "examples": np.int32(3)}
    assert metrics.means([one, three]) == {"loss": 0.5, "accuracy": 0.5, "examples": 4}
    step = three | {"nonfinite": np.int32(0)}
    assert metrics.means([metrics.add(metrics.zeros(), step)])["accuracy"] == pytest.approx(1 / 3)


def test_soft_labels_count_by_their_largest_class():
    label = jnp.array([[0.6, 0.4, 0.0], [0.0, 0.9, 0.1]])
    assert int(metrics.summed(jnp.asarray(LOGITS), label, jnp.zeros(2))["correct"]) == 2


def test_padding_is_never_correct():
    logits, label = jnp.array([[1.0, 0.0], [1.0, 0.0]]), jnp.zeros(2, jnp.int32)
    assert int(metrics.summed(logits, label, jnp.zeros(2), jnp.array([1.0, 0.0]))["correct"]) == 1
