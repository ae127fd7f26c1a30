"""Every combination of data set, net and recipe is a config that passes, or says in one line why it makes no sense."""

import re
from fractions import Fraction

import pytest

import jaxcnn
from jaxcnn import main
from jaxcnn.config.file import load
from jaxcnn.config.table import SETTINGS
from jaxcnn.data.catalog import CATALOG, dataset_info
from jaxcnn.errors import UserError
from jaxcnn.models import MODELS, create_model, list_models
from jaxcnn.models.registry import family_of
from jaxcnn.recipes import paper
from jaxcnn.recipes.data import FACTS, is_photographs, small_sets
from jaxcnn.recipes.lab import LABS
from jaxcnn.recipes.name import DEFAULT, RECIPES, name_of, words_of
from jaxcnn.recipes.papers_imagenet import IMAGENET
from jaxcnn.recipes.papers_small import SMALL, SVHN
from jaxcnn.recipes.recipe import FILES, recipe, training
from jaxcnn.recipes.training import WITNESSES, Training
from jaxcnn.train.ahead import resolve_blank
from jaxcnn.train.lengths import timing_of
from jaxcnn.train.settings import read_settings
from tests.models.test_sizes import SMALLEST
from tests.models.tiny import TINY

SENSELESS = [
    ("digits", "resnet20", "lab", "no lab trains resnet20: the labs' nets are lenet5_relu, vgg10_cifar, mlp1, mlp3"),
    ("mnist", "vgg10_cifar", "lab", "the lab of vgg10_cifar has cifar10: train:cifar10,vgg10_cifar,lab, and --conf"),
    ("cifar10", "vgg10_cifar", "paper", "vgg10_cifar comes from a lab and not from a paper: train:cifar10,vgg10_c"),
    ("cifar10", "nasnet_a_large", "modern", "nasnet_a_large is for images of 331 pixels, and those of cifar10 have 32"
     ": take nasnet_a_cifar or nasnet_a_mobile"),
    ("imagenet", "resnet20", "paper", "resnet20 is for images of 32 pixels, and those of imagenet are photographs"
     ": take resnet18 or resnet34 or resnet50"),
    ("imagenet", "mlp3", "budget", "mlp3 is for images of 32 pixels, and those of imagenet are photographs: take a"),
    ("cifar10", "efficientnet_b0", "paper", "the paper of efficientnet_b0 has no training on small images as cifar10: "
     "take modern or budget"),
    ("cifar10", "mylab.nets:Net", "paper", "mylab.nets:Net is a net of your own, and its paper is not known here"),
    ("cifar1", "resnet20", "paper", "unknown data set 'cifar1': did you mean cifar1"),
    ("cifar10", "resnet21", "paper", "unknown model 'resnet21': did you mean resnet"),
    ("cifar10", "resnet20", "papers", "unknown recipe 'papers': did you mean paper"),
]  # fmt: skip


@pytest.fixture(scope="module")
def product():
    """(data, model, recipe) -> the training, or the error."""
    found = {}
    for data in CATALOG:
        for model in MODELS:
            for name in RECIPES:
                try:
                    found[data, model, name] = training(data, model, name)
                except UserError as error:
                    found[data, model, name] = error
    return found


def test_each_recipe_has_a_file():
    assert list(FILES) == list(RECIPES)
    assert DEFAULT in FILES


def test_each_combination_is_a_training_or_one_line(product):
    assert len(product) == len(CATALOG) * len(MODELS) * len(RECIPES)
    said = [str(each) for each in product.values() if isinstance(each, UserError)]
    assert [line for line in said if "\n" in line or len(line) > 160 or not re.search(r": \S", line)] == []


def test_each_training_is_a_config_that_passes(product):
    """Of trainings that differ in the name of the net alone, one: the product has few others."""
    different = {}
    for words, found in product.items():
        if not isinstance(found, UserError):
            assert {key for key in found.changes if not key.startswith("model.fields.")} <= SETTINGS.keys()
            kept = {key: value for key, value in found.changes.items() if not key.startswith("model.")}
            different.setdefault(repr(kept), words)
    assert len(different) > 50
    for data, model, name in different.values():
        settings = read_settings(recipe(data, model, name), {})
        info = dataset_info(data)
        timing = timing_of(settings, info.examples["train"] - info.validation)
        assert timing.schedule.warmup < timing.total_steps
        assert all(0 < boundary < timing.total_steps for boundary in timing.schedule.boundaries), (data, model, name)
        assert settings.sharing.batch_size * 5 < info.examples["train"]


