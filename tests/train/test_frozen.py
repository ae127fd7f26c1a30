"""Steps in which a part of the net is frozen: of its gradient nothing is computed, and nothing of it changes."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.accel.accelerate import accelerate
from jaxcnn.accel.remat import rematerialize
from jaxcnn.analysis.trace import inner_jaxprs
from jaxcnn.errors import UserError
from jaxcnn.layers.variables import abstract_variables, init_variables
from jaxcnn.models import create_model
from jaxcnn.train.parts.frozen import Frozen
from jaxcnn.train.parts.losses import make_loss
from jaxcnn.train.state import create_state
from jaxcnn.train.step import make_train_step

SHAPE = (8, 8, 3)
LOSS = make_loss("softmax")
BATCH = {"image": jax.random.normal(jax.random.key(3), (8, *SHAPE)) + 0.5, "label": jnp.arange(8) % 3}
TX = optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(0.1, momentum=0.9))


def net(**fields):
    return create_model("resnet18", num_classes=3, stage_sizes=(1, 2), features=4, stem="small", **fields)


def stepped(model, freeze, steps=2, tx=TX, ema=False, forms=lambda apply_fn: apply_fn, **options):
    """Returns the state before and after some training steps."""
    state = create_state(model, tx, SHAPE, jax.random.key(0), ema=ema, freeze=freeze)
    step = make_train_step(apply_fn=forms(model.apply), tx=tx, loss_fn=LOSS, freeze=freeze, **options)
    new = state
    for _ in range(steps):
        new, sums = jax.jit(step)(new, BATCH, jax.random.key(1))
    assert int(sums["nonfinite"]) == 0
    return state, new


def moved(before, after):
    """Returns the paths of the arrays that changed."""
    changed = jax.tree.map(lambda a, b: bool(np.any(np.asarray(a) != np.asarray(b))), before, after)
    leaves = jax.tree_util.tree_leaves_with_path(changed)
    return {jax.tree_util.keystr(path, simple=True, separator="/") for path, leaf in leaves if leaf}


def close(one, other):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), one, other)


@pytest.fixture(scope="module")
def half():
    """A net with stem and first stage frozen, before and after two steps."""
    return stepped(net(), "stem|stage1", ema=True, ema_decay=0.5, on_nonfinite="skip")


def test_what_is_frozen_stays_to_the_bit_and_all_else_moves(half):
    before, after = half
    frozen = ("stem", "stage1")
    for tree in (lambda state: state.params, lambda state: state.collections["batch_stats"]):
        paths = {
            jax.tree_util.keystr(path, simple=True, separator="/")
            for path, _ in jax.tree_util.tree_leaves_with_path(tree(before))
        }
        assert moved(tree(before), tree(after)) == {path for path in paths if not path.startswith(frozen)}
    assert not any("/stem" in path or "/stage1" in path for path in moved(before.ema, after.ema))
    assert jax.tree.structure(before) == jax.tree.structure(after)


def test_the_optimizer_keeps_nothing_for_what_is_frozen(half):
    before, _ = half
    kept = jax.tree_util.tree_leaves_with_path(before.opt_state)
    paths = [jax.tree_util.keystr(path) for path, _ in kept]
    assert any("stage2_block1" in path for path in paths)
    assert not any("stem" in path or "stage1" in path for path in paths)


class TwoNorms(nn.Module):
    """Two convolutions, each with a norm of flax's; `still` puts the first of them in evaluation mode by hand."""

    told: str = "field"
    still: bool = False

    @nn.compact
    def __call__(self, image, *, train=False):
        x = image
        for number in (1, 2):
            x = nn.Conv(4, (3, 3), name=f"conv{number}")(x)
            average = not train or (self.still and number == 1)
            if self.told == "field":
                x = nn.BatchNorm(use_running_average=average, name=f"norm{number}")(x)
            else:
                x = (
                    nn.BatchNorm(name=f"norm{number}")(x, average)
                    if self.told == "place"
                    else nn.BatchNorm(name=f"norm{number}")(x, use_running_average=average)
                )
        return nn.Dense(3, name="classifier")(nn.relu(x).mean(axis=(1, 2)))


