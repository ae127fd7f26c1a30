"""`jaxcnn benchmark data CONFIG [--config.key=value ...] ...`: measures each stage of the data pipeline.

read, decode and crop are measured in one thread, on examples that were read before, and so are in the page cache. feed
is all work of the host for a stream, from read to transfer, in as many threads or processes as training uses.
"""

import contextlib
import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.commands.config import ConfigParser
from jaxcnn.commands.json_option import add_json
from jaxcnn.commands.stopwatch import ROUNDS, Rate, in_turns
from jaxcnn.data.feed.batches import CropDraws
from jaxcnn.data.feed.reader import AHEAD
from jaxcnn.data.read.crops import Crop, RandomResizedCrop
from jaxcnn.data.read.decode import Encoded, UnreadableError, decode, decode_fast
from jaxcnn.data.read.hold import unreadable
from jaxcnn.errors import UserError
from jaxcnn.json_file import write_json
from jaxcnn.ranges import above, check_number
from jaxcnn.table import print_rows
from jaxcnn.train.devices.mesh import from_processes, over_batch, replicated
from jaxcnn.train.run import Run
from jaxcnn.train.setup import make_run
from jaxcnn.train.training import make_step
from jaxcnn.types import Batch

_SAMPLE = 128
"""Number of examples on which read, decode and crop are measured."""
_CHUNK = 16
"""Number of examples in one measured call."""
_STEPS = 100_000
"""Steps of the measured run: so many that its stream does not end."""
HOST = ("read", "decode", "crop", "transfer")
ORDER = (*HOST, "feed", "augment", "step")
Work = Callable[[], int]
"""Does some work, and returns for how many images."""


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a wrong command line or config, in one line.
    """
    arguments, config = make_parser().parse(argv)
    check_number("--seconds", arguments.seconds, above(0))
    config.parallel, config.num_seeds = "jit", 1  # the step is measured whole
    config.total_steps = max(1, min(_STEPS, 2**31 // max(config.batch_size, 1)))
    run = make_run(config)
    with contextlib.closing(run.pipeline):
        rates = _measure(run, arguments.seconds, step=arguments.step)
    result = _result(run, rates)
    _show(result)
    if arguments.json:
        write_json(arguments.json, result)
        print(f"written to {arguments.json}")
    return 0


def _measure(run: Run, seconds: float, *, step: bool) -> dict[str, Rate]:
    """Returns the rate of every stage, in the order in which an image passes them."""
    taken = in_turns(_host_stages(run) | _device_stages(run, step=step), seconds=seconds)
    taken["crop"] = _difference(taken.pop("whole"), taken["decode"])
    if _streams(run):
        taken |= in_turns(
            {"feed": _feed(run)}, seconds=seconds
        )  # alone: its threads would run on in the turns of others
    return {name: Rate.of(taken[name]) for name in ORDER if name in taken}


def _difference(whole: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Returns whole - part for each round, at least a hundredth of the whole: noise can make the difference vanish."""
    rounds = min(len(whole), len(part))
    return np.maximum(whole[:rounds] - part[:rounds], whole[:rounds] / 100)


def _host_stages(run: Run) -> dict[str, Work]:
    """Returns the stages `read`, `decode` and `whole`, which decodes and crops, since one call does both."""
    source, crop, draws = run.dataset.sources["train"], run.crop, CropDraws(run.config.seed)
    sample = _sample(run)
    out = np.empty((crop.size, crop.size, crop.channels), np.uint8)
    images = [(data, draws(0, place)) for place, data in enumerate(sample.values())]
    return {
        "read": _in_chunks(source.__getitem__, [(example,) for example in sample]),
        "decode": _in_chunks(_decoder(crop), images),
        "whole": _in_chunks(lambda data, uniform: crop(data, uniform, out), images),
    }


def _sample(run: Run) -> dict[int, Encoded]:
    """Returns some examples by number, as they are stored. Unreadable ones are left out if training skips them."""
    source, sample = run.dataset.sources["train"], {}
    for example in np.random.default_rng(run.config.seed).permutation(len(source.labels))[:_SAMPLE].tolist():
        try:
            data = source[example]
            decode(data, run.crop.channels)
        except UnreadableError as error:
            if run.config.data.on_error == "raise":
                raise unreadable(source, example, error) from None
        else:
            sample[example] = data
    if not sample:
        raise UserError(f"none of {min(len(source.labels), _SAMPLE)} training images can be read: nothing to measure")
    return sample


def _decoder(crop: Crop) -> Callable[[Encoded, Sequence[float]], object]:
    """Returns the part of a crop that decodes: a function of the image and its random numbers."""
    if not isinstance(crop, RandomResizedCrop) or crop.decoder == "pil":
        return lambda data, _: decode(data, crop.channels)
    return lambda data, uniform: decode_fast(data, crop.channels, lambda h, w: crop.shrink(h, w, uniform))


