"""What the page says of two nets with different norms: shared arithmetic once, and charts that can be compared."""

from types import SimpleNamespace

import numpy as np
import pytest

from jaxcnn.analysis.values import Values
from jaxcnn.analysis.walk import trace, walked
from jaxcnn.inside.groups import at_depth
from jaxcnn.models import create_model
from jaxcnn.walkthrough.parts import _charts
from jaxcnn.walkthrough.steps import Step, steps_of
from jaxcnn.walkthrough.sums import sums_of


@pytest.fixture(scope="module")
def blocks():
    """The steps of a small ResNet by blocks, with batch norm and with none."""

    def of(norm):
        made = trace(create_model("resnet20", num_classes=10, norm=norm, stage_sizes=(1, 1, 1)), (8, 8, 3))
        walk, rows = walked(made, (8, 8, 3))
        return {step.path: step for step in steps_of(walk, Values(made, rows.equations()), at_depth(1))}

    return of("batch"), of("none")


def test_lines_of_both_nets_are_written_once_and_others_with_their_net(blocks):
    found = {each.name: each.lines for each in sums_of([each["stage1_block1"] for each in blocks])}
    assert list(found) == ["conv1", "norm1", "conv2", "norm2", ""]
    assert found["conv1"] == [
        ("size: (8 + 2*1 - 3) // 1 + 1 = 8", None),
        ("weights: 3*3*16*16 = 2,304", 0),
        ("weights: 3*3*16*16 = 2,304 + 16 biases = 2,320", 1),
        ("multiply-adds: 8*8*16 outputs, 3*3*16 each = 147,456", None),
    ]
    assert found["norm1"] == [("parameters: 32 = 2*16 channels", 0)]
    assert found[""] == [("values: 8*8*16 = 1,024", None)]


def test_one_net_or_a_step_of_one_needs_no_mark(blocks):
    step = blocks[0]["stage2_block1"]
    assert sums_of([step]) == sums_of([step, None]) == sums_of([None, step])
    assert {line.net for each in sums_of([step]) for line in each.lines} == {None}
    [alone] = sums_of([blocks[1]["classifier"]])
    assert [line.text.partition(":")[0] for line in alone.lines] == ["weights", "multiply-adds", "values"]


def test_many_layers_are_counted(blocks):
    step = blocks[0]["stage1_block1"]
    many = Step(step.path, step.words, step.layers * 3, step.row, None, None)
    assert [line.text for line in sums_of([many])[-1].lines] == [
        "18 layers: `--by layer` goes through them",
        "values: 8*8*16 = 1,024",
    ]


def seen(change):
    """A step that a norm or an activation changes, or nothing does."""
    values = np.linspace(0, 1, 5)
    of = {"before": values, "after": values} if change else {"before": None, "after": None}
    step = SimpleNamespace(change=SimpleNamespace(name=change) if change else None)
    return SimpleNamespace(step=step, output=values, **of)


@pytest.mark.parametrize(
    ("changes", "titles"),
    [
        (("n: BatchNorm", "n: BatchNorm"), ["before the BatchNorm", "after the BatchNorm"]),
        (("n: BatchNorm", "n: GroupNorm"), ["before the norm", "after the norm"]),
        (("n: BatchNorm", "relu"), ["before the norm or relu", "after the norm or relu"]),
        (("n: BatchNorm", None), ["before the BatchNorm", "after the BatchNorm, or the output"]),
        ((None, None), ["values that it gives"]),
    ],
)
def test_two_nets_have_two_charts_at_most_that_say_what_they_are_of(changes, titles):
    nets = [SimpleNamespace(label=name) for name in ("one", "two")]
    assert [each.title for each in _charts(nets, [seen(change) for change in changes])] == titles