def test_the_joint_form_of_a_convolution_and_its_norm_leaves_a_frozen_norm_in_evaluation_mode():
    model = create_model("resnet50", num_classes=3, stage_sizes=(1,), features=8, stem="small", dtype=jnp.bfloat16)
    variables = jax.jit(functools.partial(init_variables, model, SHAPE))(jax.random.key(0))
    apply_fn = Frozen(".*norm3").apply(accelerate(model.apply, "tpu"))
    _, after = apply_fn(variables, BATCH["image"], train=True, mutable=["batch_stats"])
    changed = moved({"batch_stats": variables["batch_stats"]}, after)
    assert "batch_stats/stage1_block1/norm2/mean" in changed
    assert not any("norm3" in path for path in changed)


@pytest.mark.parametrize("told", ["field", "argument", "place"])
def test_a_frozen_norm_computes_as_in_evaluation_however_it_is_told(told):
    before, frozen = stepped(TwoNorms(told), "norm1")
    _, by_hand = stepped(TwoNorms(told, still=True), "norm1", freeze_norms="train")
    _, in_training = stepped(TwoNorms(told), "norm1", freeze_norms="train")
    close(frozen.params, by_hand.params)
    assert moved(before.collections, frozen.collections) == {"batch_stats/norm2/mean", "batch_stats/norm2/var"}
    assert {"batch_stats/norm1/mean", "batch_stats/norm1/var"} <= moved(before.collections, in_training.collections)
    assert float(jnp.abs(frozen.params["conv1"]["kernel"] - in_training.params["conv1"]["kernel"]).max()) > 1e-4


def test_a_norm_with_a_parameter_that_trains_is_not_in_evaluation_mode():
    variables = abstract_variables(TwoNorms(), SHAPE)
    assert Frozen("norm1/scale|conv1").modules(variables) == set()
    assert Frozen("norm1/scale|conv1").layers(variables) == ["conv1"]
    assert Frozen().layers(variables) == []
    assert Frozen(".*/(scale|bias)").modules(variables) == {("norm1",), ("norm2",)}


class Bare(nn.Module):
    """A norm without parameters, and a user's own that is told nothing."""

    own: bool = False

    @nn.compact
    def __call__(self, image, *, train=False):
        x = nn.Conv(4, (3, 3), name="conv")(image)
        if self.own:
            x = Untold(name="norm")(x)
        else:
            norm = nn.BatchNorm(use_running_average=not train, use_scale=False, use_bias=False, name="norm")
            x = norm(x)
        return nn.Dense(3, name="classifier")(nn.relu(x).mean(axis=(1, 2)))


class Untold(nn.Module):
    @nn.compact
    def __call__(self, x):
        seen = self.variable("batch_stats", "seen", lambda: jnp.zeros(()))
        seen.value = seen.value + 1.0
        return x * self.param("scale", nn.initializers.ones, ())


def test_a_norm_without_parameters_is_frozen_by_its_own_path():
    before, after = stepped(Bare(), "norm|conv")
    assert moved(before.variables, after.variables) == {"params/classifier/kernel", "params/classifier/bias"}
    before, after = stepped(Bare(), "conv", steps=1)
    assert "batch_stats/norm/mean" in moved(before.variables, after.variables)


def test_a_norm_that_nothing_tells_to_use_its_statistics_is_refused_in_a_line():
    with pytest.raises(UserError, match="norm is a frozen Untold with statistics, and has no field use_ru"):
        stepped(Bare(own=True), "norm", steps=1)
    before, after = stepped(Bare(own=True), "norm", steps=1, freeze_norms="train")
    assert "batch_stats/norm/seen" in moved(before.variables, after.variables)


FORMS = {
    "cpu": functools.partial(accelerate, platform="cpu"),
    "remat": rematerialize,
    "both": lambda apply_fn: rematerialize(accelerate(apply_fn, "cpu")),
}


@pytest.mark.parametrize("forms", FORMS)
def test_forms_and_rematerialisation_change_nothing_of_it(half, forms):
    _, plain = half
    _, other = stepped(net(), "stem|stage1", ema=True, ema_decay=0.5, on_nonfinite="skip", forms=FORMS[forms])
    close(plain, other)


