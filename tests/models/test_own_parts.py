"""Norms, activations and nets of a user's own, in every family; nothing is computed but shapes."""

import functools

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn

from jaxcnn.errors import UserError
from jaxcnn.models import check_image_size, check_logits, create_model, over_axis
from tests.models.tiny import TINY
from tests.own_parts import Flat, RootMean, Snake, Switchable, TwoLayers, Untold, one_layer, squareplus

OWN = "tests.own_parts:"
NORMS = {
    "without use_bias": (RootMean, False),
    "with use_bias": (f"{OWN}Switchable", True),
    "with use_bias off": (functools.partial(Switchable, use_bias=False), False),
    "flax batch": ("flax.linen:BatchNorm", True),
    "flax layer": ("flax.linen:LayerNorm", True),
    "flax group": (functools.partial(nn.GroupNorm, num_groups=1), True),
}
"""Norm, and whether it adds a bias."""
ACTS = [(squareplus, ""), (f"{OWN}Snake", "frequency"), (nn.PReLU, "negative_slope")]
"""Activation, and the parameter that it learns."""


@pytest.fixture(autouse=True)
def jax_as_users_have_it():
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


def shapes(family, **parts):
    """Returns the shapes of a tiny member's variables, and those that training leaves."""
    tiny = TINY[family]
    model = tiny.model(**parts)
    image = jax.ShapeDtypeStruct((2, tiny.size, tiny.size, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), image)
    variables = {name: tree for name, tree in variables.items() if name not in ("intermediates", "aux_logits")}
    apply = functools.partial(model.apply, train=True, mutable=True, rngs={"dropout": jax.random.key(1)})
    logits, after = jax.eval_shape(apply, variables, image)
    assert logits.shape == (2, 3)
    return variables, after


def names(tree):
    """Returns the names of modules and parameters, from the net inwards."""
    return [tuple(key.key for key in path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]


def biased_convolutions(params):
    """Returns the convolutions that have a bias."""
    return {path[:-1] for path in names(params) if path[-1] == "bias" and len(path) > 1 and "conv" in path[-2]}


@functools.cache
def convolutions_that_keep_their_bias(family):
    """Returns those that have a bias whatever the norm."""
    return biased_convolutions(shapes(family, norm="layer")[0]["params"])


PAIRS = [
    pytest.param(family, norm, marks=() if (i + j) % len(NORMS) == 0 and family != "nasnet" else pytest.mark.slow)
    for i, family in enumerate(sorted(TINY))
    for j, norm in enumerate(NORMS)
]
"""Each family but NASNet, whose cells take long to trace, with one norm in the ordinary suite; each norm with some."""


@pytest.mark.parametrize(("family", "norm"), PAIRS)
def test_norms_and_activations_of_a_users_own_work_in_every_family(family, norm):
    part, has_bias = NORMS[norm]
    act, learnt = ACTS[list(NORMS).index(norm) % len(ACTS)]
    variables, after = shapes(family, norm=part, act=act)
    assert any(path[-1] == learnt for path in names(variables["params"])) == bool(learnt)
    biased = biased_convolutions(variables["params"])
    always = convolutions_that_keep_their_bias(family)
    if family == "vgg" or has_bias:
        assert biased == always, "a bias before a norm that has one is of no use; VGG's paper keeps it"
    elif TINY[family].norms and family not in ("mlp", "lenet"):
        assert biased > always, "a norm without a bias leaves it to the convolution"
    if norm == "flax batch":
        kept = {path[:-1] for path in names(after["batch_stats"])}
        assert len(kept) == TINY[family].norms
    if part == f"{OWN}Switchable":
        assert len(names(after["norm_calls"])) == TINY[family].norms


def test_options_of_a_norm_of_a_users_own_are_its_fields():
    model = TINY["resnet"].model(norm=Switchable, norm_options={"strength": 0.5, "use_bias": False})
    made = model.norm_layer(train=True)(name=None)
    assert (made.strength, made.use_bias, made.deterministic) == (0.5, False, False)
    assert not model.norm_shifts


def test_a_net_with_parts_of_a_users_own_stays_hashable():
    assert hash(TINY["resnet"].model(norm=RootMean, act=Snake)) == hash(TINY["resnet"].model(norm=RootMean, act=Snake))


class Told(nn.Module):
    def __call__(self, x, train):
        return x


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"norm": "flax.linen:GropNorm"}, "module flax.linen has no GropNorm; did you mean GroupNorm"),
        ({"norm": RootMean, "norm_options": {"eps": 1.0}}, "'tests.own_parts:RootMean' takes no eps; it takes epsilon"),
        ({"norm": RootMean, "norm_options": {"epsilon": "1"}}, "the epsilon of norm .* is '1'"),
        (
            {"norm": Switchable, "norm_options": {"strength": True}},
            "the strength of norm .* is True: it must be a numb",
        ),
        ({"norm": Switchable, "norm_options": {"use_bias": 2}}, "the use_bias of norm .* is 2: it must be True or Fal"),
        ({"norm": Told}, "Told' is called as norm.x.: missing a required argument: 'train'; a field"),
        ({"norm": squareplus}, "squareplus' is a function that needs x: give a linen module class"),
        ({"norm": nn.LayerNorm()}, "norm is a LayerNorm that is made already: give its class"),
        ({"norm": 3}, "norm is 3: it must be a word, a path"),
        ({"norm": nn.Conv}, "norm 'flax.linen.linear:Conv' needs features, kernel_size, which has no default"),
        ({"act": Snake()}, "activation is a Snake that is made already: give its class"),
        ({"act": "flax.linen:rellu"}, "module flax.linen has no rellu; did you mean relu"),
    ],
)
def test_parts_that_cannot_be_are_refused_in_one_line(words, says):
    with pytest.raises(UserError, match=says) as caught:
        TINY["resnet"].model(**words)
    assert "\n" not in str(caught.value)


