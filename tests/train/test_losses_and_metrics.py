import math

import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.errors import UserError
from jaxcnn.train.parts import metrics
from jaxcnn.train.parts.best import Best, find_best
from jaxcnn.train.parts.losses import LOSSES, check_class_weights, make_loss
from tests.own_parts import hinge

LOGITS = np.array([[2.0, -1.0, 0.5], [0.1, 0.2, -3.0]], np.float32)
LABEL = np.array([0, 2], np.int32)


def binary(target):
    probability = 1 / (1 + np.exp(-LOGITS))
    return -np.sum(target * np.log(probability) + (1 - target) * np.log(1 - probability), -1)


LOSS_FORMULAS = {
    "softmax": lambda target: -np.sum(target * (LOGITS - np.log(np.exp(LOGITS).sum(-1, keepdims=True))), -1),
    "binary": binary,
}
"""Word -> the loss of LOGITS, for probabilities (batch, num_classes)."""
METRIC_FORMULAS = {
    "accuracy": lambda logits, label: label == logits.argmax(),
    "top5": lambda logits, label: label in np.argsort(-logits)[:5],
}
"""Word -> the metric of one example."""


def test_every_loss_and_metric_has_a_formula_here():
    assert LOSS_FORMULAS.keys() == LOSSES.keys()
    assert METRIC_FORMULAS.keys() == metrics.METRICS.keys()


def reference(name, smoothing):
    return LOSS_FORMULAS[name](np.eye(3)[LABEL] * (1 - smoothing) + smoothing / 3)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_loss_is_its_formula_for_hard_and_soft_labels(name, smoothing):
    loss = make_loss(name, label_smoothing=smoothing)
    np.testing.assert_allclose(loss(jnp.asarray(LOGITS), jnp.asarray(LABEL)), reference(name, smoothing), rtol=1e-5)
    soft = jnp.asarray(np.eye(3, dtype=np.float32)[LABEL])
    np.testing.assert_allclose(loss(jnp.asarray(LOGITS), soft), reference(name, smoothing), rtol=1e-5)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_smoothing_and_mixing_together_are_the_mixture_of_smoothed_losses(name):
    """Labels of mixup and CutMix are smoothed as the labels that they are made of: both are linear in the label."""
    loss, share = make_loss(name, label_smoothing=0.1), np.array([0.3, 0.8], np.float32)
    own, other = (jnp.asarray(np.eye(3, dtype=np.float32)[labels]) for labels in (LABEL, LABEL[::-1]))
    mixed = loss(jnp.asarray(LOGITS), share[:, None] * own + (1 - share[:, None]) * other)
    apart = share * reference(name, 0.1) + (1 - share) * loss(jnp.asarray(LOGITS), jnp.asarray(LABEL[::-1]))
    np.testing.assert_allclose(mixed, apart, rtol=1e-5)


def test_sums_leave_out_the_padding_even_where_it_is_not_a_number():
    losses = jnp.array([1.0, jnp.nan])
    sums = metrics.summed(jnp.asarray(LOGITS), jnp.asarray(LABEL), losses, jnp.array([1.0, 0.0]))
    assert metrics.means([sums]) == {"loss": 1.0, "accuracy": 1.0, "examples": 1}


def test_means_divide_once():
    one = {"loss": np.float32(1.0), "accuracy": np.int32(1), "examples": np.int32(1)}
    three = {"loss": np.float32(1.0), "accuracy": np.int32(1), "examples": np.int32(3)}
    assert metrics.means([one, three]) == {"loss": 0.5, "accuracy": 0.5, "examples": 4}
    step = three | {"nonfinite": np.int32(0)}
    assert metrics.means([metrics.add(metrics.zeros(), step)])["accuracy"] == pytest.approx(1 / 3)


def test_soft_labels_count_by_their_largest_class():
    label = jnp.array([[0.6, 0.4, 0.0], [0.0, 0.9, 0.1]])
    assert int(metrics.summed(jnp.asarray(LOGITS), label, jnp.zeros(2))["accuracy"]) == 2


def test_padding_is_never_correct():
    logits, label = jnp.array([[1.0, 0.0], [1.0, 0.0]]), jnp.zeros(2, jnp.int32)
    assert int(metrics.summed(logits, label, jnp.zeros(2), jnp.array([1.0, 0.0]))["accuracy"]) == 1


def margin(logits, label):
    """The logit of the class less the largest of all."""
    return jnp.take_along_axis(logits, metrics.classes_of(label)[:, None], axis=-1)[:, 0] - logits.max(axis=-1)


def test_metrics_are_words_paths_and_functions():
    found = metrics.find_metrics(["accuracy", "jaxcnn.train.parts.metrics:top5", margin])
    assert found == {"accuracy": metrics.accuracy, "top5": metrics.top5, "margin": margin}
    assert metrics.find_metrics({"top": "accuracy", "m": margin}) == {"top": metrics.accuracy, "m": margin}


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["acuracy"], "unknown metric 'acuracy': did you mean accuracy?"),
        (["accuracy", "accuracy"], "two metrics are called accuracy"),
        ({"loss": margin}, "a metric cannot be called 'loss'"),
        ({"a/b": margin}, "a metric cannot be called 'a/b'"),
        ([lambda logits, label: 0], "a metric cannot be called '<lambda>'"),
    ],
)
def test_metrics_that_cannot_be_are_refused(asked, says):
    with pytest.raises(UserError, match=says):
        metrics.find_metrics(asked)


