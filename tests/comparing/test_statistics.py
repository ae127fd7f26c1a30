import itertools
import math

import numpy as np
import pytest
from scipy import stats

from jaxcnn.comparing.statistics import holm, mcnemar, paired_difference


def answers(both, only_first, only_second, neither):
    """Right and wrong answers of two nets, shuffled."""
    kinds = [(True, True)] * both + [(True, False)] * only_first + [(False, True)] * only_second
    rows = np.array(kinds + [(False, False)] * neither)
    return np.random.default_rng(0).permutation(rows).T


def test_a_paired_difference_is_that_of_scipy():
    numbers = np.random.default_rng(1)
    for count in (2, 3, 10):
        first, second = numbers.normal(size=(2, count))
        found, other = paired_difference(first, second, confidence=0.9), stats.ttest_rel(second, first)
        interval = other.confidence_interval(0.9)
        assert found.p == pytest.approx(other.pvalue)
        assert (found.low, found.high) == (pytest.approx(interval.low), pytest.approx(interval.high))
        assert (found.n, found.mean) == (count, pytest.approx(np.mean(second - first)))
        assert found.std == pytest.approx(np.std(second - first, ddof=1))


def test_three_seeds_by_hand():
    """Differences 1, 2 and 3: their mean is 2, their deviation 1, and t is 2 * sqrt(3) with two degrees of freedom."""
    found = paired_difference([10, 20, 30], [11, 22, 33])
    assert (found.mean, found.std) == (2.0, 1.0)
    assert found.low == pytest.approx(2 - 4.302653 / math.sqrt(3), abs=1e-6)
    assert found.p == pytest.approx(0.074180, abs=1e-6)


def test_one_pair_tells_no_deviation_and_equal_differences_no_width():
    assert paired_difference([0.5], [0.75]) == (1, 0.25, None, None, None, None)
    assert paired_difference([1, 2], [1, 2]) == (2, 0.0, 0.0, 0.0, 0.0, 1.0)
    assert paired_difference([1, 2], [2, 3]) == (2, 1.0, 0.0, 1.0, 1.0, 0.0)


@pytest.mark.parametrize("pair", [([], []), ([1], [1, 2]), ([[1]], [[1]])])
def test_values_without_a_partner_are_refused(pair):
    with pytest.raises(ValueError, match="are no pairs"):
        paired_difference(*pair)
    with pytest.raises(ValueError, match="not of the same examples"):
        mcnemar(*pair)


def test_mcnemar_counts_and_tests_as_a_coin():
    """Five tosses that all come out alike: 2 / 2**5."""
    found = mcnemar(*answers(80, 0, 5, 15))
    assert found[:5] == (100, 80, 0, 5, 15)
    assert (found.difference, found.p) == (0.05, pytest.approx(2 / 2**5))
    # 1 + 7 + 21 of 128 ways on either side: 2 of 7 tosses or fewer
    assert mcnemar(*answers(10, 2, 5, 3)).p == pytest.approx(2 * (1 + 7 + 21) / 2**7)
    assert mcnemar(*answers(3, 0, 0, 2)).p == 1.0


def test_the_interval_is_the_published_one():
    """Fagerland, Lydersen and Laake (2014): Tango's interval for 1, 1, 7 and 12 of 21 children."""
    found = mcnemar(*answers(1, 7, 1, 12))
    assert (found.difference, found.low, found.high) == (
        pytest.approx(-6 / 21),
        pytest.approx(-0.517, abs=5e-4),
        pytest.approx(-0.026, abs=5e-4),
    )


def test_the_interval_leaves_out_0_where_the_score_test_refuses_it():
    limit = stats.norm.ppf(0.975) ** 2
    for first, second in itertools.product(range(8), repeat=2):
        found = mcnemar(*answers(5, first, second, 7))
        assert -1 <= found.low <= found.difference <= found.high <= 1
        refused = first + second > 0 and (first - second) ** 2 / (first + second) > limit
        assert refused == (not found.low <= 0 <= found.high)
        other = mcnemar(*answers(5, second, first, 7))
        assert (found.low, found.p) == (pytest.approx(-other.high), pytest.approx(other.p))


def test_nets_that_never_agree_have_an_interval_up_to_its_end():
    found = mcnemar(*answers(0, 0, 6, 0))
    assert (found.difference, found.high) == (1.0, 1.0)
    assert 0 < found.low < 1
    narrow = mcnemar(*answers(0, 0, 60, 0))
    assert narrow.low > found.low


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    numbers = np.random.default_rng(3)
    shares = (0.8, 0.08, 0.05, 0.07)
    tables = numbers.multinomial(200, shares, size=400)
    found = [mcnemar(*answers(*table)) for table in tables]
    held = np.mean([each.low <= 0.05 - 0.08 <= each.high for each in found])
    assert 0.92 < held < 0.98


def test_holm_adjusts_as_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.4, 0.7]) == pytest.approx([0.8, 0.8])
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


def test_holm_keeps_the_order_and_is_between_one_test_and_bonferroni():
    p = np.random.default_rng(4).uniform(size=20).tolist()
    adjusted = holm(p)
    assert np.all(np.diff(np.array(adjusted)[np.argsort(p)]) >= 0)
    assert all(one <= other <= min(1, 20 * one) for one, other in zip(p, adjusted, strict=True))
