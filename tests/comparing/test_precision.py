"""How many seeds it takes: by hand, against tables of power, and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from jaxcnn.comparing.precision import seeds_for_width, seeds_to_detect, two_stage
from jaxcnn.comparing.statistics import paired_difference


def test_the_seeds_for_a_width_by_hand():
    first = [0.01, 0.02, 0.03]  # deviation 0.01, t of two degrees of freedom 4.3027
    assert seeds_for_width(first, 0.0248) == 4  # (4.3027 * 0.01 / 0.0248)^2 = 3.01
    assert seeds_for_width(first, 0.0249) == 3
    assert seeds_for_width(first, 1.0) == 3  # never fewer than there are
    assert seeds_for_width([0.01, 0.01], 0.001) == 2


def test_without_a_second_stage_the_interval_is_students():
    values = [0.01, 0.025, 0.03, 0.011]
    assert two_stage(values, 4) == pytest.approx(paired_difference([0.0] * 4, values))


def test_the_interval_keeps_the_deviation_of_the_first_stage():
    values = [0.01, 0.02, 0.03, 0.5, -0.4]
    found = two_stage(values, 3)
    reach = stats.t.ppf(0.975, 2) * 0.01 / math.sqrt(5)
    assert found.mean == pytest.approx(0.032)
    assert (found.low, found.high) == pytest.approx((0.032 - reach, 0.032 + reach))
    assert found.p == pytest.approx(2 * stats.t.sf(0.032 / (0.01 / math.sqrt(5)), 2))


def test_the_interval_is_as_narrow_as_asked_and_covers_as_often_as_it_says():
    random, width, covered = np.random.default_rng(0), 0.5, 0
    for _ in range(400):
        first = random.normal(1.0, 1.0, 3)
        n = seeds_for_width(first, width)
        found = two_stage(np.append(first, random.normal(1.0, 1.0, n - 3)), 3)
        assert found.high - found.low <= 2 * width + 1e-12
        covered += found.low <= 1.0 <= found.high
    assert covered / 400 == pytest.approx(0.95, abs=0.033)  # three standard errors


@pytest.mark.parametrize(("effect", "seeds"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_the_power_of_the_paired_t_test_is_that_of_the_tables(effect, seeds):
    assert seeds_to_detect(effect * 0.01, 0.01) == seeds  # as G*Power has them for 80 % and 5 %, two-sided


def test_more_comparisons_take_more_seeds_and_no_deviation_takes_two():
    assert seeds_to_detect(0.01, 0.01, comparisons=4) > seeds_to_detect(0.01, 0.01)
    assert seeds_to_detect(0.01, 0.0) == 2
    assert seeds_to_detect(1.0, 0.001) == 2