def test_what_makes_sense_for_a_net_does_not_depend_on_the_recipe_but_for_paper_and_lab(product):
    for data in CATALOG:
        for model in MODELS:
            modern, budget, paper = (product[data, model, name] for name in ("modern", "budget", "paper"))
            assert isinstance(modern, Training) == isinstance(budget, Training)
            assert isinstance(modern, Training) or isinstance(paper, UserError)


def test_every_net_has_a_training_on_the_images_that_it_is_made_for(product):
    for model, variant in MODELS.items():
        data = "imagenet" if variant.image_size > 64 else "mnist" if variant.image_size == 28 else "cifar10"
        known = "paper" if TINY[family_of(model)].has_recipe else DEFAULT
        own = product[data, model, "lab" if model in LABS else known]
        assert isinstance(own, Training), own
        assert "model.stem" not in own.changes
    assert {words[1] for words, found in product.items() if words[2] == "lab" and isinstance(found, Training)} == set(
        LABS
    )


def test_small_images_pass_through_the_stem_that_they_get(product):
    for (data, model, _), found in product.items():
        if isinstance(found, Training) and data in small_sets():
            at_imagenet, at_small = SMALLEST[model]
            assert dataset_info(data).image_size >= (at_small if "model.stem" in found.changes else at_imagenet)


def test_nets_have_the_fields_that_a_training_sets(product):
    made = set()
    for (_, model, _), found in product.items():
        if isinstance(found, Training):
            set_here = {key: value for key, value in found.changes.items() if key.startswith("model.")}
            fields = {key.rpartition(".")[2]: value for key, value in set_here.items() if key != "model.name"}
            if fields.keys() - {"stem"}:
                create_model(model, num_classes=10, **fields)
                made.add(model)
    assert {"nasnet_a_cifar", "resnet50", "wide_resnet16_8"} <= made


@pytest.mark.parametrize("table", [SMALL, SVHN, IMAGENET], ids=["small", "svhn", "imagenet"])
def test_each_pattern_of_a_paper_is_of_nets_of_one_family(table):
    taken = set()
    for pattern in table:
        models = set(list_models(pattern)) - taken
        assert models, pattern
        assert len({family_of(model) for model in models}) == 1, pattern
        taken |= models


def test_the_families_that_have_a_recipe_of_their_paper_are_there():
    found = {family_of(model) for pattern in (*SMALL, *IMAGENET) for model in list_models(pattern)}
    assert found == {family for family, tiny in TINY.items() if tiny.has_recipe}


def test_facts_are_of_data_sets_of_the_catalog():
    assert FACTS.keys() <= CATALOG.keys()
    assert [name for name, info in CATALOG.items() if is_photographs(info)] == ["imagenet"]
    for name, facts in FACTS.items():  # a mirrored figure is another one, or none
        assert ("flip" in facts.moves) == (name not in ("digits", "mnist", "svhn"))
        assert facts.strong.startswith(facts.moves)
        assert facts.short < facts.long


def test_what_recipes_do_not_know_they_say(monkeypatch):
    monkeypatch.setattr(paper, "IMAGENET", {})
    with pytest.raises(UserError, match=r"^the training of the paper of vgg16 is not known here: take modern or budg"):
        training("imagenet", "vgg16", "paper")
    monkeypatch.delitem(FACTS, "svhn")
    for name in RECIPES:
        with pytest.raises(UserError, match=r"^no recipe knows svhn: take one of digits, mnist, .*--config.data.name$"):
            training("svhn", "resnet20", name)


@pytest.mark.parametrize(("data", "model", "name", "said"), SENSELESS)
def test_a_senseless_combination_says_why(data, model, name, said):
    with pytest.raises(UserError, match=f"^{re.escape(said)}"):
        jaxcnn.recipe(data, model, name)


