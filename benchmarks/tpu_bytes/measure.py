"""Counts what a training step of a net reads and writes on a TPU chip, compared with the same net in stock Flax.

    python benchmarks/tpu_bytes/measure.py [MEMBER ...] [--batch-size N] [--topology v5e:1x1] [--only ours|stock]

The step is that of configs/imagenet_resnet50.py (bfloat16, SGD with momentum), compiled for one chip by libtpu
(`pip install 'jaxcnn[tpu-aot]'`), with no TPU. *Stock* is the same net with `flax.linen.BatchNorm`, the gradient of
`flax.linen.max_pool` and none of our forms. A member's figures are written to figures/MEMBER.json. Figures that are
there are not compiled again, since they do not vary.
"""

import argparse
import contextlib
import functools
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import flax.linen as nn
import jax
import jax.numpy as jnp
from hbm import hbm_bytes

from configs import imagenet_resnet50
from jaxcnn.analysis import topology
from jaxcnn.analysis.slices import parse_slice
from jaxcnn.analysis.trace import operations
from jaxcnn.layers.norm_choice import make_norm
from jaxcnn.models import model_variant
from jaxcnn.train.ahead import lower_step, resolve_blank
from jaxcnn.train.devices.mesh import make_mesh
from jaxcnn.train.run import Run

FIGURES = Path(__file__).parent / "figures"
MEMBERS = (
    *("resnet50", "densenet121", "mobilenet_v2", "efficientnet_b0", "vgg16", "googlenet_torchvision", "inception_v3"),
    *("preact_resnet50", "wide_resnet50_2", "resnext50_32x4d", "seresnet50", "shufflenet_v2_x1_0", "mobilenet_v1"),
    *("squeezenet1_1", "alexnet", "mobilenet_v3_small", "plain34", "inception_v2", "xception", "shufflenet_v1"),
    *("zfnet", "nasnet_a_mobile", "inception_v4", "inception_resnet_v2", "highway19", "lenet5_relu", "mlp3"),
)
CIFAR_SIDE = 32
"""Pixels. Nets for images of at most that get them at their own size, all others at 224; all get colours."""
HALF = 2
"""Bytes of an activation."""
OPTIMIZER = 4 * 6
"""Bytes a parameter: parameter, momentum and gradient, float32, each read and written once."""


def resolve(member: str, batch_size: int) -> Run:
    """Returns the run of the config with this member in it."""
    config = imagenet_resnet50.get_config()
    config.batch_size = batch_size
    config.model.name = member
    side = model_variant(member).image_size
    config.data.image_size = side if side <= CIFAR_SIDE else 224
    del config.model.fields.zero_init_last  # only residual nets have it, and how a net starts costs nothing
    return resolve_blank(config)


def compiled_step(member: str, batch_size: int, on: str) -> jax.stages.Compiled:
    """Returns the program of one step."""
    mesh = make_mesh(topology.devices(parse_slice(on)))
    return lower_step(resolve(member, batch_size), mesh).compile()


def cost(member: str, batch_size: int, on: str) -> dict[str, float]:
    """Returns FLOP, bytes accessed and bytes of temporaries of a step, by the compiler's count; see hbm.py."""
    compiled = compiled_step(member, batch_size, on)
    analysis: Any = compiled.cost_analysis()
    memory: Any = compiled.memory_analysis()
    return {
        "flop": analysis["flops"],
        "bytes": analysis["bytes accessed"],
        "hbm": hbm_bytes(compiled.as_text() or ""),
        "temporary": memory.temp_size_in_bytes,
    }


def floor(run: Run) -> float:
    """Returns the bytes that a step needs at least, if it computes one convolution or matrix product at a time.

    Each of them reads its inputs and writes its output once forward, and twice backward: for its kernel and for its
    input, except the first one's. Parameters, momenta and gradients are read and written once. Everything else (norms,
    activations, sums, pooling, statistics) is free.
    """
    products = ("conv_general_dilated", "dot_general")
    found = [(eqn, times) for eqn, times in operations(run.model, run.image_shape) if eqn.primitive.name in products]
    sizes = [times * sum(math.prod(v.aval.shape) for v in (eqn.invars[0], eqn.outvars[0])) for eqn, times in found]
    once = 3 * sum(sizes) - sizes[0]
    return run.config.batch_size * HALF * once + OPTIMIZER * run.parameter_count


def stock_norm(word: str, *, train: bool, dtype: Any = jnp.float32, options: Any = None) -> Any:
    """Returns the result of `make_norm`, with Flax's batch norm instead of ours.

    Args:
        word: name of the norm.
        train: as in `make_norm`.
        dtype: as in `make_norm`.
        options: as in `make_norm`.
    """
    if word != "batch":
        return make_norm(word, train=train, dtype=dtype, options=options)
    known = {name: value for name, value in (options or {}).items() if name in ("momentum", "epsilon")}
    fields = {"momentum": 0.9, "epsilon": 1e-5} | known
    return functools.partial(nn.BatchNorm, use_running_average=not train, dtype=dtype, **fields)


@contextlib.contextmanager
def stock() -> Iterator[None]:
    """Makes nets of Flax's parts, without our forms, while it is entered."""
    with mock.patch("jaxcnn.models.net.make_norm", stock_norm), mock.patch.dict(os.environ, JAXCNN_TUNING="off"):
        yield


def measure(member: str, batch_size: int, on: str, only: str | None) -> None:
    """Completes a member's file.

    Args:
        member: name of the net.
        batch_size: images in a step.
        on: name of the slice.
        only: "ours" or "stock"; None for both.
    """
    file = FIGURES / f"{member}.json"
    known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for name, way in (("ours", contextlib.nullcontext), ("stock", stock)):
        if name in known or only not in (None, name):
            continue
        with way():
            known[name] = cost(member, batch_size, on)
        jax.clear_caches()
        run = resolve(member, batch_size)
        known |= {"topology": on, "batch_size": batch_size, "image": run.crop.size, "floor": floor(run)}
        file.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
        print(f"{member}, {name}: {known[name]['bytes'] / 1e9 / batch_size:.3f} GB an image", flush=True)


def main() -> None:
    """Measures the members that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("member", nargs="*", default=MEMBERS)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--topology", default="v5e:1x1")
    parser.add_argument("--only", choices=("ours", "stock"))
    arguments = parser.parse_args()
    topology.prepare()
    FIGURES.mkdir(exist_ok=True)
    for member in arguments.member:
        measure(member, arguments.batch_size, arguments.topology, arguments.only)


if __name__ == "__main__":
    main()
