"""Configs that come with jaxcnn go by their names, from anywhere."""

import shlex
from pathlib import Path

import pytest

from jaxcnn import main, shipped
from jaxcnn.command_line import take_apart
from jaxcnn.commands import configs
from jaxcnn.config import base_config
from jaxcnn.config.file import assign
from jaxcnn.config.keys import parse_value
from jaxcnn.errors import UserError
from jaxcnn.recipes.data import FACTS
from jaxcnn.recipes.name import RECIPES, words_of
from jaxcnn.recipes.reached import Reached, listed
from jaxcnn.recipes.recipe import recipe


def test_all_are_listed(capsys):
    assert configs.main([]) == 0
    shipped_lines, how, recipe_lines, result_lines, end = (
        part.splitlines() for part in capsys.readouterr().out.split("\n\n")
    )
    assert [row.split()[0] for row in shipped_lines[1:]] == list(shipped.config_files())
    assert " ".join(shipped_lines[1].split()).startswith("digits_lenet5 40 epochs LeNet-5 on the 1,797 handwritten")
    assert "jaxcnn train --config=digits_lenet5 " in how[0]
    assert str(shipped.config_files()["digits_lenet5"].parent) in how[1]
    assert [line.split()[0] for line in recipe_lines[1:]] == list(RECIPES)
    assert [line.split()[0] for line in result_lines[1:]] == [entry.name for entry in listed()]
    assert end == [configs.conditions(), "What one of them is: jaxcnn configs train:digits,lenet5,budget"]


def test_some_are_listed_in_markdown(capsys):
    assert configs.main(["*resnet50*", "--markdown"]) == 0
    names = [line.split("`")[1] for line in capsys.readouterr().out.splitlines() if line.startswith("| `")]
    found = ["imagenet_resnet50", "imagenet_resnet50_modern"]
    assert names == [*found, *(f"train:imagenet,resnet50,{recipe}" for recipe in ("budget", "paper", "modern"))]


def test_the_page_is_what_the_command_prints(capsys):
    assert configs.main(["--markdown"]) == 0
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    assert page == capsys.readouterr().out, "python -m jaxcnn configs --markdown > docs/recipes.md"
    assert all(f"`{entry.name}`" in page for entry in listed())


def test_what_a_recipe_is(capsys):
    """Every line of settings is one that the command line understands, and together they are the recipe."""
    assert configs.main(["train:cifar10,preact_resnet110,paper"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "train:cifar10,preact_resnet110,paper",
        "  source   He et al. 2016 (arXiv:1603.05027), appendix",
        "  departs  the rate rises in a line over the 400 steps in which the paper's is 0.01",
    ]
    settings = [word for line in lines if line.startswith("  --config.") for word in shlex.split(line)]
    config = base_config()
    for key, text in take_apart(settings).changes:
        assign(config, key, parse_value(key, text))
    assert config == recipe("cifar10", "preact_resnet110", "paper")
    assert lines[-1] == "Train it: jaxcnn train --config=train:cifar10,preact_resnet110,paper --workdir=DIR"


def test_a_recipe_that_makes_no_sense_is_not_shown():
    with pytest.raises(UserError, match=r"^no lab trains lenet5: "):
        configs.main(["train:mnist,lenet5,lab"])


def test_result_of_several_seeds_and_of_none():
    run = Reached(name="train:a,b,c", accuracy=(99.0, 98.0, 98.5), examples=9000, seconds=100.0, published=99.5)
    assert configs.result_cells(run) == ("train:a,b,c", "98.50 ± 0.50 %", "3", "99.5 %")
    assert configs.result_cells(Reached(name="train:a,b,c")) == ("train:a,b,c", "not run here", "", "")
    assert Reached(name="train:a,b,c", accuracy=(99.0,), examples=8).said == "99.00 %"


@pytest.mark.parametrize("entry", listed(), ids=lambda entry: entry.name)
def test_a_listed_recipe_makes_sense_and_a_result_has_all_that_it_needs(entry):
    data, _, word = words_of(entry.name)
    config = recipe(*words_of(entry.name))
    assert entry.name.endswith(word)
    assert config.data.name == data
    if entry.accuracy:
        assert all(0 < each <= 100 for each in entry.accuracy)
        assert min(entry.seconds, entry.examples, entry.epochs) > 0
        assert "cores" in entry.machine


def test_each_data_set_that_recipes_know_has_one_that_is_listed():
    assert {words_of(entry.name)[0] for entry in listed()} == set(FACTS)


def test_a_pattern_that_none_matches():
    with pytest.raises(UserError, match=r"^unknown config 'digits_lenet': did you mean digits_lenet5"):
        configs.main(["digits_lenet"])


@pytest.mark.parametrize("name", shipped.config_files())
def test_a_name_is_a_config_from_any_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    by_name, by_path = (
        main.parse([f"--config={place}", "--workdir=w"]).config for place in (name, shipped.config_files()[name])
    )
    assert by_name == by_path


def test_a_file_goes_before_a_name_and_a_name_before_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "digits_lenet5"
    place.mkdir()
    assert main.parse(["--config=digits_lenet5", "--workdir=w"]).config.model.name == "lenet5"
    place.rmdir()
    place.write_text(shipped.config_files()["fashion_mnist_resnet20"].read_text())
    assert main.parse(["--config=digits_lenet5", "--workdir=w"]).config.model.name == "resnet20"


def test_within_an_installed_package_they_lie_inside_of_it(tmp_path, monkeypatch):
    inside = tmp_path / "site-packages" / "jaxcnn"
    for folder in (inside / "configs", inside.parent / "configs"):  # the second is somebody else's
        folder.mkdir(parents=True)
        (folder / f"of_{folder.parent.name}.py").touch()
    monkeypatch.setattr(shipped, "_PACKAGE", inside)
    assert list(shipped.config_files()) == ["of_jaxcnn"]
