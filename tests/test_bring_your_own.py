"""A tour: everything that a run is made of may be somebody's own, and nothing else has to change for it.

Each run below has one part that the package has never seen. It trains on two devices, is interrupted, and goes on to
the same bits as one that was not; where a part can be spread by hand too, under pmap as under jit.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import jaxcnn
from jaxcnn import Batches, Preempted, UserError, base_config, make_run

RANDOM = np.random.default_rng(0)
LABELS = np.arange(40) % 3
IMAGES = np.clip(RANDOM.normal(60 * LABELS[:, None, None, None] + 60, 30, (40, 6, 6, 3)), 0, 255).astype(np.uint8)
DATA = {"train": (IMAGES[:30], LABELS[:30]), "test": (IMAGES[30:], LABELS[30:])}


def config(**changes):
    base = base_config()
    base.update_from_flattened_dict(
        {"batch_size": 8, "eval_batch_size": 8, "total_steps": 6, "log_every": "2 steps", "eval_every": "3 steps"}
        | {"checkpoint_every": "3 steps", "tensorboard": False, "progress": False, "optimizer.learning_rate": 0.05}
        | {"model.name": "mlp1"}
        | changes
    )
    return base


@pytest.fixture(autouse=True)
def jax_as_users_have_it():
    with jax.numpy_rank_promotion("allow"):
        yield


# A linen module with a collection of its own: it estimates the largest singular value of its kernel by a power
# iteration, one turn each training step, and divides by it (Miyato et al., arXiv:1802.05957).


class SpectralDense(nn.Module):
    features: int

    @nn.compact
    def __call__(self, x, *, train):
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (x.shape[-1], self.features))
        u = self.variable("spectral", "u", jnp.ones, (self.features,))
        v = kernel @ u.value
        turned = (v / jnp.linalg.norm(v)) @ kernel
        sigma = jnp.linalg.norm(turned)
        if train:
            u.value = jax.lax.stop_gradient(turned / sigma)
        return x @ kernel / sigma


class SpectralNet(nn.Module):
    num_classes: int

    @nn.compact
    def __call__(self, image, *, train=False):
        x = nn.tanh(SpectralDense(8)(image.reshape(image.shape[0], -1), train=train))
        x = nn.Dropout(0.2, deterministic=not train)(x)
        return SpectralDense(self.num_classes)(x, train=train)


# An NNX module, through flax's bridge: with batch norm and dropout.


class NnxNet(nnx.Module):
    def __init__(self, num_classes, rngs):
        self.norm = nnx.BatchNorm(108, rngs=rngs)
        self.dropout = nnx.Dropout(0.2, rngs=rngs)
        self.dense = nnx.Linear(108, num_classes, rngs=rngs)

    def __call__(self, image, *, train=False):
        x = self.norm(image.reshape(image.shape[0], -1), use_running_average=not train)
        return self.dense(self.dropout(x, deterministic=not train))


# A loss, and a metric.


def focal(logits, label):
    """Examples that are learnt weigh less (Lin et al., arXiv:1708.02002)."""
    share = jnp.take_along_axis(jax.nn.softmax(logits), label[:, None], axis=1)[:, 0]
    return -((1 - share) ** 2) * jnp.log(share)


def margin(logits, label):
    """By how much the right class leads the next one."""
    right = jnp.take_along_axis(logits, label[:, None], axis=1)[:, 0]
    others = jnp.where(jax.nn.one_hot(label, logits.shape[-1]) > 0, -jnp.inf, logits)
    return right - others.max(axis=-1)


# An optax chain: the first layer learns at a hundredth of the rate of the others, and never more than so much at once.


def by_layer(params):
    speeds = {name: "slow" if name == "SpectralDense_0" else "fast" for name in params}
    return {name: jax.tree.map(lambda _, speed=speeds[name]: speed, tree) for name, tree in params.items()}


CHAIN = optax.chain(
    optax.clip_by_global_norm(1.0),
    optax.multi_transform({"slow": optax.sgd(1e-3), "fast": optax.adam(1e-1)}, by_layer),
)


# Data that make their own batches: float images of five channels, several labels each, in an order of their own.

FIVE = RANDOM.normal(size=(30, 4, 4, 5))
SEVERAL = (FIVE.mean(axis=(1, 2)) > 0)[:, :3].astype(np.float32)


def batch_at(step):
    chosen = np.random.default_rng(step).permutation(30)[:8]
    return {"image": FIVE[chosen], "label": SEVERAL[chosen]}


BATCHES = Batches(
    train=batch_at,
    val=[{"image": FIVE[:7], "label": SEVERAL[:7]}, {"image": FIVE[7:12], "label": SEVERAL[7:12]}],
    examples={"train": 30, "val": 12},
    class_names=("round", "red", "ripe"),
)


def all_right(logits, label):
    """Whether every label of an image is."""
    return jnp.all((logits > 0) == (label > 0), axis=-1)


# A training step: sharpness-aware minimisation takes its gradient where the loss is highest nearby, and so two of them
# (Foret et al., arXiv:2010.01412).

NET, SGD = SpectralNet(num_classes=3), optax.sgd(0.05, momentum=0.9)


def sharpness_aware(state, batch, key):
    key = jax.random.fold_in(key, state.step)

    def loss(params):
        variables, rngs = {"params": params, **state.collections}, {"dropout": key}
        logits, kept = NET.apply(variables, batch["image"], train=True, mutable=["spectral"], rngs=rngs)
        return focal(logits, batch["label"]).mean(), (kept, logits)

    uphill, _ = jax.grad(loss, has_aux=True)(state.params)
    size = optax.tree.norm(uphill)
    above = jax.tree.map(lambda param, slope: param + 0.05 * slope / size, state.params, uphill)
    (value, (kept, logits)), gradient = jax.value_and_grad(loss, has_aux=True)(above)
    updates, opt_state = SGD.update(gradient, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    count = len(batch["label"])
    right = jnp.sum(logits.argmax(axis=-1) == batch["label"])
    state = state.replace(step=state.step + 1, params=params, collections=kept, opt_state=opt_state)
    return state, {"loss": value * count, "accuracy": right, "examples": jnp.int32(count)}


# A norm and an activation, in a net of ours.


class RMSNorm(nn.Module):
    @nn.compact
    def __call__(self, x):
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        return x * scale / jnp.sqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1e-6)


def bent(x):
    return jnp.sin(x) + x / 2


SPECTRAL = {"model": SpectralNet, "data": DATA}
RUNS = {
    "linen module": SPECTRAL,
    "NNX module": {"model": nnx.bridge.ToLinen(NnxNet, kwargs={"num_classes": 3}), "data": DATA},
    "norm and activation": {"norm": RMSNorm, "act": bent, "data": DATA},
    "optimizer, loss and metric": {"tx": CHAIN, "loss_fn": focal, "metrics": {"margin": margin}, **SPECTRAL},
    "batches": {"data": BATCHES, "metrics": {"all_right": all_right}},
    "step": {"step": sharpness_aware, "tx": SGD, "loss_fn": focal, "model": NET, "data": DATA},
}
CHANGES = {
    "batches": {"loss.name": "binary"},
    "norm and activation": {"model.name": "resnet20", "model.fields": {"stage_sizes": [1]}, "model.norm": "group"},
}
CASES = [(name, "jit") for name in RUNS] + [(name, "pmap") for name in RUNS if name != "step"]


@dataclasses.dataclass
class PauseAt:
    """A hook that interrupts the run at a step, as a signal does."""

    step: int

    def start(self, training):
        self.training = training

    def stepped(self, step):
        if step == self.step:
            self.training.pause()


def run_of(name, parallel="jit"):
    return make_run(config(parallel=parallel, **CHANGES.get(name, {})), devices=jax.devices()[:2], **RUNS[name])


@pytest.mark.parametrize(("name", "parallel"), CASES)
def test_a_run_with_a_part_of_ones_own_goes_on_to_the_same_bits(tmp_path, name, parallel):
    run = run_of(name, parallel)
    whole = jaxcnn.train(run, tmp_path / "whole")
    with pytest.raises(Preempted, match="preempted at step 4"):
        jaxcnn.train(run, tmp_path / "parts", hooks=[PauseAt(4)])
    resumed = jaxcnn.train(run, tmp_path / "parts")
    jax.tree.map(np.testing.assert_array_equal, resumed.state, whole.state)
    assert resumed.test == whole.test
    assert [row["step"] for row in resumed.history] == [2, 3, 4, 6, 6, 6]
    first = run.init_state()
    moved = jax.tree.map(
        lambda a, b: bool((a != b).any()),
        (first.params, first.collections),
        (whole.state.params, whole.state.collections),
    )
    assert all(jax.tree.leaves(moved))  # whatever the net keeps has been kept


def test_what_is_ones_own_does_what_it_says(tmp_path):
    """Layers of the chain move at their rates; the share of images whose labels are all right is of all examples."""
    run = run_of("optimizer, loss and metric")
    params = jaxcnn.train(run, tmp_path / "chain").state.params
    moved = {
        name: float(jnp.abs(params[name]["kernel"] - kernel["kernel"]).max())
        for name, kernel in run.init_state().params.items()
    }
    assert 0 < moved["SpectralDense_0"] < 0.02 * moved["SpectralDense_1"]
    run = run_of("batches")
    state, test = (result := jaxcnn.train(run, tmp_path / "batches")).state, result.test
    logits = run.model.apply(state.variables, jnp.float32(FIVE[:12]))
    assert test["test/all_right"] == pytest.approx(float(all_right(logits, SEVERAL[:12]).mean()))
    assert test["test/examples"] == 12


class StopEarly:
    """Ends the run once a metric has not been better for so many evaluations."""

    def __init__(self, key, patience):
        self.key, self.patience = key, patience

    def start(self, training):
        self.training = training

    def evaluated(self, step, values):
        rows = [row[self.key] for row in self.training.history if self.key in row]
        if len(rows) - 1 - rows.index(max(rows)) >= self.patience:
            self.training.stop(f"{self.key} was best {self.patience} evaluations ago")


def test_a_hook_ends_the_run_which_is_finished_then(tmp_path, capsys):
    settings = config(eval_every="1 step", **{"optimizer.learning_rate": 0.0})  # nothing gets better
    stop = {"hooks": [StopEarly("val/accuracy", 2)], "data": DATA}
    whole = jaxcnn.train_and_evaluate(settings, tmp_path / "whole", **stop)
    tmp_path /= "parts"
    with pytest.raises(Preempted):
        jaxcnn.train_and_evaluate(settings, tmp_path, **{**stop, "hooks": [*stop["hooks"], PauseAt(2)]})
    found = jaxcnn.train_and_evaluate(settings, tmp_path, **stop)
    jax.tree.map(np.testing.assert_array_equal, found.state, whole.state)  # the momentum grows, at a rate of 0 too
    assert found.test == whole.test
    assert int(found.state.step) == 3  # of which the first two were before the interruption
    assert "the run ends at step 3: val/accuracy was best 2 evaluations ago" in capsys.readouterr().out
    again = jaxcnn.train_and_evaluate(settings, tmp_path, **stop)
    assert (again.test, again.history) == (found.test, found.history)
    assert "is finished: it has ended at step 3 of 6: val/accuracy was best" in capsys.readouterr().out


def test_what_was_handed_over_is_known_by_the_folder(tmp_path):
    given = {"model": SpectralNet, "data": DATA, "loss_fn": focal}
    result = jaxcnn.train_and_evaluate(config(total_steps=2), tmp_path, **given)
    with pytest.raises(UserError, match=r"model handed over in Python \(.*SpectralNet -> None\)"):
        jaxcnn.train_and_evaluate(config(total_steps=3), tmp_path, data=DATA, loss_fn=focal)
    with pytest.raises(UserError, match=r"was given in Python its model, .*:SpectralNet: load_run\(..., model=...\)"):
        jaxcnn.load_run(tmp_path)
    with pytest.raises(
        UserError, match=r"does not fit the weights: params/SpectralDense_1/kernel is .8, 3., and should"
    ):
        jaxcnn.load_run(tmp_path, model=SpectralNet(num_classes=4))
    model, variables, card = jaxcnn.load_run(tmp_path, model=SpectralNet)
    jax.tree.map(np.testing.assert_array_equal, variables, result.state.variables)
    assert card["given"] == {"model": f"{__name__}:SpectralNet", "loss_fn": f"{__name__}:focal", "data": "train, test"}
    assert model.apply(variables, jnp.zeros((1, 6, 6, 3))).shape == (1, 3)


def test_a_norm_and_an_activation_that_were_handed_over_are_asked_for_again(tmp_path):
    run = run_of("norm and activation")
    result = jaxcnn.train(run, tmp_path)
    asks = r"in Python its norm, .*:RMSNorm and act, .*create_model\(..., norm=..., act=...\)"
    with pytest.raises(UserError, match=asks):
        jaxcnn.load_run(tmp_path)
    net = jaxcnn.create_model("resnet20", num_classes=3, stage_sizes=(1,), norm=RMSNorm, act=bent)
    model, variables, card = jaxcnn.load_run(tmp_path, "latest", model=net)
    assert model == run.model
    jax.tree.map(np.testing.assert_array_equal, variables, result.state.variables)
    assert card["given"] == {"norm": f"{__name__}:RMSNorm", "act": f"{__name__}:bent", "data": "train, test"}


def test_names_that_are_handed_over_for_the_net_stand_in_the_config():
    words = {"model": "resnet20", "norm": f"{__name__}:RMSNorm", "act": "gelu"}
    run = make_run(config(**{"model.fields": {"stage_sizes": [1]}}), data=DATA, **words)
    assert run.given.keys() == {"data"}
    assert [run.config.model[key] for key in ("name", "norm", "act")] == list(words.values())
    with pytest.raises(UserError, match="unknown norm 'grup': did you mean group"):
        make_run(config(), data=DATA, norm="grup")


class NoisyNet(nn.Module):
    """Draws random numbers in evaluation too."""

    @nn.compact
    def __call__(self, x, *, train):
        x = x.reshape(len(x), -1)
        return nn.Dense(3)(x + jax.random.normal(self.make_rng("noise"), x.shape))


@pytest.mark.parametrize(
    ("parts", "changes", "says"),
    [
        (
            {"loss_fn": lambda logits, label: logits},
            {},
            r"gives an array of shape \(8, 3\): it must give one number for",
        ),
        (
            {"loss_fn": lambda logits: logits},
            {},
            r"the loss, .*, cannot take float32\[8, 3\] and int32\[8\]: TypeError",
        ),
        ({"metrics": {"mine": lambda logits, label: logits[:, 7:]}}, {}, r"metric mine gives an array of shape"),
        ({"tx": 0.1}, {}, "tx is builtins:float: it must be an optax.GradientTransformation"),
        ({"schedule": lambda step: jnp.ones(2) * step}, {}, "schedule .* must map a step to a learning rate"),
        ({"step": lambda state, batch, key: state}, {}, r"step .* must return \(state, sums\)"),
        ({"step": lambda state, batch, key: (state, {"loss": 0})}, {}, "as loss, accuracy, examples"),
        ({"step": sharpness_aware}, {"parallel": "pmap"}, "parallel is pmap: a training step of your own is spread by"),
        ({"model": lambda: None}, {}, "it must make a flax.linen.Module"),
        ({"model": NoisyNet}, {}, "NoisyNet fails under train=False: .*noise.*; random numbers are for training only"),
        ({"augment": lambda draw, images, labels: images}, {}, "augment"),
        ({"data": BATCHES, "augment": lambda *batch: batch[1:]}, {}, "augment is given"),
        (
            {"data": BATCHES},
            {"data.augment": "flip"},
            "data.augment has flip: data that make their own batches augment",
        ),
        (
            {"data": dataclasses.replace(BATCHES, train=lambda step: {"image": FIVE[:8]})},
            {},
            "must be a dict of image and",
        ),
        ({"data": dataclasses.replace(BATCHES, train=lambda step: DATA["train"])}, {}, "is tuple: it must be a dict"),
        (
            {"data": dataclasses.replace(BATCHES, train=lambda step: batch_at(step) | {"age": 1})},
            {},
            "train.0. has age",
        ),
    ],
)
def test_a_part_that_does_not_fit_is_one_line(parts, changes, says):
    with pytest.raises(UserError, match=says) as caught:
        make_run(config(**changes), devices=jax.devices()[:2], **{"data": DATA} | parts)
    assert "\n" not in str(caught.value)


def test_batches_that_are_not_what_they_say(tmp_path):
    data = dataclasses.replace(BATCHES, examples={"train": 30, "val": 13})
    with pytest.raises(UserError, match="val has other than 13 examples, which examples says"):
        jaxcnn.train_and_evaluate(config(**{"loss.name": "binary"}), tmp_path, data=data, metrics={"all": all_right})
    with pytest.raises(UserError, match="examples has no val"):
        Batches(train=batch_at, val=[], examples={"train": 1}, class_names=())


def test_a_hook_may_be_named_by_the_config(tmp_path, capsys):
    settings = config(hooks=(f"{__name__}:PatientAtLast",), **{"optimizer.learning_rate": 0.0, "eval_every": "1 step"})
    assert int(jaxcnn.train_and_evaluate(settings, tmp_path, data=DATA).state.step) == 3
    settings.hooks = (f"{__name__}:PauseAt",)
    with pytest.raises(UserError, match="PauseAt is made without arguments, and needs 1"):
        jaxcnn.train_and_evaluate(settings, tmp_path / "other", data=DATA)


class PatientAtLast(StopEarly):
    def __init__(self):
        super().__init__("val/accuracy", 2)
