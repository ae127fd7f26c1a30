"""Counts the bytes to and from a TPU chip's memory by layer of a net.

    python benchmarks/tpu_bytes/where.py MEMBER [--batch-size N] [--topology v5e:1x1]

The step is that of measure.py. Blocks of a stage are added up. A fusion counts for the operation after which the
compiler names it, mostly its last one.
"""

import argparse
import collections
import re

from hbm import traffic
from measure import compiled_step

from jaxcnn.analysis import topology
from jaxcnn.table import markdown_table


def part(origin: str) -> tuple[str, str]:
    """Returns the pass and the layer of an `op_name`, as ("backward", "stage1_block/conv1")."""
    way = "backward" if "transpose(" in origin else "forward" if "jvp(" in origin else "update and rest"
    modules = [name for name in origin.split("/")[:-1] if re.fullmatch(r"\w+", name) and name not in ("cond", "while")]
    layers = [re.sub(r"_block\d+", "_block", name) for name in modules if not name.startswith("branch_")]
    return way, "/".join(layers) if way != "update and rest" else ""


def main() -> None:
    """Prints the table, the largest traffic first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("member")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--topology", default="v5e:1x1")
    arguments = parser.parse_args()
    topology.prepare()
    moved: collections.Counter[tuple[str, str]] = collections.Counter()
    text = compiled_step(arguments.member, arguments.batch_size, arguments.topology).as_text() or ""
    for origin, size in traffic(text):
        moved[part(origin)] += size
    rows = [(way, layer, f"{size / 1e9:.2f}") for (way, layer), size in moved.most_common()]
    print(markdown_table(("pass", "layer", "GB a step"), rows))


if __name__ == "__main__":
    main()
