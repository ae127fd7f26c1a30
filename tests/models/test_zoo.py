"""Every model against its row, and every property that all models share, by shapes alone."""

import functools

import jax
import jax.numpy as jnp
import pytest
from flax import traverse_util

from jaxcnn.errors import UserError
from jaxcnn.layers.norm_choice import NORMS, norm_takes
from jaxcnn.models import MODELS, check_image_size, create_model, list_models, model_variant, registry
from tests.models import rows_classic, rows_inception, rows_mobile, rows_nasnet, rows_residual, zoo
from tests.models.tiny import TINY

ZOO = zoo.ROWS | rows_classic.ROWS | rows_inception.ROWS | rows_mobile.ROWS | rows_nasnet.ROWS | rows_residual.ROWS

SEVERAL = {
    "alexnet": ("alexnet", "alexnet_owt"),
    "densenet": ("densenet40_12",),
    "efficientnet": ("efficientnet_b0", "efficientnet_lite0"),
    "highway": ("highway32",),
    "inception_v4": ("inception_resnet_v1",),
    "lenet": ("lenet5", "lenet5_relu"),
    "mlp": ("mlp1", "mlp3"),
    "nasnet": ("nasnet_a_mobile",),
    "preact_resnet": ("preact_resnet18",),
    "resnet": ("resnet18", "resnet50", "resnet20"),
    "vgg": ("vgg11", "vgg10_cifar"),
}
"""Families of several kinds of blocks, with a member of each; and those of which a quicker one stands for all."""
SMALLEST = sorted(name for family, tiny in TINY.items() for name in SEVERAL.get(family, (tiny.name,)))
"""Of each family a member of each block, in full size: enough where members differ only by depth and width."""


def test_families_of_several_kinds_of_blocks_are_families():
    assert SEVERAL.keys() < TINY.keys() == set(registry.FAMILIES)


def counted(name):
    """The model's row, or that of its family."""
    return ZOO.get(name, zoo.Row(TINY[registry.family_of(name)].source))


def image_of(name):
    variant = model_variant(name)
    return variant.image_size, variant.image_size, variant.channels


@functools.cache
def initial(name):
    """Shapes of the variables at the image of the paper."""
    model = create_model(name, num_classes=model_variant(name).num_classes)
    return jax.eval_shape(model.init, jax.random.key(0), jax.ShapeDtypeStruct((1, *image_of(name)), jnp.float32))


@functools.cache
def shapes(name, *, train=False, image=None, batch=2, **fields):
    model = create_model(name, num_classes=model_variant(name).num_classes, **fields)
    images = jax.ShapeDtypeStruct((batch, *(image or image_of(name))), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), images)
    kept = {key: variables[key] for key in ("params", "batch_stats") if key in variables}
    apply = functools.partial(
        model.apply, train=train, mutable=["batch_stats", "intermediates"], rngs={"dropout": jax.random.key(1)}
    )
    return variables, *jax.eval_shape(apply, kept, images)


def count(params):
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def test_every_model_is_counted_by_somebody_else_and_every_row_has_a_model():
    assert [name for name in MODELS if not counted(name).source] == []
    assert ZOO.keys() <= MODELS.keys()


@pytest.mark.parametrize("name", list_models())
def test_parameters(name):
    published, by_hand = model_variant(name).parameters, counted(name).parameters
    assert count(initial(name)["params"]) == published
    assert by_hand in (None, published)


@pytest.mark.parametrize("name", SMALLEST)
def test_contract(name):
    variables, logits, updated = shapes(name, train=True)
    assert logits.shape == (2, model_variant(name).num_classes)
    assert logits.dtype == jnp.float32
    assert set(variables) <= {"params", "batch_stats", "intermediates"}
    assert "features" in updated["intermediates"]
    if "batch_stats" in variables:
        assert jax.tree.structure(updated["batch_stats"]) == jax.tree.structure(variables["batch_stats"])
    names = {part for path in traverse_util.flatten_dict(variables["params"]) for part in path}
    assert not [name for name in names if name[0].isupper()], "a submodule without an explicit name"


@pytest.mark.parametrize("name", SMALLEST[::3])
def test_bfloat16_keeps_parameters_and_logits_in_float32(name):
    variables, logits, updated = shapes(name, train=True, dtype=jnp.bfloat16)
    dtypes = {leaf.dtype for leaf in jax.tree.leaves((variables["params"], updated.get("batch_stats"), logits))}
    assert dtypes == {jnp.dtype("float32")}
    assert updated["intermediates"]["features"][0].dtype == jnp.bfloat16


def some(words, every):
    """Pairs of a member and a word: one in `every` in the ordinary suite, so that each has some, the others slow."""
    return [
        pytest.param(name, word, marks=() if (i + j) % every == 0 else pytest.mark.slow)
        for i, name in enumerate(SMALLEST)
        for j, word in enumerate(words)
    ]


