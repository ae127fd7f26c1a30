"""From words to a grid: names, settings of cells, and what is refused before anything is trained."""

import itertools

import pytest

from jaxcnn.comparing.asked import Asked, make_grid, read_override
from jaxcnn.comparing.grid import load_grid
from jaxcnn.comparing.jobs import jobs_of, settings_of
from jaxcnn.errors import UserError

BASE = "digits_lenet5"


def grid(**asked):
    return make_grid(Asked(**{"base": BASE} | asked))


def test_every_combination_is_a_cell_with_its_settings():
    found = grid(models=("lenet5", "lenet5_relu"), norms=("group", "none"), batch_sizes=(8, 32), epochs=2.5)
    assert [cell.name for cell in found] == [
        f"{model}-{norm}-batch{size}"
        for model, norm, size in itertools.product(("lenet5", "lenet5_relu"), ("group", "none"), (8, 32))
    ]
    for cell in found:
        had = settings_of(cell)
        told = (had["model.name"], had["model.norm"], str(had["batch_size"]))
        assert told == tuple(cell.values[name] for name in ("model", "norm", "batch size"))
        assert (had["total_epochs"], had["optimizer.name"]) == (2.5, "adam")  # asked for, and of the config
    assert found.varied == ("model", "norm", "batch size")
    assert found.baseline == "lenet5-group-batch8"
    assert found.seeds == (0, 1, 2)


def test_each_net_has_its_own_recipe():
    found = grid(base=None, data="digits", models=("lenet5", "resnet20"), recipe="budget")
    assert [cell.base for cell in found] == ["train:digits,lenet5,budget", "train:digits,resnet20,budget"]
    assert [settings_of(cell)["model.name"] for cell in found] == ["lenet5", "resnet20"]
    alike = grid(base="train:digits,lenet5,budget", norms=("none",))
    assert (alike.cells[0].base, alike.cells[0].name) == ("train:digits,lenet5,budget", "lenet5-none")


def test_a_setting_with_one_value_is_in_all_cells_and_in_no_name():
    found = grid(override=[read_override("optimizer.learning_rate=0.1,0.01"),
                           read_override("data.augment=shift(2), flip()")])  # fmt: skip
    assert [cell.name for cell in found] == ["lenet5-learning_rate0.1", "lenet5-learning_rate0.01"]
    assert {settings_of(cell)["data.augment"] for cell in found} == {"shift(2), flip()"}
    assert [settings_of(cell)["optimizer.learning_rate"] for cell in found] == [0.1, 0.01]
    assert found.varied == ("learning_rate",)


def test_epochs_win_over_the_steps_of_a_config():
    found = grid(epochs=3.0, override=[("batch_size", ["16"])])
    assert ("total_steps", "None") not in found.cells[0].changes
    steps = make_grid(Asked(base=BASE, override=[("total_steps", ["7"])]))
    assert settings_of(steps.cells[0])["total_steps"] == 7


def test_seeds_follow_that_of_the_config(tmp_path):
    (tmp_path / "five.py").write_text("from configs.digits_lenet5 import get_config as base\n\n\ndef get_config():\n"
                                      "    config = base()\n    config.seed = 5\n    return config\n")  # fmt: skip
    assert make_grid(Asked(base=str(tmp_path / "five.py"), seeds=2)).seeds == (5, 6)


def test_a_grid_is_read_back_as_it_was_written(tmp_path):
    found = grid(norms=("none", "batch"))
    found.save(tmp_path)
    assert load_grid(tmp_path) == found


def test_runs_are_in_rounds_of_a_seed(tmp_path):
    found = grid(norms=("none", "batch"), seeds=2)
    names = [job.name for job in jobs_of(found, tmp_path)]
    assert names == ["lenet5-none/seed0", "lenet5-batch/seed0", "lenet5-none/seed1", "lenet5-batch/seed1"]
    some = jobs_of(found, tmp_path, {"lenet5-none": [0, 1, 2], "lenet5-batch": [0]})
    assert [job.name for job in some] == [names[0], names[1], names[2], "lenet5-none/seed2"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("batch_size=8,32", ("batch_size", ["8", "32"])),
        ("model.act=relu, gelu", ("model.act", ["relu", "gelu"])),
        ("eval_every=2 steps,1 epoch", ("eval_every", ["2 steps", "1 epoch"])),
        ("data.augment=shift(2), flip()", ("data.augment", ["shift(2), flip()"])),
        ("schedule.boundaries=10, 14 epochs", ("schedule.boundaries", ["10, 14 epochs"])),
        ("model.fields.width=1,2", ("model.fields.width", ["1", "2"])),
        ("model.fields.features=[4, 8]", ("model.fields.features", ["[4, 8]"])),
    ],
)
def test_commas_separate_values_that_have_none_of_their_own(text, meant):
    assert read_override(text) == meant


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"base": None, "norms": ("batch",)}, "--data is missing: name --data and --models, or"),
        ({"base": None, "data": "digits"}, "--models is missing: name --data and --models, or"),
        ({"recipe": "modern"}, "a config has its recipe: give --config or --recipe, not both"),
        ({"models": ("resnet21",)}, "unknown model 'resnet21': did you mean resnet32"),
        ({"norms": ("bach",)}, "unknown norm 'bach': did you mean batch"),
        ({"batch_sizes": (0,)}, "batch_size is 0: it must be a whole number in"),
        ({"norms": ("batch", "batch")}, "two cells would be called lenet5-batch"),
        ({"override": [("seed", ["1"])]}, "seed is set by the grid itself"),
        ({"override": [("learning_rat", ["1"])]}, "there is no config key 'learning_rat': did you mean swa"),
        ({"override": [("batch_size", ["many"])]}, "--config.batch_size=many: it must be a whole number"),
        ({"seeds": 0}, "seeds is 0: it must be a whole number in"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(asked, says):
    with pytest.raises(UserError) as caught:
        make_grid(Asked(**{"base": BASE} | asked))
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


def test_a_baseline_must_be_a_cell():
    with pytest.raises(UserError, match=r"^unknown cell 'lenet5-bach': did you mean lenet5-batch"):
        make_grid(Asked(base=BASE, norms=("batch", "none")), baseline="lenet5-bach")
