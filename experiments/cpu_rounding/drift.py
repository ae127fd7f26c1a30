"""Do our CPU settings change losses by more than rounding? Compares steps with the same steps in float64."""

import argparse
import os

os.environ.pop("XLA_FLAGS", None)  # each program has its own compiler options

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.accel.accelerate import accelerate
from jaxcnn.models import create_model

EIGEN = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}
RATE, MOMENTUM, CLASSES = 0.1, 0.9, 1000
ULP = 2.0**-24
"""Half the relative distance of neighbouring float32 numbers: the largest change by one rounding."""


def main() -> None:
    """Prints the losses of each way to compute the same steps, and writes them with --json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["resnet50", "mobilenet_v2"])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_numpy_dtype_promotion", "standard")
    results = {name: compare(name, options.steps, options.batch_size, options.image_size) for name in options.models}
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def compare(name: str, steps: int, batch: int, size: int) -> dict[str, list[float]]:
    """Returns the losses of each way to compute the same steps.

    Args:
        name: of a model.
        steps: number of steps.
        batch: images in the batch.
        size: of the images, in pixels.
    """
    rng = np.random.default_rng(0)
    image, label = rng.normal(size=(batch, size, size, 3)), rng.integers(0, CLASSES, batch)
    net = create_model(name, num_classes=CLASSES, dropout_rate=0.0)
    kept = jax.jit(net.init)(jax.random.key(0), jnp.zeros((1, size, size, 3), jnp.float32))
    variables = jax.tree.map(np.asarray, {key: kept[key] for key in ("params", "batch_stats")})
    ways = {
        "float64": (jnp.float64, "ours", 0),  # stock XLA would take minutes for a step, with the same result
        "float32": (jnp.float32, "stock", 0),
        **{f"float32, weights rounded otherwise {i}": (jnp.float32, "stock", i) for i in (1, 2, 3)},
        "float32, Eigen": (jnp.float32, "Eigen", 0),
        "float32, Eigen and our forms": (jnp.float32, "ours", 0),
    }
    losses, steppers = {}, {}
    for way, (dtype, compiler, seed) in ways.items():
        model = create_model(name, num_classes=CLASSES, dropout_rate=0.0, dtype=dtype)
        start = jax.tree.map(lambda leaf, s=seed, d=dtype: nudged(leaf, s).astype(d), variables)
        carry = start["params"], start["batch_stats"], jax.tree.map(jnp.zeros_like, start["params"])
        batch = jnp.asarray(image, dtype), jnp.asarray(label)
        if (dtype, compiler) not in steppers:
            steppers[dtype, compiler] = compiled_step(model, carry, batch, compiler)
        losses[way] = train(steppers[dtype, compiler], carry, batch, steps)
        apart = [abs(a - b) for a, b in zip(losses[way], losses["float64"], strict=True)]
        print(
            f"{name:13} {way:37}",
            *(f"{loss:8.4f}" for loss in losses[way]),
            " |",
            *(f"{d:8.1e}" for d in apart),
            flush=True,
        )
    return losses


def nudged(leaf: np.ndarray, seed: int) -> np.ndarray:
    """Returns the weights as if they were rounded differently; seed 0 does not change them."""
    if not seed:
        return leaf
    sign = np.random.default_rng((seed, leaf.size)).choice([-1.0, 1.0], leaf.shape)
    return (leaf.astype(np.float64) * (1 + sign * 2 * ULP)).astype(np.float32)


def compiled_step(model, carry, batch, compiler):
    """Returns a compiled step: (params, batch_stats, velocity, image, label) -> the first three after it, and the loss.

    A step is SGD with momentum, always on the same batch.

    Args:
        model: a net.
        carry: params, batch_stats and velocity.
        batch: image and label.
        compiler: "stock", "Eigen", or "ours" (Eigen, and our forms).
    """
    dtype = batch[0].dtype
    apply_fn = accelerate(model.apply, "cpu" if compiler == "ours" else "")

    def loss(params, stats, image, label):
        _, updated = apply_fn(
            {"params": params, "batch_stats": stats}, image, train=True, mutable=["batch_stats", "intermediates"]
        )
        # the net casts its logits to float32: this is the same dense layer without the cast
        head, features = params["classifier"], updated["intermediates"]["features"][0].astype(dtype)
        logits = features @ head["kernel"] + head["bias"].reshape(1, -1)
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(len(label)), label]), updated["batch_stats"]

    def step(params, stats, velocity, image, label):
        (value, stats), slope = jax.value_and_grad(loss, has_aux=True)(params, stats, image, label)
        velocity = jax.tree.map(lambda v, g: (MOMENTUM * v + g).astype(dtype), velocity, slope)
        return jax.tree.map(lambda p, v: (p - RATE * v).astype(dtype), params, velocity), stats, velocity, value

    return jax.jit(step).lower(*carry, *batch).compile(None if compiler == "stock" else EIGEN)


def train(step, carry, batch, steps) -> list[float]:
    """Returns the loss before each of `steps` steps; other arguments as of `compiled_step`."""
    values = []
    for _ in range(steps):
        *carry, value = step(*carry, *batch)
        values.append(float(value))
    return values


if __name__ == "__main__":
    main()
