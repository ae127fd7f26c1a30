"""Our contender: the trainer's own step, on a batch that is on the device."""

import contextlib
import functools
import math
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcnn import runtime
from jaxcnn.accel.accelerate import accelerate
from jaxcnn.accel.fold import fold_batch_norm
from jaxcnn.accel.platform import chooser, default_platform
from jaxcnn.accel.remat import rematerialize
from jaxcnn.commands.steps.work import AUX_WEIGHT, LEARNING_RATE, MOMENTUM, Work
from jaxcnn.config import base_config
from jaxcnn.errors import UserError
from jaxcnn.models import create_model
from jaxcnn.train.devices.mesh import in_turn, make_mesh
from jaxcnn.train.parts.losses import make_loss
from jaxcnn.train.parts.optimizers import OptimizerSettings, make_optimizer
from jaxcnn.train.settings import PRECISIONS
from jaxcnn.train.state import TrainState, create_state
from jaxcnn.train.step import make_train_step
from jaxcnn.types import Array, Variables

_PROBES = 4
"""Number of steps that are timed one by one, and of sequences of as many steps that are timed as a whole."""


class Ours:
    """The jitted step of a work, compiled when made."""

    def __init__(self, work: Work) -> None:
        self.work = work
        steps, init = _made(work)
        self.plain = steps("")
        self.batch = _batch(work)
        self.key = jax.random.key(1)
        self.mesh = make_mesh(jax.devices()[:1])
        began = time.perf_counter()
        lowered = _lower(work, steps(_forms()), init)
        self.trace_s = time.perf_counter() - began
        self.compiled = lowered.compile()
        self.compile_s = time.perf_counter() - began - self.trace_s
        self.state = jax.block_until_ready(init())
        self.step_s = min(self._timed(1), self._timed(2))

    def take(self, seconds: float) -> int:
        """See `Contender`."""
        steps = max(1, round(seconds / self.step_s))
        self.step_s = self._timed(steps)
        return steps * self.work.batch_size

    def _timed(self, steps: int) -> float:
        """Returns the seconds per step, of this number of steps in sequence."""
        began = time.perf_counter()
        for _ in range(steps):
            result = self._step()
        jax.block_until_ready(result)
        return (time.perf_counter() - began) / steps

    def _step(self) -> Any:
        """Starts a step on the device, and returns its result. As in training, it waits for it on a CPU."""
        return in_turn(self.mesh, self._begin())

    def _begin(self) -> Any:
        result = self.compiled(self.state, self.batch, self.key)
        if self.work.train:
            self.state = result[0]
        return result

    def facts(self) -> dict[str, object]:
        """See `Contender`."""
        device = jax.devices()[0]
        memory: Any = self.compiled.memory_analysis()
        device_memory = device.memory_stats() or {}
        waits = self._waits()  # before the ceilings, which fragment the memory of steps
        return {
            "versions": {"jax": jax.__version__},
            "device": device.device_kind if device.platform != "cpu" else "cpu",
            "settings": {name: text for name, text in runtime.settings().items() if name != "compilation cache"},
            "trace_s": self.trace_s,
            "compile_s": self.compile_s,
            "flop": _flop(self.plain, self.state, self.batch, self.key),
            "ceiling_flop_s": ceiling(self.work.precision),
            "bytes": dict(self.compiled.cost_analysis() or {}).get("bytes accessed"),
            "ceiling_bytes_s": memory_ceiling(),
            "waits": waits,
            "memory": {
                "state": memory.argument_size_in_bytes - sum(leaf.nbytes for leaf in jax.tree.leaves(self.batch)),
                "donated": memory.alias_size_in_bytes,
                "temporary": memory.temp_size_in_bytes,
                "device_peak": device_memory.get("peak_bytes_in_use"),
            },
        }

    def _waits(self) -> float:
        """Returns the share of a step in which the device waits for the host, in a sequence of steps.

        The device's time is that from the end of a call to its result, of a single step. A step in a sequence takes
        longer if the device waits. Of both times the least of several is taken. A sequence is longer than a step, so
        noise appears as waiting. A CPU starts a step when the last one is done; there the result is the host's share.
        """
        alone, in_a_row = [], []
        for _ in range(_PROBES):
            result = self._begin()
            called = time.perf_counter()
            jax.block_until_ready(result)
            alone.append(time.perf_counter() - called)
            in_a_row.append(self._timed(_PROBES))
        device, step = min(alone), min(in_a_row)
        return max(0.0, 1 - device / step) if device > 0.1 * step else math.nan


def lower_step(work: Work) -> jax.stages.Lowered:
    """Returns the step of a work, traced: (state, batch, key) -> (state, metrics), or logits without training."""
    steps, init = _made(work)
    return _lower(work, steps(_forms()), init)