def _in_chunks(function: Callable[..., object], arguments: Sequence[tuple[Any, ...]]) -> Work:
    """Returns work that calls a function for the next few of its arguments, which it repeats endlessly."""
    endless = itertools.cycle(arguments)

    def work() -> int:
        for each in itertools.islice(endless, _CHUNK):
            function(*each)
        return _CHUNK

    return work


def _device_stages(run: Run, *, step: bool) -> dict[str, Work]:
    """Returns the stages `transfer`, `augment` (which also gathers images that are on the device) and `step`."""
    size, mesh = run.config.batch_size, run.mesh
    feed = run.pipeline.feed(0)
    image = np.zeros((size, run.crop.size, run.crop.size, run.crop.channels), np.uint8)
    make_batch = jax.jit(run.batches_on(mesh), out_shardings=over_batch(mesh))
    batch = jax.block_until_ready(make_batch(feed, jnp.int32(0)))

    def transfer() -> int:
        jax.block_until_ready(from_processes(mesh, image) if _streams(run) else jax.device_put(image, replicated(mesh)))
        return size

    def augment() -> int:
        jax.block_until_ready(make_batch(feed, jnp.int32(0)))
        return size

    return {"transfer": transfer, "augment": augment} | ({"step": _training(run, batch)} if step else {})


def _training(run: Run, batch: Batch) -> Work:
    """Returns work that takes a training step, always on the same batch."""
    train_step = jax.jit(make_step(run), donate_argnums=0)
    state, key = run.init_state(), run.randomness.key

    def train() -> int:
        nonlocal state
        state, _ = jax.block_until_ready(train_step(state, batch, key))
        return run.config.batch_size

    return train


def _feed(run: Run) -> Work:
    """Returns work that takes batches of a stream: more than can be ready, so that their making is measured."""
    batches = AHEAD + 2 * (run.config.data.workers or os.cpu_count() or 1)
    steps = itertools.count(1)

    def work() -> int:
        for step in itertools.islice(steps, batches):
            jax.block_until_ready(run.pipeline.feed(step % run.total_steps))
        return batches * run.config.batch_size

    return work


def _streams(run: Run) -> bool:
    return run.data["placement"] == "stream"


def _result(run: Run, rates: Mapping[str, Rate]) -> dict[str, Any]:
    """Returns all measurements, ready for JSON."""
    once = () if _streams(run) else HOST
    keys = ("name", "placement", "decoder", "workers", "partial")
    return {
        "data": {key: run.data[key] for key in keys if key in run.data} | {"augment": run.config.data.augment},
        "model": run.config.model.name,
        "batch_size": run.config.batch_size,
        "image": list(run.image_shape),
        "devices": [device.device_kind for device in run.mesh.devices.flat],
        "cores": os.cpu_count(),
        "rounds": ROUNDS,
        "images_per_second": {name: rate._asdict() | {"once": name in once} for name, rate in rates.items()},
        "bottleneck": _bottleneck({name: rate.median for name, rate in rates.items() if name not in once}),
    }


def _bottleneck(rates: Mapping[str, float]) -> str:
    """Returns a sentence about the slowest stage, given the images/s of the stages of every step."""
    data = min(({"feed", "augment"} & rates.keys()), key=lambda name: rates[name])
    inside = min((name for name in HOST if name in rates), key=lambda name: rates[name], default="")
    named = f"feed (in it {inside} takes longest)" if data == "feed" else data
    if "step" not in rates:
        return f"of the data, {named} is the bottleneck"
    times = rates[data] / rates["step"]
    if times >= 1:
        return f"the model's step is the bottleneck: of the data, {named} is the slowest, and {times:.1f} times as fast"
    return f"{named} is the bottleneck: the model's step is {1 / times:.1f} times as fast"


def _show(result: Mapping[str, Any]) -> None:
    data, devices = result["data"], result["devices"]
    print(
        f"{data['name']} ({data['placement']}), {result['model']}, batches of {result['batch_size']} "
        f"{'x'.join(map(str, result['image']))}, {len(devices)} x {devices[0]}, {result['cores']} cores"
    )
    header = ("stage", "images/s", "25 %", "75 %", "us an image", "when")
    rates = result["images_per_second"].items()
    print_rows(header, (_row(name, rate) for name, rate in rates), markdown=False)
    print(result["bottleneck"])


def _row(name: str, rate: Mapping[str, Any]) -> tuple[str, ...]:
    speeds = (f"{rate[key]:,.0f}" for key in ("median", "low", "high"))
    return name, *speeds, f"{1e6 / rate['median']:,.1f}", "once" if rate["once"] else "every step"


def make_parser() -> ConfigParser:
    """Returns the command line of the command."""
    parser = ConfigParser("jaxcnn benchmark data", description=(__doc__ or "").split(": ", 1)[1])
    parser.add_argument("--seconds", metavar="N", type=float, default=2.0, help="seconds for each stage; default: 2")
    parser.add_argument("--no-step", dest="step", action="store_false", help="do not measure the model's training step")
    add_json(parser, "also write the figures to this file")
    return parser