def test_zero_init_last_asks_for_a_norm_with_a_scale_to_start():
    image = jnp.zeros((1, 16, 16, 3))
    flax = TINY["resnet"].model(norm="flax.linen:LayerNorm", zero_init_last=True)
    scales = jax.jit(flax.init)(jax.random.key(0), image)["params"]["stage1_block1"]
    assert not scales["norm3"]["scale"].any()
    assert scales["norm1"]["scale"].all()
    with pytest.raises(UserError, match=r"zero_init_last starts a norm's scale at zero, and norm .*RootMean.* has no"):
        jax.eval_shape(TINY["resnet"].model(norm=RootMean, zero_init_last=True).init, jax.random.key(0), image)


def test_a_net_of_a_users_own_takes_what_it_has_fields_for():
    assert create_model(f"{OWN}TwoLayers", num_classes=4, width=3) == TwoLayers(4, 3)
    assert create_model(TwoLayers, num_classes=4) == TwoLayers(4)
    assert create_model(one_layer, num_classes=4, dtype=jnp.bfloat16) == Flat(4, jnp.bfloat16)
    made = TwoLayers(4)
    assert create_model(made, num_classes=4) is made


@pytest.mark.parametrize(
    ("name", "fields", "says"),
    [
        (TwoLayers, {"norm": "batch"}, "unknown field of tests.own_parts:TwoLayers 'norm': known: num_classes, width"),
        (TwoLayers, {"wdth": 3}, "'wdth': did you mean width"),
        (TwoLayers, {"dtype": jnp.bfloat16}, "takes no dtype: it cannot be told to compute in bfloat16"),
        (TwoLayers(3), {"act": "relu"}, "takes no act: it takes nothing"),
        (Flat, {}, "Flat cannot be made: missing a required argument: 'outputs'; what else it takes goes into model.f"),
        (Untold, {}, r"Untold is called as model\(image, train=...\): its __call__ must take train"),
        (dict, {}, "builtins:dict makes a dict: it must make a flax.linen.Module"),
        ("resnet", {}, "unknown model 'resnet'"),
        (3, {}, "model is 3: it must be a word"),
    ],
)
def test_a_net_that_cannot_be_is_refused_in_one_line(name, fields, says):
    with pytest.raises(UserError, match=says) as caught:
        create_model(name, num_classes=3, **fields)
    assert "\n" not in str(caught.value)


class Untrainable(nn.Module):
    """A net with a mistake that only training meets."""

    @nn.compact
    def __call__(self, image, *, train):
        x = nn.Dense(3)(image.mean(axis=(1, 2)))
        return x + jnp.ones((7,)) if train else x


class OverAxis(nn.Module):
    axis_name: str | None = None

    @nn.compact
    def __call__(self, image, *, train):
        x = nn.BatchNorm(use_running_average=not train, axis_name=self.axis_name)(image)
        return nn.Dense(3)(x.mean(axis=(1, 2)))


class TwoOutputs(nn.Module):
    @nn.compact
    def __call__(self, image, *, train):
        x = nn.Dense(3)(image.mean(axis=(1, 2)))
        return (x, x) if train else x


def test_what_is_wrong_in_training_alone_is_refused_with_its_place():
    with pytest.raises(UserError, match=r"Untrainable fails under train=True: .*test_own_parts.py:\d+: \w+Error: "):
        check_logits(Untrainable(), (8, 8, 3), 3)
    with pytest.raises(UserError, match=r"TwoOutputs maps 2 images to \('float32\[2, 3\]', 'float32\[2, 3\]'\)"):
        check_logits(TwoOutputs(), (8, 8, 3), 3)
    check_logits(over_axis(OverAxis(), "batch"), (8, 8, 3), 3)  # traced without the axis, which exists under pmap alone


class Flattening(nn.Module):
    def __call__(self, x):
        return x.mean(axis=-1)


class Failing(nn.Module):
    def __call__(self, x):
        return x @ jnp.ones((5, 5))


@pytest.mark.parametrize(
    ("norm", "says"),
    [
        (
            Flattening,
            r"norm 'tests.models.test_own_parts:Flattening' makes \(1, 9, 9\) of \(1, 9, 9, 8\)",
        ),
        (Failing, r"ResNet cannot be built with these fields: .*test_own_parts.py:\d+: TypeError: dot_general"),
    ],
)
def test_a_norm_that_fails_is_named_with_its_place(norm, says):
    with pytest.raises(UserError, match=says):
        check_image_size(TINY["resnet"].model(norm=norm), (9, 9, 3))


def test_what_is_no_logits_is_refused():
    check_logits(TwoLayers(3), (8, 8, 3), 3)
    with pytest.raises(
        UserError, match=r"TwoLayers maps 2 images to float32\[2, 4\]: it must give logits, float32\[2, 3"
    ):
        check_logits(TwoLayers(4), (8, 8, 3), 3)


def test_norms_average_over_devices_where_they_know_how():
    ours = TINY["resnet"]
    assert over_axis(ours.model(norm="flax.linen:BatchNorm"), "batch").norm_options["axis_name"] == "batch"
    assert over_axis(ours.model(norm="layer"), "batch") == ours.model(norm="layer")
    assert over_axis(TwoLayers(3), "batch") == TwoLayers(3)