@pytest.mark.parametrize(("name", "norm"), some(sorted(NORMS), every=4))
def test_every_norm_word_builds(name, norm):
    if name.startswith("mlp") and norm == "instance":
        with pytest.raises(UserError, match="instance"):
            shapes(name, norm=norm)
        return
    variables, *_ = shapes(name, norm=norm, train=True)
    assert ("batch_stats" in variables) == (norm_takes(norm, "use_running_average") and name != "mlp1")


@pytest.mark.parametrize(("name", "act"), some(["gelu", "leaky_relu", "prelu", "relu"], every=4))
def test_every_activation_builds(name, act):
    assert shapes(name, act=act)[1].dtype == jnp.float32


@pytest.mark.parametrize(("name", "norms"), [("lenet5", 2), ("resnet18", 20), ("resnet20", 19), ("mlp3", 2)])
def test_a_norm_word_puts_the_norm_after_each_convolution(name, norms):
    params = traverse_util.flatten_dict(shapes(name, norm="layer")[0]["params"])
    assert sum(path[-1] == "scale" for path in params) == norms
    params = traverse_util.flatten_dict(shapes(name, norm="none")[0]["params"])
    assert not [path for path in params if path[-1] == "scale"]


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_small_stem_keeps_the_image_size(name):
    images = (32, 32, 3)
    stem = shapes(name, stem="small", image=images)[2]["intermediates"]["stem"][0]
    assert stem.shape == (2, 32, 32, 64)
    assert shapes(name, stem="imagenet", image=images)[2]["intermediates"]["stem"][0].shape == (2, 8, 8, 64)


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "mlp3"])
def test_a_net_without_strided_stem_stays_as_it_is(name):
    assert shapes(name, stem="small")[0] == shapes(name, stem="imagenet")[0]


def test_stage_outputs_of_resnet50():
    outputs = shapes("resnet50")[2]["intermediates"]
    found = {name: value[0].shape[1:] for name, value in outputs.items()}
    assert found == {
        "stem": (56, 56, 64), "stage1": (56, 56, 256), "stage2": (28, 28, 512),
        "stage3": (14, 14, 1024), "stage4": (7, 7, 2048), "features": (2048,),
    }  # fmt: skip


def test_stage_outputs_of_lenet5_and_its_padding():
    found = {k: v[0].shape[1:] for k, v in shapes("lenet5", image=(28, 28, 1))[2]["intermediates"].items()}
    assert found == {"stage1": (14, 14, 6), "stage2": (5, 5, 16), "features": (84,)}


def test_stride_on_first_moves_the_stride_and_keeps_the_parameters():
    one, other = (shapes("resnet50", stride_on_first=flag) for flag in (False, True))
    assert count(one[0]["params"]) == count(other[0]["params"])
    assert one[1] == other[1]


def test_option_a_shortcut_has_no_parameters():
    assert not [path for path in traverse_util.flatten_dict(shapes("resnet20")[0]["params"]) if "shortcut" in path]


def test_list_models_takes_a_pattern():
    assert list_models("lenet*") == ["lenet5", "lenet5_relu"]
    assert list_models() == sorted(MODELS)
    assert list_models("no such*") == []


def test_a_name_defined_twice_is_refused():
    with pytest.raises(ValueError, match="lenet5"):
        registry._union(("lenet", "mlp", "lenet"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"name": "resnet81"}, "unknown model 'resnet81': did you mean resnet18"),
        ({"name": "resnet18", "norm": "bacth"}, "did you mean batch"),
        ({"name": "resnet18", "act": "rellu"}, "did you mean relu"),
        ({"name": "resnet18", "stem": "smal"}, "did you mean small"),
        ({"name": "resnet18", "dropout_rate": 1.5}, "dropout_rate"),
        ({"name": "resnet18", "zero_init_lst": True}, "did you mean zero_init_last"),
        ({"name": "resnet18", "norm_options": {"num_groups": 4}}, "num_groups"),
        ({"name": "resnet18", "num_classes": 0}, "num_classes"),
    ],
)
def test_a_wrong_word_gets_one_line(arguments, says):
    with pytest.raises(UserError, match=says) as caught:
        create_model(**{"num_classes": 10} | arguments)
    assert "\n" not in str(caught.value)


def test_an_image_too_small_is_refused_with_the_smallest_that_works():
    model = create_model("lenet5", num_classes=10, smallest_image=1)
    check_image_size(model, (16, 16, 1))
    with pytest.raises(UserError, match=r"12x12 does not pass.*smallest image that works is 16x16"):
        check_image_size(model, (12, 12, 1))
