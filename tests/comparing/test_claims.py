"""Claims: which hold, by the runs and by what was kept of them, and how they are written."""

import shutil

import pytest

import jaxcnn
from jaxcnn.commands import check as command
from jaxcnn.comparing import costs
from jaxcnn.comparing.compare import tabled
from jaxcnn.comparing.home import Home
from jaxcnn.errors import UserError
from tests.comparing.grids import filled

SCORES = {"lenet5-none": [0.90, 0.92, 0.91], "lenet5-batch": [0.95, 0.96, 0.94]}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("claims")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "_traced", lambda run: None)
        tabled(filled(root / "norms", SCORES, norms=("none", "batch", "group")), Home("output", root / "norms"))
    (root / "kept").mkdir()
    shutil.copy(root / "norms" / "table.json", root / "kept" / "table.json")
    return root


def verdict(place, claim, of="norms", **more):
    lines = [f'claim = "{claim}"', f'of = "{of}"', *(f"{name} = {str(value).lower()}" for name, value in more.items())]
    (place / "claims.toml").write_text("\n".join(["[[claim]]", *lines]))
    (found,) = jaxcnn.check(place / "claims.toml")
    return found


@pytest.mark.parametrize("of", ["norms", "kept", "kept/table.json"])
@pytest.mark.parametrize(
    ("claim", "holds"),
    [
        ("batch - none >= 4 points (n = 3)", True),
        ("batch - none >= 4.1 points", False),
        ("batch - none >= 3 points (n = 4)", False),
        ("lenet5-none - lenet5-batch <= -3.5 points", True),
        ("batch >= 95 %", True),
        ("batch > 95.01 %", False),
        ("none < 92 %", True),
        ("batch - none = 4.0 points", True),
        ("batch - none = 4.1 points", False),
        ("group >= 1 %", False),  # has no run
        ("layer - none >= 1 points", False),
        ("lenet5 >= 1 %", False),  # said of all cells
    ],
)
def test_a_claim_holds_or_does_not_by_runs_and_by_what_was_kept(place, claim, of, holds):
    assert verdict(place, claim, of).holds == holds


def test_what_is_found_is_told_with_its_interval_in_latex_and_with_its_origin(place):
    found = verdict(place, "batch - none >= 1 points", "kept")
    assert found.found == "+4.00 [+1.52, +6.48] points, n = 3"
    assert found.latex == "$+$4.00 [$+$1.52, $+$6.48] points"
    assert found.commits == ("abc",)


def test_apart_asks_that_the_interval_leaves_out_nothing(place):
    assert verdict(place, "batch - none >= 1 points", apart=True).holds
    assert not verdict(place, "batch - batch >= 0 points", apart=True).holds


def test_a_grid_that_is_not_there_is_red_and_says_why(place):
    found = verdict(place, "batch - none >= 1 points", "nowhere")
    assert not found.holds
    assert "table.json cannot be read" in found.found


def test_the_exit_status_says_whether_all_hold(place, capsys):
    verdict(place, "batch - none >= 1 points")
    assert command.main([str(place / "claims.toml")]) == 0
    assert capsys.readouterr().out.startswith("green  batch - none >= 1 points: +4.00 [+1.52, +6.48] points, n = 3\n")
    verdict(place, "batch - none >= 9 points")
    assert command.main([str(place / "claims.toml")]) == 1
    assert "RED    batch" in capsys.readouterr().out


NUMBERS = {
    "models.csv": "model,parameters,multiply-adds\nresnet50,25557032,4089.18\nvgg16,138357544,15470.3\nodd,none,1\n",
    "tree.json": '{"resnet50": {"steps": [7.0, 6.5], "last": 3, "last loss": -1.5, "done": true}}',
}


@pytest.mark.parametrize(
    ("of", "claim", "holds", "found"),
    [
        ("models.csv", "resnet50 parameters = 25,557,032", True, "25,557,032"),
        ("models.csv", "resnet50 parameters = 25,557,033", False, "25,557,032"),
        ("models.csv", "vgg16 multiply-adds - resnet50 multiply-adds >= 11,381", True, "11,381.1"),
        ("models.csv", "resnet50 multiply-adds = 4,089.2", True, "4,089.18"),
        ("models.csv", "resnet5 parameters >= 0", False, "resnet50"),
        ("models.csv", "odd parameters >= 0", False, "none"),
        ("models.csv", "resnet50 >= 0", False, "parameters"),
        ("models.csv", "resnet50 parameters >= 0 %", False, "has no unit"),
        ("tree.json", "resnet50 steps 1 = 6.5", True, "6.5"),
        ("tree.json", "resnet50 last loss - resnet50 steps 0 < -8.4", True, "-8.5"),
        ("tree.json", "resnet50 done = 1", False, "True is no number"),
        ("norms", "batch >= 0.3", False, "in % or points"),
    ],
)
def test_a_claim_about_numbers_of_a_file_names_row_and_column_or_keys(place, of, claim, holds, found):
    for name, text in NUMBERS.items():
        (place / name).write_text(text)
    said = verdict(place, claim, of)
    assert said.holds == holds
    assert found in said.found
    assert said.commits == ()


def test_two_rows_of_one_name_are_red(place):
    (place / "twice.csv").write_text("model,parameters\na,1\na,2\n")
    assert "a first cell of its own" in verdict(place, "a parameters = 1", "twice.csv").found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no claims: write each as"),
        ("[[claim]\n", "cannot be read: "),
        ('[[claim]]\nclaim = "batch is better"\nof = "norms"', "'batch is better' is no claim: write it as"),
        ('[[claim]]\nclaim = "batch >= 1 %"', "a claim has the keys claim and of"),
        ('[[claim]]\nclaim = "batch >= 1 %"\nof = "norms"\nfor = 1', "a claim has the keys claim and of"),
    ],
)
def test_what_is_no_file_of_claims_is_refused(tmp_path, text, says):
    (tmp_path / "claims.toml").write_text(text)
    with pytest.raises(UserError, match=r"claims\.toml") as caught:
        jaxcnn.check(tmp_path / "claims.toml")
    assert says in str(caught.value)
