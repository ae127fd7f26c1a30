"""Scores, by hand-made cases and by other libraries' formulas."""

import math

import numpy as np
import pytest
from scipy import special
from sklearn import metrics

from jaxcnn.errors import UserError
from jaxcnn.evaluation import scores
from jaxcnn.evaluation.temperature import fit_temperature

RANDOM = np.random.RandomState(0)
LOGITS = RANDOM.normal(size=(200, 4)).astype(np.float32)
LABEL = RANDOM.randint(0, 4, 200).astype(np.int32)
NAMES = ["ant", "bee", "cow", "dog"]


def of(*probabilities):
    return np.log(np.array(probabilities, np.float64))


def test_shares_and_counts_are_scikit_learns():
    found = scores.score(LOGITS, LABEL, NAMES)
    guesses = LOGITS.argmax(axis=1)
    shares = special.softmax(LOGITS.astype(np.float64), axis=1)
    assert found["examples"] == 200
    assert found["accuracy"] == metrics.accuracy_score(LABEL, guesses)
    assert found["top5"] == 1
    assert found["nll"] == pytest.approx(metrics.log_loss(LABEL, shares), rel=1e-9)
    assert found["brier"] == pytest.approx(np.mean(np.sum((shares - np.eye(4)[LABEL]) ** 2, axis=1)), rel=1e-9)
    np.testing.assert_array_equal(found["confusion"], metrics.confusion_matrix(LABEL, guesses))
    precision, recall, _, count = metrics.precision_recall_fscore_support(LABEL, guesses)
    rows = found["per_class"]
    assert [row["class"] for row in rows] == NAMES
    assert [row["n"] for row in rows] == count.tolist()
    np.testing.assert_allclose([row["precision"] for row in rows], precision)
    np.testing.assert_allclose([row["recall"] for row in rows], recall)


def test_the_interval_is_wilsons():
    low, high = scores.interval(8, 10)
    z, share = 1.959963984540054, 0.8
    middle = (share + z**2 / 20) / (1 + z**2 / 10)
    half = z * math.sqrt(share * 0.2 / 10 + z**2 / 400) / (1 + z**2 / 10)
    assert (low, high) == pytest.approx((middle - half, middle + half))
    assert scores.interval(10, 10)[1] == 1


def test_of_equal_logits_the_lower_index_comes_first():
    logits = np.array([[1, 1, 1, 0], [0, 2, 2, 1]], np.float32)
    assert scores.ranks(logits, np.array([0, 0])).tolist() == [0, 3]
    assert scores.ranks(logits, np.array([2, 2])).tolist() == [2, 1]
    constant = np.zeros((4, 4), np.float32)  # no net: one hit in four, and not all of them
    assert scores.score(constant, np.arange(4), NAMES)["accuracy"] == 0.25


def test_what_is_not_finite_is_wrong_and_said():
    logits = np.array([[np.nan, 0, 0, 0], [9, 0, 0, np.inf], [0, 9, 0, 0]], np.float32)
    found = scores.score(logits, np.array([0, 3, 1]), NAMES)
    assert (found["accuracy"], found["top5"], found["nonfinite"]) == (1 / 3, 1 / 3, 2)
    assert found["nll"] is None
    assert np.sum(found["confusion"]) == 1


def test_a_confidence_of_one_is_in_the_last_bin():
    logits = np.array([[200, 0], [200, 0]], np.float32)  # in float32 the softmax is exactly 1
    bins = scores.reliability(logits, np.array([0, 1]))
    assert [each.examples for each in bins] == [0] * 14 + [2]
    assert scores.calibration_error(bins) == pytest.approx(0.5)


def test_calibration_errors_by_hand():
    logits, label = of([0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.6, 0.4]), np.array([0, 1, 0, 0])
    width = scores.reliability(logits, label, bins=2)
    assert [(each.low, each.high, each.examples) for each in width] == [(0, 0.5, 0), (0.5, 1, 4)]
    assert scores.calibration_error(width) == pytest.approx(abs(0.75 - 0.725))
    mass = scores.reliability(logits, label, bins=2, equal="mass")
    assert [each.examples for each in mass] == [2, 2]
    assert scores.calibration_error(mass) == pytest.approx((0.4 + 0.35) / 2)


def test_the_edge_of_a_bin_belongs_to_the_lower_one():
    logits = of([0.5, 0.5])
    assert [each.examples for each in scores.reliability(logits, np.array([0]), bins=2)] == [1, 0]


def test_a_class_without_examples_has_no_recall_and_counts_in_no_mean():
    found = scores.score(np.array([[3, 0, 0], [0, 3, 0]], np.float32), np.array([0, 0]), NAMES[:3])
    assert [row["n"] for row in found["per_class"]] == [2, 0, 0]
    assert [row["recall"] for row in found["per_class"]] == [0.5, None, None]
    assert [row["precision"] for row in found["per_class"]] == [1, 0, None]
    assert found["mean_recall"] == 0.5


def test_mistakes_come_by_confidence():
    logits = of([0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.3, 0.7])
    assert scores.mistakes(logits, np.array([1, 1, 1, 0]), most=2).tolist() == [1, 3]


def test_an_ensemble_averages_probabilities_and_not_logits():
    members = np.stack([of([0.9, 0.1]), of([0.4, 0.6])])
    np.testing.assert_allclose(np.exp(scores.ensemble(members)), [[0.65, 0.35]])


def test_the_temperature_is_the_one_that_was_put_in():
    random = np.random.RandomState(1)
    calm = random.normal(size=(20_000, 3))
    drawn = (special.softmax(calm, axis=1).cumsum(axis=1) < random.rand(20_000, 1)).sum(axis=1)
    assert fit_temperature(calm * 2.5, drawn) == pytest.approx(2.5, rel=0.03)


def test_where_all_is_right_there_is_no_temperature():
    with pytest.raises(UserError, match=r"no temperature between 0\.05 and 20"):
        fit_temperature(np.eye(3) * 5, np.arange(3))