def test_a_recipe_says_where_it_is_from(product):
    for found in product.values():
        if isinstance(found, Training):
            assert found.source[0].isupper() or found.source.startswith("ours: ")
            assert not found.departs.endswith(".")
            assert set(found.witnesses) <= WITNESSES.keys()


def test_the_paper_of_residual_nets_trains_64000_steps():
    settings = read_settings(jaxcnn.recipe("cifar10", "resnet20", "paper"), {})
    timing = timing_of(settings, 45_000)
    assert (timing.total_steps, timing.schedule.boundaries) == (64_000, [32_000, 48_000])
    assert (timing.peak, settings.optimizer.weight_decay, settings.sharing.batch_size) == (0.1, 1e-4, 128)


def test_wide_nets_train_otherwise_on_svhn():
    on_svhn, on_cifar = (jaxcnn.recipe(data, "wide_resnet16_8", "paper") for data in ("svhn", "cifar10"))
    assert (on_svhn.optimizer.learning_rate, on_svhn.total_epochs, on_svhn.data.augment) == (0.01, 160, "")
    assert (on_cifar.optimizer.learning_rate, on_cifar.total_epochs, on_cifar.data.augment) == (
        *(0.1, 200),
        "shift(4), flip()",
    )


def test_nets_without_norms_have_no_rate_that_throws_them_off():
    with_norms, without = (jaxcnn.recipe("cifar10", model).optimizer for model in ("resnet20", "vgg16"))
    assert (with_norms.name, without.name, without.learning_rate) == ("sgd", "adamw", 1e-3)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("imagenet_resnet50", ("imagenet", "resnet50", "paper")),
        ("imagenet_resnet50_modern", ("imagenet", "resnet50", "modern")),
        ("imagenet_efficientnet_b0", ("imagenet", "efficientnet_b0", "paper")),
        ("imagenet_mobilenet_v2", ("imagenet", "mobilenet_v2", "paper")),
    ],
)
def test_a_shipped_config_is_the_recipe_written_in_full(name, words):
    shipped, own = load(name)[0].to_dict(), jaxcnn.recipe(*words).to_dict()
    assert shipped == own


def test_a_name_is_a_config_and_may_be_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = ["--config=train:cifar10,resnet20,paper", "--workdir=w", "--config.total_epochs=3", "--config.seed=7"]
    config = main.parse(line).config
    expected = jaxcnn.recipe("cifar10", "resnet20", "paper")
    expected.total_epochs, expected.seed = 3.0, 7
    assert config == expected


def test_the_recipe_may_be_left_out():
    assert words_of("train:digits,lenet5") == ("digits", "lenet5", DEFAULT)
    assert words_of(" train:digits, lenet5 ,paper".strip()) == ("digits", "lenet5", "paper")
    assert main.parse(["--config=train:digits,lenet5", "--workdir=w"]).config == jaxcnn.recipe("digits", "lenet5")
    assert words_of(name_of("a", "b", "c")) == ("a", "b", "c")


@pytest.mark.parametrize("name", ["train:", "train:digits", "train:digits,", "train:digits,,paper", "train:a,b,c,d"])
def test_what_is_no_name_says_how_one_is_written(name):
    with pytest.raises(UserError, match=rf"^'{name}' is no recipe: write train:DATA,MODEL,RECIPE, as train:cifar10,"):
        main.parse([f"--config={name}", "--workdir=w"])


def test_a_net_of_ones_own_has_a_recipe():
    config = jaxcnn.recipe("digits", "tests.own_parts:TwoLayers", "budget")
    assert (config.model.name, config.model.stem) == ("tests.own_parts:TwoLayers", None)


@pytest.mark.parametrize("name", ["train:cifar10,mlp1,lab", "train:svhn,lenet5", "train:imagenet,squeezenet1_1,budget"])
def test_a_recipe_is_a_run(name):
    config = jaxcnn.recipe(*words_of(name))
    config.data.placement = "stream"  # so that no blank image is read
    run = resolve_blank(config)
    assert run.total_steps == pytest.approx(run.settings.lengths.total_epochs * float(run.steps_per_epoch), abs=1)
    assert run.steps_per_epoch == Fraction(run.dataset.sizes["train"], run.settings.sharing.batch_size)
    assert 0 < float(run.learning_rate(run.total_steps // 2)) <= run.peak
