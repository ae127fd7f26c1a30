"""Finds the largest batch for a GPU, with and without `remat`: `python benchmarks/gpu/largest_batch.py [MODEL...]`.

The batch is doubled until a training step runs out of memory. Each batch has its own process. Prints one line of JSON
for each model.
"""

import argparse
import contextlib
import json
import sys

from jaxcnn.commands.benchmark_step import work_of
from jaxcnn.commands.steps.process import OURS, Process
from jaxcnn.errors import UserError

WHOLE = {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.95"}


def main() -> None:
    """Measures each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["resnet50", "densenet121", "efficientnet_b0"])
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--most", type=int, default=2**14, help="the largest batch to try")
    arguments = parser.parse_args()
    for model in arguments.models:
        found = {word: largest(model, arguments, remat=word == "remat") for word in ("plain", "remat")}
        print(json.dumps({"model": model, **found}), flush=True)


def largest(model: str, arguments: argparse.Namespace, *, remat: bool) -> int:
    """Returns the largest power of two that fits; 0 if not even one image does."""
    size = 1
    while size <= arguments.most and _fits(model, size, arguments.precision, remat=remat):
        size *= 2
    return size // 2


def _fits(model: str, size: int, precision: str, *, remat: bool) -> bool:
    work = work_of(model, batch_size=size, precision=precision, remat=remat)
    try:
        with contextlib.closing(Process(OURS, work, WHOLE)):  # making it has taken three steps
            return True
    except UserError as error:
        print(f"{model}, batch {size}: {error}", file=sys.stderr)
        return False


if __name__ == "__main__":
    main()
