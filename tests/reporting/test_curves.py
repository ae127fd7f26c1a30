"""The curves of metrics.jsonl: which there are, what is not finite, and which points of a long one are kept."""

import numpy as np
import pytest

from jaxcnn.reporting.curves import MOST_POINTS, curves_of, points_of_each, thin


@pytest.mark.parametrize("points", [501, 502, 1000, 12345])
@pytest.mark.parametrize("most", [60, 500])
def test_a_long_curve_keeps_its_ends_and_its_extremes_and_few_points(points, most):
    random = np.random.RandomState(points)
    value = random.normal(size=points).astype(np.float32)
    value[points // 3], value[points // 2] = 40, -40  # single spikes
    kept = thin(value, most)
    assert most / 2 < len(kept) <= most
    assert (np.diff(kept) > 0).all()
    assert (kept[0], kept[-1]) == (0, points - 1)
    assert (value[kept].max(), value[kept].min()) == (40, -40)


def test_a_short_curve_is_whole():
    np.testing.assert_array_equal(thin(np.zeros(500), 500), np.arange(500))


def test_a_gap_stays_a_gap():
    value = np.ones(3000)
    value[1000:1010] = np.nan
    kept = thin(value, 500)
    assert np.isnan(value[kept]).sum() >= 1
    assert len(kept) <= 500
    assert len(thin(np.full(3000, np.nan), 500)) <= 500


def test_many_curves_have_fewer_points_each():
    assert points_of_each(60) == MOST_POINTS == 500
    assert points_of_each(200) == 180
    assert points_of_each(10_000) == 60


ROWS = [
    {"step": 1, "epoch": 0.1, "time": 1.0, "train/loss": 2.0, "train/accuracy": 0.1, "train/images_per_second": None},
    {"step": 2, "epoch": 0.2, "time": 2.0, "train/loss": None, "train/accuracy": 0.2, "train/learning_rate": 0.1},
    {"step": 3, "epoch": 0.3, "time": 3.0, "train/loss": float("nan"), "train/examples": 8, "train/seconds": 1},
    {"step": 3, "epoch": 0.3, "time": 4.0, "val/loss": 1.0, "val/loss/std": 0.1, "val/loss/seed7": 0.9},
    {"step": 3, "epoch": 0.3, "time": 4.0, "norm/conv1": 3.0, "test/margin": -1.0, "test/partial": True},
]


def test_each_metric_is_a_curve_and_counts_are_none():
    curves = curves_of(ROWS)
    assert [(curve.metric, curve.split, curve.seed) for curve in curves] == [
        ("loss", "train", None),
        ("loss", "val", None),
        ("loss", "val", 7),
        ("accuracy", "train", None),
        ("norm/conv1", "", None),
        ("margin", "test", None),
        ("learning_rate", "train", None),
        ("images_per_second", "train", None),
    ]
    assert curves_of([]) == []


def test_what_is_not_finite_is_counted_and_no_speed_while_compiling_is_no_loss():
    by_name = {(curve.split, curve.metric): curve for curve in curves_of(ROWS) if curve.seed is None}
    loss, speed = by_name["train", "loss"], by_name["train", "images_per_second"]
    assert (loss.lost, loss.first_lost) == (2, 2)
    np.testing.assert_array_equal(loss.value, np.array([2, np.nan, np.nan], np.float32))
    np.testing.assert_array_equal(loss.step, [1, 2, 3])
    np.testing.assert_allclose(loss.minutes, [1 / 60, 2 / 60, 3 / 60], rtol=1e-6)
    assert speed.lost == 0
