"""Measures what a checkpoint costs a training step of ResNet-50 on a CPU: `python benchmarks/saving/saving.py`.

It prints, in milliseconds, medians and quartiles: how long `save` keeps the loop; how much longer the next step takes
where the state is only held, so that XLA writes the next one elsewhere, and where it is also written meanwhile; what
all steps until it is written take longer together, and how many they are; and the time that the processor has spent for
a checkpoint when nothing else runs.
"""

from jaxcnn import runtime

runtime.begin()  # before jax is imported
runtime.configure()

import resource  # noqa: E402
import statistics  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import optax  # noqa: E402

import jaxcnn  # noqa: E402
from jaxcnn.train.files.checkpoint import Checkpoints  # noqa: E402

ROUNDS, PLAIN = 10, 8
"""Checkpoints of each kind, and steps between two of them; the second half of these count."""
BATCH, SIZE = 8, 64


def main() -> None:
    """Measures and prints."""
    step, state = _step()
    print(f"{sum(leaf.nbytes for leaf in jax.tree.leaves(state)) / 1e6:.0f} MB")

    def timed() -> float:
        nonlocal state
        began = time.perf_counter()
        state = jax.block_until_ready(step(state))
        return time.perf_counter() - began

    plain, loop, held, written, until, processor = ([] for _ in range(6))
    with tempfile.TemporaryDirectory() as folder, Checkpoints(Path(folder) / "checkpoints") as checkpoints:
        for number in range(1, ROUNDS + 1):
            plain += [timed() for _ in range(PLAIN)][PLAIN // 2 :]
            hold = jax.device_get(state)
            held.append(timed())
            del hold
            timed()
            began = time.perf_counter()
            checkpoints.save(2 * number, state)
            loop.append(time.perf_counter() - began)
            meanwhile = [timed()]
            while checkpoints.writing is not None:
                meanwhile.append(timed())
                checkpoints.settle(wait=False)
            written.append(meanwhile[0])
            until.append(meanwhile)
            began = _processor()
            checkpoints.save(2 * number + 1, state)
            checkpoints.settle()
            processor.append(_processor() - began)
    usual = statistics.median(plain)
    print("a step", _told(plain))
    print("save keeps the loop for", _told(loop))
    print("the next step takes longer where the state is held by", _told([each - usual for each in held]))
    print("and where it is written meanwhile by", _told([each - usual for each in written]))
    print("and all steps until it is written by", _told([sum(each) - len(each) * usual for each in until]))
    print("which are", statistics.median(len(each) for each in until))
    print("the processor spends for a checkpoint", _told(processor))


def _step() -> tuple[Callable[..., Any], Any]:
    """Returns a compiled training step, state -> state, of ResNet-50, and the first state."""
    model, tx = jaxcnn.create_model("resnet50", num_classes=1000), optax.sgd(0.1, momentum=0.9)
    batch = {"image": jax.random.uniform(jax.random.key(1), (BATCH, SIZE, SIZE, 3)), "label": jnp.arange(BATCH)}
    apply = jaxcnn.accelerate(model.apply, "cpu")
    step = jaxcnn.make_train_step(apply_fn=apply, tx=tx, loss_fn=jaxcnn.make_loss("softmax"))
    state = jaxcnn.create_state(model, tx, (SIZE, SIZE, 3), jax.random.key(0), ema=False)
    return jax.jit(lambda state: step(state, batch, jax.random.key(2))[0], donate_argnums=0), state


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _told(seconds: Sequence[float]) -> str:
    low, median, high = (1e3 * each for each in statistics.quantiles(seconds, n=4))
    return f"{median:.0f} ms ({low:.0f} to {high:.0f}, n = {len(seconds)})"


if __name__ == "__main__":
    main()
