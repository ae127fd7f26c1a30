import re

import jax
import numpy as np
import pytest

from jaxcnn.commands import explain as command
from jaxcnn.errors import UserError
from jaxcnn.inside.arithmetic import size_line
from jaxcnn.inside.explain import exercises, explain
from jaxcnn.inside.ideas import IDEAS, idea_of
from jaxcnn.inside.summary import summary
from jaxcnn.inside.worked import worked_convolution
from jaxcnn.models.registry import FAMILIES


def test_the_arithmetic_of_a_stem():
    found = str(explain("resnet18", "stem_conv"))
    assert "(224 + 2*3 - 7) // 2 + 1 = 112" in found
    assert "7*7*3*64 = 9,408" in found
    assert "112*112*64 outputs, 7*7*3 each = 118,013,952" in found
    assert found.startswith("resnet18: He et al., CVPR 2016 (2015)\nBlocks learn what to add")


@pytest.mark.parametrize(
    ("model", "layer", "says"),
    [
        ("lenet5", "conv1", "weights: 5*5*1*6 = 150 + 6 biases = 156"),
        ("lenet5", "classifier", "weights: 84*10 = 840 + 10 biases = 850"),
        ("resnet20", "stem_norm", "parameters: 32 = 2*16 channels"),
        ("mobilenet_v1", "stage2_block1/depthwise/conv", "3*3*1*64 = 576"),
    ],
)
def test_the_arithmetic_of_each_kind(model, layer, says):
    assert says in str(explain(model, layer))


def test_every_equation_holds():
    for model in ("alexnet", "resnet20", "googlenet"):
        for text in re.findall(r"([\d+*/() -]*[+*/][\d+*/() -]*) = (\d+)", str(explain(model)).replace(",", "")):
            assert eval(text[0]) == int(text[1]), text


def test_every_family_has_its_idea():
    assert list(IDEAS) == list(FAMILIES)
    assert [idea for idea in IDEAS.values() if not re.fullmatch(r"[A-Z].{20,110}\.", idea)] == []
    assert len(set(IDEAS.values())) == len(FAMILIES)
    assert idea_of("resnext50_32x4d") == IDEAS["resnext"]


def test_sizes_with_uneven_padding_and_dilation():
    assert size_line(224, 3, 2, (0, 1)) == "(224 + 0 + 1 - 3) // 2 + 1 = 112"
    assert size_line(28, 3, 1, (2, 2), 2) == "(28 + 2*2 - (2*(3 - 1) + 1)) // 1 + 1 = 28"


def test_a_module_has_all_its_layers_and_an_unknown_one_the_nearest():
    paths = [layer.path for layer, _ in explain("resnet20", "stage1_block1").layers]
    assert paths[0] == "stage1_block1/conv1"
    assert {path.split("/")[0] for path in paths} == {"stage1_block1"}
    with pytest.raises(UserError, match="unknown layer 'stage1_blok1'"):
        explain("resnet20", "stage1_blok1")
    modules = ", ".join(["classifier", "global_pool", "image", *(f"stage{n}_block{k}" for n in "123" for k in "123")])
    with pytest.raises(UserError, match=f"unknown layer 'tail': known: {modules}, stem_conv, stem_norm$"):
        explain("resnet20", "tail")


def test_exercises_have_an_answer_each_and_come_again():
    net = summary("lenet5_relu")
    sheet = exercises(net, 3)
    assert sheet == exercises(net, 3) != exercises(net, 3, seed=1)
    asked, answers = sheet.split("## Answers")
    assert [line[:2] for line in asked.splitlines()[2:] if line] == ["1.", "2.", "3."]
    assert len(re.findall(r"^\d\. `\w+`: .* = [\d,]+", answers, re.MULTILINE)) == 3
    every = exercises(summary("resnet20"), 18).split("## Answers")[0].splitlines()[2:]
    questions = [line.partition(". ")[2] for line in every if line]
    assert len(set(questions)) == 18  # of 57: most of its convolutions are alike
    assert "how many weights has it?" in " ".join(questions)
    every = exercises(net, 8)
    assert "how many weights and biases has it?" in every
    assert "how many weights has it?" not in every
    with pytest.raises(UserError, match="quiz is 500"):
        exercises(net, 500)


def test_the_lectures_example_of_stride_two(capsys):
    assert command.main(["--conv", "7x7", "--kernel", "3", "--stride", "2", "--padding", "1"]) == 0
    shown = capsys.readouterr().out
    assert "height: (7 + 2*1 - 3) // 2 + 1 = 4" in shown
    assert shown.count("row 1, column") == 4
    assert "[0] [0] [0]" in shown


def test_a_worked_sum_is_the_sum():
    shown = worked_convolution(5, 6, kernel=2, dilation=2)
    for sum_of_products, result in re.findall(r"^([\d*+() -]+) = (-?\d+)$", shown, re.MULTILINE):
        assert eval(sum_of_products) == int(result)


def test_sides_of_an_example_may_differ(capsys):
    """Against JAX's convolution of the numbers that are shown."""
    words = ["--conv", "6x9", "--kernel", "3x2", "--stride", "2x3", "--padding", "1x0", "--dilation", "1x2"]
    assert command.main(words) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("A 3x2 kernel, stride 2x3, padding 1x0, dilation 1x2, on an image of 6x9\n")
    assert "height: (6 + 2*1 - 3) // 2 + 1 = 3\nwidth:  (9 - (2*(2 - 1) + 1)) // 3 + 1 = 3\n" in shown

    def numbers(text):
        rows = [re.findall(r"-?\d+", line) for line in text.strip().splitlines()]
        return np.array(rows, np.float32)[None, :, :, None]

    kernel = numbers(shown.partition("kernel:\n")[2].partition("row 1")[0])[0, :, :, :, None]
    image = numbers("\n".join(shown.partition("column 1:\n")[2].splitlines()[:8]))  # padded
    strides, dilation, layout = (2, 3), (1, 2), ("NHWC", "HWIO", "NHWC")
    wanted = jax.lax.conv_general_dilated(
        image, kernel, strides, "VALID", rhs_dilation=dilation, dimension_numbers=layout
    )
    np.testing.assert_array_equal(numbers(shown.partition("all windows:\n")[2]), wanted)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--conv", "5x9", "--kernel", "7x1"], "a kernel that spans 7x1 cells does not fit into 5x9 with padding 0"),
        (["--conv", "5x9", "--kernel", "1x2x3"], "kernel"),
        (["--conv", "5x9", "--stride", "1x0"], "stride is 0"),
        ([], "name a model"),
        (["resnet20", "--conv", "7x7"], "leave out resnet20"),
        (["--conv", "2x2"], "does not fit"),
        (["--conv", "99x99"], "is drawn up to"),
        (["--conv", "axb"], "conv"),
        (["lenet5", "--quiz", "0"], "quiz"),
        (["lenet5", "--seed", "3"], "--seed chooses exercises or an example: it needs --quiz or --conv"),
        (["lenet5", "--kernel", "5"], "--kernel is of an example, as --conv 7x7: lenet5 has its own"),
    ],
)
def test_a_mistake_is_one_line(words, says):
    with pytest.raises(UserError, match=says):
        command.main(words)
