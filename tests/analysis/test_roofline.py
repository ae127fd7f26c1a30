import pytest

from jaxcnn.analysis.collectives import Collective
from jaxcnn.analysis.roofline import HOP, Roofline, link_seconds, roofline
from jaxcnn.analysis.slices import CHIPS, Slice, parse_slice
from jaxcnn.errors import UserError


def all_reduce(size, devices, overlaps=False):
    return Collective("all-reduce", size, devices, overlaps)


@pytest.mark.parametrize(
    ("text", "chips", "links", "hops"),
    [
        ("v5e:1x1", 1, 0, 0),
        ("v5e:2x2", 4, 2, 2),
        ("v5e:4x4", 16, 2, 6),  # lines
        ("v5e:4x16", 64, 3, 3 + 8),  # one axis is a ring
        ("v5e:16x16", 256, 4, 16),
        ("v4:2x2x1", 4, 2, 2),
        ("v4:4x4x4", 64, 6, 6),
        ("v5p:2x4x4", 32, 5, 1 + 4),
        ("v6e:8x8", 64, 2, 14),
    ],
)
def test_slices(text, chips, links, hops):
    found = parse_slice(text)
    assert (found.chips, found.egress / found.chip.link_rate, found.hops, found.name) == (chips, links, hops, text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("v5e", "as v5e:4x4"),
        ("v5e:4by4", "as v5e:4x4"),
        ("v5f:4x4", "did you mean v5"),
        ("v5e:4x4x4", "2 sides"),
        ("v4:4x4", "as v4:4x4x2"),
        ("v5e:0x4", "sides of 1 or more"),
        ("v5e:32x16", "512 chips, and a pod of v5e has 256"),
    ],
)
def test_a_wrong_slice_gets_one_line(text, says):
    with pytest.raises(UserError, match=says) as caught:
        parse_slice(text)
    assert "\n" not in str(caught.value)


def test_a_chip_has_about_the_flop_a_byte_that_its_makers_speak_of():
    intensity = {kind: round(chip.flop_rate / chip.memory_rate) for kind, chip in CHIPS.items()}
    assert intensity == {"v4": 229, "v5e": 241, "v5p": 166, "v6e": 560}


def test_a_large_all_reduce_sends_the_array_twice_over_all_links():
    pod = parse_slice("v5e:16x16")
    assert link_seconds(all_reduce(10**9, 256), pod) == pytest.approx(2 * 1e9 * 255 / 256 / (4 * 50e9))


def test_a_small_one_goes_there_and_back_in_hops():
    assert link_seconds(all_reduce(256, 256), parse_slice("v5e:16x16")) == pytest.approx(2 * 16 * HOP)


def test_a_few_chips_exchange_along_a_line():
    few = all_reduce(10**9, 4)
    assert link_seconds(few, parse_slice("v5e:16x16")) == pytest.approx(2 * 1e9 * 3 / 4 / 50e9)


@pytest.mark.parametrize(
    ("flop", "accessed", "size", "binds"),
    [(197e12, 1e9, 0, "arithmetic"), (1e12, 819e9, 0, "memory"), (1e12, 1e9, 10**12, "links")],
)
def test_what_binds(flop, accessed, size, binds):
    times = roofline(flop, accessed, [all_reduce(size, 16)], parse_slice("v5e:4x4"))
    assert times.binds == binds
    assert times.bound == max(times[:3])


def test_a_step_waits_for_what_does_not_overlap():
    waiting = Roofline(arithmetic=2.0, memory=3.0, links=1.5, alone=1.0)
    assert (waiting.bound, waiting.step) == (3.0, 4.0)
    assert Roofline(2.0, 3.0, 4.5, 1.0).step == 4.5
    on = Slice("v5e", (4, 4))
    both = roofline(0, 0, [all_reduce(10**6, 16), all_reduce(10**6, 16, overlaps=True)], on)
    assert both.alone == both.links / 2 > 0


@pytest.mark.parametrize("kind", ["all-gather", "reduce-scatter", "all-to-all", "collective-permute"])
def test_a_small_exchange_of_any_kind_goes_all_the_way_once(kind):
    pod = parse_slice("v5e:16x16")
    assert link_seconds(Collective(kind, 256, 256, False), pod) == pytest.approx(16 * HOP)
    assert link_seconds(Collective(kind, 16, 4, False), pod) == pytest.approx(3 * HOP)


def test_an_all_reduce_is_a_reduce_scatter_and_an_all_gather():
    pod = parse_slice("v5e:16x16")
    whole, *parts = (
        link_seconds(Collective(kind, 10**9, 256, False), pod)
        for kind in ("all-reduce", "reduce-scatter", "all-gather")
    )
    assert whole == pytest.approx(sum(parts))


@pytest.mark.parametrize("text", ["v4:16x16x16", "v5e:16x16", "v5p:16x16x24", "v6e:16x16"])
def test_a_whole_pod_is_a_slice(text):
    found = parse_slice(text)
    assert found.chips == found.chip.pod