Step: TypeAlias = Callable[..., Any]
"""(state, batch, key) -> (state, metrics); or, for inference, (variables, batch, key) -> logits."""
Init: TypeAlias = Callable[[], Any]
"""Makes the state for the first step."""
Steps: TypeAlias = Callable[[str], Step]
"""Makes the step, to be jitted, in the forms of a platform; for "", the plain step."""


def _made(work: Work) -> tuple[Steps, Init]:
    return _training(work) if work.train else _inference(work)


def _lower(work: Work, step: Step, init: Init) -> jax.stages.Lowered:
    shape = (work.batch_size, *work.image_shape)
    batch = {
        "image": jax.ShapeDtypeStruct(shape, jnp.float32),
        "label": jax.ShapeDtypeStruct(shape[:1], jnp.int32),
    }
    state, key = jax.eval_shape(lambda: (init(), jax.random.key(1)))
    return jax.jit(step, donate_argnums=0 if work.train else ()).lower(state, batch, key)


def _training(work: Work) -> tuple[Steps, Init]:
    """Returns functions that make the step and the first state."""
    model, tx = _model(work), _optimizer()

    def step(forms: str) -> Step:
        apply_fn = accelerate(model.apply, forms)
        return make_train_step(
            apply_fn=rematerialize(apply_fn) if work.remat else apply_fn,
            tx=tx,
            loss_fn=make_loss("softmax"),
            aux_weight=AUX_WEIGHT,
            on_nonfinite=base_config().on_nonfinite,
            choose=chooser(forms),
        )

    return step, jax.jit(functools.partial(_create, work, tx))


def _inference(work: Work) -> tuple[Steps, Init]:
    """Returns the same for inference, with batch norms folded, if there are any."""
    apply_fn = _model(work).apply
    variables = jax.jit(functools.partial(_create, work, optax.identity()))().variables
    with contextlib.suppress(UserError):  # no batch norm can be folded
        apply_fn, variables = fold_batch_norm(apply_fn, variables, work.image_shape)

    def step(forms: str) -> Step:
        apply = accelerate(apply_fn, forms)

        def infer(variables: Variables, batch: dict[str, Array], _key: Array) -> Array:
            return apply(variables, batch["image"], train=False)

        return infer

    return step, lambda: variables


def _forms() -> str:
    """Returns the platform of jax's default device; "" if `JAXCNN_TUNING` is off."""
    return default_platform() if runtime.tuned() else ""


def _create(work: Work, tx: optax.GradientTransformation) -> TrainState:
    return create_state(_model(work), tx, work.image_shape, jax.random.key(0), ema=False)


def _model(work: Work) -> Any:
    return create_model(
        work.model, num_classes=work.num_classes, stem=work.stem, dtype=PRECISIONS[work.precision], **work.fields
    )


def _optimizer() -> optax.GradientTransformation:
    settings = base_config().optimizer.to_dict() | {"momentum": MOMENTUM}
    return make_optimizer(OptimizerSettings(**settings), optax.constant_schedule(LEARNING_RATE))


def _batch(work: Work) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    image = rng.normal(size=(work.batch_size, *work.image_shape)).astype(np.float32)
    label = rng.integers(0, work.num_classes, work.batch_size).astype(np.int32)
    return jax.device_put({"image": image, "label": label})


def _flop(step: Step, *arguments: Any) -> float:
    """Returns the floating-point operations of a plain step, by XLA's count. Nothing is compiled."""
    cost: Any = jax.jit(step).lower(*arguments).cost_analysis()
    return float(cost["flops"])


def ceiling(precision: str) -> float:
    """Returns the most operations per second of a product of two square matrices on the default device."""
    return _measured_ceiling(precision, size=2048 if jax.default_backend() == "cpu" else 8192, seconds=1.0)


def memory_ceiling() -> float:
    """Returns the most bytes per second, read and written, of adding 1 to a large array."""
    return _measured_memory(2**28 if jax.default_backend() == "cpu" else 2**30, seconds=0.5)


def _measured_memory(size: int, *, seconds: float) -> float:
    array = jnp.zeros(size // 4, jnp.float32)
    add = jax.jit(lambda array: array + 1, donate_argnums=0).lower(array).compile()
    best, began = math.inf, time.perf_counter()
    while time.perf_counter() - began < seconds:
        start = time.perf_counter()
        for _ in range(4):
            array = add(array)
        jax.block_until_ready(array)
        best = min(best, (time.perf_counter() - start) / 4)
    return 2 * size / best


def _measured_ceiling(precision: str, *, size: int, seconds: float) -> float:
    matrix = jnp.ones((size, size), PRECISIONS[precision])
    product = jax.jit(lambda left, right: left @ right).lower(matrix, matrix).compile()
    best, began = math.inf, time.perf_counter()
    while time.perf_counter() - began < seconds:
        start = time.perf_counter()
        jax.block_until_ready([product(matrix, matrix) for _ in range(4)])
        best = min(best, (time.perf_counter() - start) / 4)
    return 2 * size**3 / best
