"""The step and its dispatch, on a net of one convolution."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.accel.cpu.finite import choose_whole, finite_by_rows
from jaxcnn.models import create_model
from jaxcnn.train.devices.mesh import AXIS, in_turn, make_mesh, replicated
from jaxcnn.train.dispatch import make_dispatch
from jaxcnn.train.eval_step import make_eval_step
from jaxcnn.train.finite import all_finite, choose_each
from jaxcnn.train.hooks.diagnose import first_nonfinite
from jaxcnn.train.parts import metrics
from jaxcnn.train.parts.losses import make_loss
from jaxcnn.train.seeds import randomness_of
from jaxcnn.train.state import TrainState, create_state, update_ema
from jaxcnn.train.step import make_train_step

SHAPE = (8, 8, 1)


def parts(norm="batch", ema_decay=None, **fields):
    tiny = {"num_classes": 3, "norm": norm, "features": (4,), "hidden": (), "smallest_image": 1}
    model = create_model("lenet5", **tiny | fields)
    tx, loss_fn = optax.sgd(0.1, momentum=0.9), make_loss("softmax")
    state = create_state(model, tx, SHAPE, jax.random.key(0), ema=ema_decay is not None)
    step = make_train_step(apply_fn=model.apply, tx=tx, loss_fn=loss_fn, ema_decay=ema_decay)
    return model, state, step, loss_fn


def get_batch(feed, step, seed=None):
    """Sixteen images that differ with the step, their classes unevenly spread over the batch."""
    image = jax.random.normal(jax.random.fold_in(jax.random.key(7), step), (16, *SHAPE)) + feed
    return {"image": image, "label": jnp.arange(16) // 6}


def run(step, state, devices, *, chunks, rolled=False):
    mesh = make_mesh(jax.devices()[:devices])
    dispatch = make_dispatch(step, get_batch, mesh, rolled=rolled)
    state, sums, feed, key = jax.device_put(
        (state, metrics.zeros(), jnp.float32(0.5), randomness_of(np.uint32(1))), replicated(mesh)
    )
    state, sums = jax.tree.map(jnp.copy, (state, sums))  # donated
    for num_steps in chunks:
        state, sums = in_turn(mesh, dispatch(state, sums, feed, key, num_steps=num_steps))
    return state, metrics.means([sums])


def assert_close(one, other, rtol=2e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6), one, other)


def test_one_step_is_the_gradient_of_the_mean_loss():
    model, state, step, loss_fn = parts(norm="none")
    batch = get_batch(jnp.float32(0), 0)
    new, sums = jax.jit(step)(state, batch, jax.random.key(1))

    def mean_loss(params):
        return jnp.mean(loss_fn(model.apply({"params": params}, batch["image"]), batch["label"]))

    expected = jax.tree.map(lambda p, g: p - 0.1 * g, state.params, jax.grad(mean_loss)(state.params))
    assert_close(new.params, expected)
    assert int(new.step) == 1
    assert metrics.means([sums])["loss"] == pytest.approx(float(mean_loss(state.params)), rel=1e-5)


class TwoHeads(nn.Module):
    """A linear classifier with an auxiliary head."""

    @nn.compact
    def __call__(self, image, *, train=False):
        x = image.reshape(image.shape[0], -1)
        aux = nn.Dense(3, name="aux")(x)
        if train:
            self.sow("aux_logits", "head", aux)
        return nn.Dense(3, name="classifier")(x)


def test_auxiliary_heads_add_their_loss_with_its_weight():
    model, loss_fn, batch = TwoHeads(), make_loss("softmax"), get_batch(jnp.float32(0), 0)
    tx = optax.sgd(1.0)
    state = create_state(model, tx, SHAPE, jax.random.key(0), ema=False)
    moved = {}
    for weight in (0.0, 0.3, 0.6):
        step = make_train_step(apply_fn=model.apply, tx=tx, loss_fn=loss_fn, aux_weight=weight)
        new, _ = jax.jit(step)(state, batch, jax.random.key(1))
        moved[weight] = jax.tree.map(jnp.subtract, new.params, state.params)
    assert_close(moved[0.0]["aux"], jax.tree.map(jnp.zeros_like, moved[0.0]["aux"]))
    assert_close(jax.tree.map(lambda x: 2 * x, moved[0.3]["aux"]), moved[0.6]["aux"])
    assert_close(moved[0.0]["classifier"], moved[0.6]["classifier"])
    assert float(jnp.abs(moved[0.3]["aux"]["kernel"]).max()) > 0


def test_batch_norm_statistics_move_and_evaluation_uses_them():
    model, state, step, loss_fn = parts()
    new, _ = jax.jit(step)(state, get_batch(jnp.float32(3), 0), jax.random.key(1))
    moved = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), state.collections, new.collections)
    assert all(jax.tree.leaves(moved))
    batch = get_batch(jnp.float32(3), 1)
    evaluated = make_eval_step(apply_fn=model.apply, loss_fn=loss_fn)(new, batch)
    logits = model.apply(new.variables, batch["image"], train=False)
    assert float(evaluated["loss"]) == pytest.approx(float(jnp.sum(loss_fn(logits, batch["label"]))), rel=1e-5)


@pytest.mark.parametrize("norm", ["batch", "group", "none"])
def test_devices_do_not_change_the_numbers(norm):
    _, state, step, _ = parts(norm)
    one, one_means = run(step, state, 1, chunks=[1] * 4)
    for devices in (2, 8):
        many, many_means = run(step, state, devices, chunks=[1] * 4)
        assert_close(many.params, one.params)
        assert_close(many.collections, one.collections)
        assert many_means == pytest.approx(one_means, rel=1e-5)


def test_statistics_over_an_explicit_number_of_examples_do_not_depend_on_devices():
    _, state, step, _ = parts(norm_options={"examples": 4})
    one, _ = run(step, state, 1, chunks=[1, 1])
    many, _ = run(step, state, 8, chunks=[1, 1])
    whole, _ = run(parts()[2], state, 1, chunks=[1, 1])
    assert_close(one.params, many.params)
    assert float(jnp.abs(one.params["conv1"]["kernel"] - whole.params["conv1"]["kernel"]).max()) > 1e-5


@pytest.mark.parametrize("rolled", [False, True])
def test_several_steps_in_one_dispatch_are_the_same_steps(rolled):
    _, state, step, _ = parts()
    one, one_means = run(step, state, 2, chunks=[1] * 5)
    many, many_means = run(step, state, 2, chunks=[3, 1, 1], rolled=rolled)
    assert int(many.step) == 5
    assert_close(many.params, one.params)
    assert many_means == pytest.approx(one_means, rel=1e-5)
    assert many_means["examples"] == 5 * 16


def test_unrolled_steps_are_no_loop():
    _, state, step, _ = parts()
    mesh = make_mesh(jax.devices()[:1])
    arguments = (state, metrics.zeros(), jnp.float32(0), randomness_of(np.uint32(0)))

    def loops(num_steps, rolled):
        dispatch = make_dispatch(step, get_batch, mesh, rolled=rolled)
        return dispatch.lower(*arguments, num_steps=num_steps).as_text().count("stablehlo.while")

    assert loops(3, rolled=False) == loops(1, rolled=False) == loops(1, rolled=True)
    assert loops(3, rolled=True) == loops(3, rolled=False) + 1


def test_dropout_is_a_function_of_the_step():
    _, state, step, _ = parts("none", hidden=(8,), dropout_rate=0.5)
    one, other = (run(step, state, 2, chunks=[1, 1])[0] for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_ema_follows_parameters_and_statistics_with_a_warm_up():
    _, state, step, _ = parts(ema_decay=0.99)
    new, _ = jax.jit(step)(state, get_batch(jnp.float32(3), 0), jax.random.key(1))
    expected = jax.tree.map(lambda old, new: 0.1 * old + 0.9 * new, state.ema, new.variables)
    assert_close(new.ema, expected)
    assert new.eval_variables is new.ema
    late = update_ema({"a": jnp.ones(1)}, {"a": jnp.zeros(1)}, jnp.int32(10**6), 0.99)
    assert float(late["a"][0]) == pytest.approx(0.99)


def test_bfloat16_computes_in_bfloat16_and_keeps_the_state_in_float32():
    _, state, step, _ = parts(dtype=jnp.bfloat16)
    new, _ = jax.jit(step)(state, get_batch(jnp.float32(0), 0), jax.random.key(1))
    floats = {leaf.dtype for leaf in jax.tree.leaves(new) if jnp.issubdtype(leaf.dtype, jnp.floating)}
    assert floats == {jnp.dtype("float32")}
    reference, _ = jax.jit(parts()[2])(state, get_batch(jnp.float32(0), 0), jax.random.key(1))
    gap = float(jnp.abs(new.params["conv1"]["kernel"] - reference.params["conv1"]["kernel"]).max())
    moved = float(jnp.abs(state.params["conv1"]["kernel"] - reference.params["conv1"]["kernel"]).max())
    assert 0 < gap < 0.1 * moved


@pytest.mark.parametrize("choose", [choose_whole, choose_each])
def test_running_statistics_that_overflow_are_not_finite(choose):
    """Such a norm gives zeros: loss and gradient are finite, and only what evaluation would use is not."""
    model, state, _, loss_fn = parts()
    step = make_train_step(
        apply_fn=model.apply, tx=optax.sgd(0.1, momentum=0.9), loss_fn=loss_fn, on_nonfinite="stop", choose=choose
    )
    batch = get_batch(0.0, 0)
    batch["image"] *= 1e22
    kept, sums = jax.jit(step)(state, batch, jax.random.key(0))
    assert int(sums["nonfinite"]) == 1
    jax.tree.map(np.testing.assert_array_equal, kept, state)
    found = first_nonfinite(model.apply, loss_fn, state.variables, batch, jax.random.key(0))
    assert found == "the running statistics of norm1"


@pytest.mark.parametrize("choose", [choose_whole, choose_each])
def test_an_update_that_is_not_finite_changes_nothing(choose):
    model, state, _, loss_fn = parts()
    step = make_train_step(
        apply_fn=model.apply, tx=optax.sgd(np.inf), loss_fn=loss_fn, on_nonfinite="skip", choose=choose
    )
    kept, sums = jax.jit(step)(state, get_batch(0.0, 0), jax.random.key(0))
    assert int(sums["nonfinite"]) == 1
    jax.tree.map(np.testing.assert_array_equal, kept.params, state.params)
    assert int(kept.step) == 1


@pytest.mark.parametrize("hidden", [(), (2**10,)], ids=["small", "large"])
@pytest.mark.parametrize("choose", [choose_whole, choose_each])
def test_a_gradient_whose_square_overflows_changes_nothing(choose, hidden):
    """Adam would keep an infinite average of squares, which holds its parameter still for ever."""
    model, state, _, loss_fn = parts(norm="none", act="relu", hidden=hidden)
    step = make_train_step(
        apply_fn=model.apply, tx=optax.adam(0.1), loss_fn=loss_fn, on_nonfinite="skip", choose=choose
    )
    state = state.replace(opt_state=optax.adam(0.1).init(state.params))
    batch = get_batch(0.0, 0)
    batch["image"] *= 1e22
    gradients = jax.grad(
        lambda params: jnp.mean(loss_fn(model.apply({"params": params}, batch["image"]), batch["label"]))
    )
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients(state.params)))
    kept, sums = jax.jit(step)(state, batch, jax.random.key(0))
    assert int(sums["nonfinite"]) == 1
    jax.tree.map(np.testing.assert_array_equal, (kept.params, kept.opt_state), (state.params, state.opt_state))


def test_what_is_not_finite_in_a_loop_is_named_with_the_layer_behind_it():
    model = create_model("resnet1202", num_classes=3, stage_sizes=(3, 1, 1), features=4)
    image = jnp.ones((2, 8, 8, 3))
    variables = jax.jit(model.init)(jax.random.key(0), image)
    batch = {"image": image, "label": jnp.zeros(2, jnp.int32)}
    kernel = variables["params"]["stage1_rest"]["conv2"]["kernel"]
    variables["params"]["stage1_rest"]["norm2"]["scale"] = jnp.full((2, 4), 3e38)
    variables["params"]["stage1_rest"]["conv2"]["kernel"] = kernel * 1e18
    found = first_nonfinite(model.apply, make_loss("softmax"), variables, batch, jax.random.key(0))
    assert found == "the output of stage1_rest or stage2_block1/conv1"


@pytest.mark.parametrize("place", ["gradients", "updates", "statistics"])
@pytest.mark.parametrize("shape", [(3,), (2**13,), (2**13, 1), (3, 3, 32, 64)])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.0])
def test_one_number_in_an_array_of_any_size_makes_a_step_not_finite(place, shape, value):
    """Small arrays are looked at together, large ones one by one; infinities of both signs do not cancel."""
    good = {"small": jnp.ones(3), "large": jnp.ones((128, 64)), "half": jnp.ones(2, jnp.bfloat16)}
    trees = {place: good | {"other": jnp.ones(shape)} for place in ("gradients", "updates", "statistics")}
    middle = tuple(length // 2 for length in shape)
    trees[place]["other"] = trees[place]["other"].at[middle].set(value).at[*middle[:-1], 0].set(abs(value))
    gradients, *further = trees.values()
    found = jax.jit(all_finite)(gradients, *further), jax.jit(finite_by_rows)((gradients, further[0]), further[1])
    assert [bool(finite) for finite in found] == [np.isfinite(value)] * 2


def test_what_dropout_leaves_out_changes_from_step_to_step():
    _, state, step, _ = parts("none", hidden=(8,), dropout_rate=0.5)
    batch, key, step = get_batch(jnp.float32(0), 0), jax.random.key(1), jax.jit(step)
    first, second = (float(step(state.replace(step=jnp.int32(at)), batch, key)[1]["loss"]) for at in (0, 1))
    assert first != second


class OneHeadTwice(nn.Module):
    """A linear classifier whose auxiliary head sows its logits under so many names."""

    names: tuple[str, ...]

    @nn.compact
    def __call__(self, image, *, train=False):
        x = image.reshape(image.shape[0], -1)
        aux = nn.Dense(3, name="aux")(x)
        for name in self.names if train else ():
            self.sow("aux_logits", name, aux)
        return nn.Dense(3, name="classifier")(x)


def test_the_losses_of_auxiliary_heads_are_added_not_averaged():
    moved, tx = {}, optax.sgd(1.0)
    for names in (("one",), ("one", "two")):
        model = OneHeadTwice(names)
        state = create_state(model, tx, SHAPE, jax.random.key(0), ema=False)
        step = make_train_step(apply_fn=model.apply, tx=tx, loss_fn=make_loss("softmax"), aux_weight=0.3)
        new, _ = jax.jit(step)(state, get_batch(jnp.float32(0), 0), jax.random.key(1))
        moved[len(names)] = new.params["aux"]["kernel"] - state.params["aux"]["kernel"]
    assert_close(2 * moved[1], moved[2])


def test_the_weight_of_a_moving_average_after_five_updates():
    after = update_ema({"params": jnp.ones(1)}, {"params": jnp.zeros(1)}, jnp.int32(5), decay=0.99)
    assert float(after["params"][0]) == pytest.approx(6 / 15)


def test_each_part_of_a_batch_drops_units_of_its_own():
    def drawn(variables, image, *, rngs, **_):
        return jnp.full((len(image), 3), jax.random.uniform(rngs["dropout"])) + 0 * variables["params"], {}

    tx, key = optax.sgd(0.1), jax.random.key(1)
    step = make_train_step(apply_fn=drawn, tx=tx, loss_fn=lambda logits, label: logits[:, 0], accumulate_steps=2)
    params = jnp.zeros(())
    state = TrainState(step=jnp.int32(3), params=params, collections={}, opt_state=tx.init(params), ema=None)
    _, sums = jax.jit(step)(state, {"image": jnp.zeros((16, 1)), "label": jnp.zeros(16, jnp.int32)}, key)
    each = [jax.random.uniform(jax.random.fold_in(jax.random.fold_in(key, 3), part)) for part in (0, 1)]
    assert float(sums["loss"]) == pytest.approx(8 * float(sum(each)))


class Remembering(nn.Module):
    """A classifier with collections of its own: the mean of its inputs, and how often it was trained."""

    @nn.compact
    def __call__(self, image, *, train):
        x = image.reshape(image.shape[0], -1)
        mean = self.variable("seen", "mean", jnp.zeros, (1, x.shape[-1]))
        calls = self.variable("counts", "calls", jnp.zeros, (), jnp.int32)
        self.sow("looked_at", "image", image)
        if train and not self.is_initializing():
            mean.value, calls.value = jnp.mean(x, axis=0, keepdims=True), calls.value + 1
            x = x + jax.random.normal(self.make_rng("noise"), x.shape)
        return nn.Dense(3)(x - mean.value)


@pytest.mark.parametrize("accumulate_steps", [1, 2])
def test_every_collection_of_a_net_is_kept_and_it_may_draw_from_a_stream_of_its_own(accumulate_steps):
    model, tx, batch = Remembering(), optax.sgd(0.1), get_batch(jnp.float32(0), 0)
    state = create_state(model, tx, SHAPE, jax.random.key(0), ema=True)
    assert set(state.collections) == {"seen", "counts"}  # and nothing that is sown
    step = make_train_step(
        apply_fn=model.apply, tx=tx, loss_fn=make_loss("softmax"), ema_decay=0.9, on_nonfinite="skip",
        accumulate_steps=accumulate_steps,
    )  # fmt: skip
    new, sums = jax.jit(step)(state, batch, jax.random.key(1))
    assert int(new.collections["counts"]["calls"]) == int(new.ema["counts"]["calls"]) == accumulate_steps
    part = batch["image"].reshape(16 // accumulate_steps, accumulate_steps, -1)[:, -1]
    assert_close(new.collections["seen"]["mean"][0], jnp.mean(part, axis=0))
    other = jax.jit(step)(state, batch, jax.random.key(2))[1]
    assert float(other["loss"]) != float(sums["loss"])
    evaluated = jax.jit(make_eval_step(apply_fn=model.apply, loss_fn=make_loss("softmax")))(new, batch)
    assert int(evaluated["examples"]) == 16


def test_where_devices_have_parts_of_a_batch_what_a_net_keeps_is_their_mean():
    model, tx, loss_fn = Remembering(), optax.sgd(0.1), make_loss("softmax")
    state = create_state(model, tx, SHAPE, jax.random.key(0), ema=False)
    step = make_train_step(apply_fn=model.apply, tx=tx, loss_fn=loss_fn, axis_name=AXIS)
    mesh = make_mesh(jax.devices()[:2])
    dispatch = make_dispatch(step, get_batch, mesh, rolled=False, mapped=True)
    new, _ = dispatch(state, metrics.zeros(), jnp.float32(0), randomness_of(np.uint32(1)), num_steps=1)
    image = get_batch(jnp.float32(0), 0)["image"].reshape(16, -1)
    assert_close(new.collections["seen"]["mean"][0], jnp.mean(image, axis=0))
    assert int(new.collections["counts"]["calls"]) == 1


def test_what_is_evaluated_is_the_moving_average():
    model, state, _, loss_fn = parts("none", ema_decay=0.9)
    evaluate = make_eval_step(apply_fn=model.apply, loss_fn=loss_fn)
    batch, other = get_batch(jnp.float32(0), 0), state.replace(params=jax.tree.map(jnp.zeros_like, state.params))
    assert float(evaluate(other, batch)["loss"]) == float(evaluate(state, batch)["loss"])
    assert float(evaluate(other.replace(ema=None), batch)["loss"]) != float(evaluate(state, batch)["loss"])


def test_the_size_of_a_step_does_not_grow_with_the_parts_of_its_batch():
    model, state, _, loss_fn = parts()
    batch, key, tx = get_batch(jnp.float32(0), 0), jax.random.key(1), optax.sgd(0.1, momentum=0.9)

    def size(accumulate_steps):
        step = make_train_step(apply_fn=model.apply, tx=tx, loss_fn=loss_fn, accumulate_steps=accumulate_steps)
        return len(jax.jit(step).lower(state, batch, key).as_text().splitlines())

    assert size(8) == size(4) == size(2)
