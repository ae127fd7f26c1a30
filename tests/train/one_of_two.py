"""One process of one or two, over two devices in all: prints what it sees of a stream. Run by test_processes.py."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp

from jaxcnn.config import base_config
from jaxcnn.train.devices import hosts
from jaxcnn.train.devices.mesh import replicated
from jaxcnn.train.evaluate import make_evaluator
from jaxcnn.train.setup import make_run


def main(number: int, count: int, port: str, folder: str) -> None:
    if count > 1:
        jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=count, process_id=number)
    config = base_config()
    config.batch_size = 8
    config.total_steps = 9
    config.data.name = "folder"
    config.data.dir = folder
    config.data.augment = "random_resized_crop, flip, mixup(0.2)"
    config.data.image_size = 12
    config.data.on_error = "skip"
    config.model.fields = {"features": (4, 8), "hidden": (16,), "smallest_image": 1, "padding": 2}
    run = make_run(config)
    get_batch = jax.jit(run.pipeline.train_batch, out_shardings=replicated(run.mesh))
    for step in (0, 4, 5):
        batch = jax.device_get(get_batch(run.pipeline.feed(step), jnp.int32(step)))
        print(step, batch["label"].tolist(), batch["image"].tobytes().hex()[-64:], float(batch["image"].sum()))
    result = make_evaluator(run, batch_size=4)(run.init_state(), "test")
    print(result["test/examples"], result["test/accuracy"])
    for step in range(4):  # an epoch and a little: of each unreadable image one of two processes knows
        run.pipeline.feed(step)
    print(
        {split: sorted(Path(name).name for name in names) for split, names in hosts.union(run.pipeline.skipped).items()}
    )
    run.pipeline.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