def test_blocks_in_a_loop_are_frozen_together():
    model = create_model("resnet18", num_classes=3, stage_sizes=(3,), features=4, stem="small", scan=True)
    before, after = stepped(model, "stem|stage1_rest", steps=1)
    assert "params/stage1_rest/conv1/kernel" not in moved(before.variables, after.variables)
    assert not any("stage1_rest" in path or "stem" in path for path in moved(before.variables, after.variables))
    assert "params/stage1_block1/conv1/kernel" in moved(before.variables, after.variables)


def test_parts_of_a_batch_and_several_seeds_leave_it_frozen():
    tx, model = optax.sgd(0.1), TwoNorms()
    states = jax.vmap(lambda key: create_state(model, tx, SHAPE, key, ema=False, freeze="conv1|norm1"))(
        jax.random.split(jax.random.key(0), 2)
    )
    step = make_train_step(apply_fn=model.apply, tx=tx, loss_fn=LOSS, freeze="conv1|norm1", accumulate_steps=2)
    new, _ = jax.jit(jax.vmap(step, in_axes=(0, None, None)))(states, BATCH, jax.random.key(1))
    changed = moved(states.variables, new.variables)
    assert not any("conv1" in path or "norm1" in path for path in changed)
    assert {"params/conv2/kernel", "batch_stats/norm2/mean"} <= changed


def test_the_parts_of_an_averaged_gradient_are_those_of_a_whole_batch():
    tx = optax.sgd(0.1)
    (_, whole), (_, parts) = (
        stepped(TwoNorms(), "conv2|norm[12]", steps=1, tx=tx, accumulate_steps=parts) for parts in (1, 2)
    )
    close(whole.params, parts.params)


def convolutions(jaxpr):
    """Returns the number of convolutions in a program."""
    inner = sum(convolutions(each) for equation in jaxpr.eqns for each in inner_jaxprs(equation))
    return inner + sum(equation.primitive.name == "conv_general_dilated" for equation in jaxpr.eqns)


def traced(model, freeze):
    state = jax.eval_shape(lambda: create_state(model, TX, SHAPE, jax.random.key(0), ema=False, freeze=freeze))
    step = make_train_step(apply_fn=model.apply, tx=TX, loss_fn=LOSS, freeze=freeze)
    return step, state


@pytest.mark.parametrize(
    ("freeze", "kernels", "inputs"),
    [
        ("", 8, 7),  # no gradient of the image
        ("stem|stage1", 5, 3),  # nor of what goes into the first convolution and the shortcut that train
        ("stem|stage", 0, 0),
        ("stage2", 3, 7),
    ],
)
def test_a_step_has_no_gradients_of_frozen_convolutions(freeze, kernels, inputs):
    step, state = traced(net(), freeze)
    program = jax.make_jaxpr(step)(state, BATCH, jax.random.key(1))
    assert convolutions(program.jaxpr) == 8 + kernels + inputs


def test_a_state_that_was_made_without_it_is_refused():
    state = create_state(net(), TX, SHAPE, jax.random.key(0), ema=False)
    step, _ = traced(net(), "stem")
    with pytest.raises(UserError, match="create_state must have freeze='stem', too"):
        jax.eval_shape(step, state, BATCH, jax.random.key(1))


@pytest.mark.parametrize(
    ("freeze", "said"),
    [
        ("stem|stgae1", "'stgae1' matches no parameter: did you mean stage1"),
        ("norm", "'norm' matches no parameter from the start of its path: '.*norm' matches anywhere in it"),
        ("head", "'head' matches no parameter: the paths begin with classifier, stage, stem"),
        (".*", "matches all parameters: nothing would be trained"),
        ("stem(", "'stem\\(' is no regular expression: missing \\)"),
    ],
)
def test_a_wrong_pattern_is_one_line(freeze, said):
    with pytest.raises(UserError, match=f"^train.freeze.*{said}"):
        Frozen(freeze).parameters(abstract_variables(net(), SHAPE))