@pytest.mark.parametrize("name", metrics.METRICS)
def test_metric_is_its_formula(name):
    logits = np.random.default_rng(0).normal(size=(200, 10)).astype(np.float32)
    label = np.arange(200) % 10
    expected = [METRIC_FORMULAS[name](*example) for example in zip(logits, label, strict=True)]
    np.testing.assert_array_equal(metrics.METRICS[name](jnp.asarray(logits), jnp.asarray(label)), expected)


def test_the_class_is_among_the_five_largest_logits():
    logits = np.random.default_rng(0).normal(size=(200, 10)).astype(np.float32)
    assert 0.4 < metrics.top5(jnp.asarray(logits), jnp.asarray(np.arange(200) % 10)).mean() < 0.6
    assert metrics.top5(jnp.asarray(logits[:, :3]), jnp.zeros(200, jnp.int32)).all()


def test_a_metric_of_numbers_is_averaged_over_the_examples_that_count():
    label = jnp.asarray(LABEL)
    losses, functions = jnp.zeros(2), {"margin": margin}
    both = metrics.summed(jnp.asarray(LOGITS), label, losses, functions=functions)
    first = metrics.summed(jnp.asarray(LOGITS), label, losses, jnp.array([1.0, 0.0]), functions=functions)
    assert set(both) == {"loss", "margin", "examples"}
    assert metrics.means([both, first])["margin"] == pytest.approx((0 - 3.2 + 0) / 3, rel=1e-6)


def test_the_sums_of_no_step_have_the_metrics_own_types():
    functions = {"accuracy": metrics.accuracy, "margin": margin}
    sums = metrics.zeros(3, functions, num_classes=4)
    assert {name: (leaf.dtype.name, leaf.shape) for name, leaf in sums.items()} == {
        "loss": ("float32", (3,)),
        "accuracy": ("int32", (3,)),
        "margin": ("float32", (3,)),
        "examples": ("int32", (3,)),
        "nonfinite": ("int32", (3,)),
    }


def test_a_metric_or_a_loss_of_the_wrong_shape_is_refused():
    with pytest.raises(UserError, match=r"metric mean gives an array of shape \(\): it must give one number for each"):
        metrics.zeros(1, {"mean": lambda logits, label: logits.mean()})
    with pytest.raises(UserError, match=r"the loss gives an array of shape \(2, 3\).*each example, \(2,\)"):
        metrics.summed(jnp.asarray(LOGITS), jnp.asarray(LABEL), jnp.zeros((2, 3)))


def test_a_loss_of_a_users_own_is_given_labels_as_they_are():
    logits, label = jnp.asarray(LOGITS), jnp.asarray(LABEL)
    expected = [0.0, 1 + 0.2 + 3.0]
    for loss in ("tests.own_parts:hinge", hinge):
        np.testing.assert_allclose(make_loss(loss)(logits, label), expected, rtol=1e-6)
    with pytest.raises(UserError, match=r"label_smoothing is 0.1: tests.own_parts:hinge is given labels as they are"):
        make_loss(hinge, label_smoothing=0.1)


@pytest.mark.parametrize("loss", ["softmax", "binary", hinge])
def test_class_weights_multiply_the_loss_of_each_example(loss):
    logits, label, weights = jnp.asarray(LOGITS), jnp.asarray(LABEL), (2.0, 1.0, 0.5)
    plain = make_loss(loss)(logits, label)
    weighted = make_loss(loss, class_weights=weights)(logits, label)
    np.testing.assert_allclose(weighted, plain * np.array([2.0, 0.5]), rtol=1e-6)


def test_a_soft_label_has_the_mean_of_the_class_weights():
    logits, label = jnp.asarray(LOGITS), jnp.array([[0.25, 0.75, 0.0], [0.0, 0.0, 1.0]])
    plain = make_loss("softmax")(logits, label)
    weighted = make_loss("softmax", class_weights=(2.0, 1.0, 0.5))(logits, label)
    np.testing.assert_allclose(weighted, plain * np.array([1.25, 0.5]), rtol=1e-6)


def test_class_weights_are_one_for_each_class_and_not_all_zero():
    check_class_weights((), 3)
    check_class_weights((0.0, 1.0, 2.0), 3)
    for weights, says in (
        ((1.0, 2.0), "has 2 numbers: it must have one for each of 3"),
        ((0.0,) * 3, "0 for every class"),
    ):
        with pytest.raises(UserError, match=says):
            check_class_weights(weights, 3)


@pytest.mark.parametrize(
    ("text", "metrics", "meant"),
    [
        (None, ["top5", "accuracy"], Best("top5")),
        (None, [], Best("loss", smallest=True)),
        ("loss", ["accuracy"], Best("loss", smallest=True)),
        ("-error", ["accuracy", "error"], Best("error", smallest=True)),
    ],
)
def test_what_the_best_checkpoint_is_chosen_by(text, metrics, meant):
    assert find_best(text, metrics) == meant


def test_the_better_of_two_rows_has_the_larger_score():
    assert Best("accuracy").score({"val/accuracy": 0.5}) > Best("accuracy").score({"val/accuracy": 0.25})
    assert find_best("loss", []).score({"val/loss": 0.5}) > find_best("loss", []).score({"val/loss": 1.0})
    for missing in (math.nan, None):
        assert Best("accuracy").score({"val/accuracy": missing}) == find_best("loss", []).score({"val/loss": missing})
        assert Best("accuracy").score({"val/accuracy": missing}) == -math.inf
    with pytest.raises(UserError, match="unknown best 'acuracy': did you mean accuracy"):
        find_best("acuracy", ["accuracy"])
