"""Golden logits: what the references answer to weights that NumPy draws, kept for comparing without PyTorch.

`golden.json` has a row a net: our name and fields, the image size, the reference with its version, and the logits that
it computed in float64. The names and shapes of each state dict are in the package, which exports by them
(`jaxcnn.interop.names`). With the extra [parity]

    python -m tests.interop.golden

computes both anew from the references and writes them.
"""

import json
import lzma
import math
import pathlib
import re
import zlib

import numpy as np

from jaxcnn.interop.names import NAMES
from tests.interop import reference, test_parity, test_parity_layouts

ROWS_FILE = pathlib.Path(__file__).with_name("golden.json")
NUM_CLASSES = 5
"""Unless the row's fields say otherwise."""
SMALL = 65
"""Pixels of the images, unless the parity case has less."""
SIZES = {"inception_v3": 75, "inception_v4": 75, "inception_resnet_v2": 75}
"""Of the nets that do not take `SMALL` pixels."""
ENDS = {r"layer[1-4]\..*\.bn3\.weight": 0.25, r".*\.block\.[23]\.1\.weight": 0.5}
"""Of the norms that end a branch, how far their scales go down: dozens of branches saturate gates otherwise."""
POOL_TO = {"alexnet": 6, "vgg": 7}
"""Sides of the map before the dense layers, by the beginnings of our names; away from its own size these average."""


def cases():
    """Returns the parity cases that have a row, by id."""
    ports = {test_parity_layouts.layout_id(case): case for case in test_parity_layouts.QUICK}
    return {test_parity.case_id(case): case for case in test_parity.CASES} | ports


def load_rows():
    """Returns the rows by id."""
    return json.loads(ROWS_FILE.read_text())


def load_names():
    """Returns the shapes of each state dict's entries by name, by id."""
    return {key: each["shapes"] for key, each in json.loads(lzma.decompress(NAMES.read_bytes())).items()}


def draw(shapes):
    """Returns a state dict of these shapes, each entry drawn by its name."""
    return {name: _entry(name, shape) for name, shape in shapes.items()}


def image(size):
    """Returns the image (1, size, size, 3) that the nets see, float32."""
    return np.random.RandomState(0).standard_normal((1, size, size, 3)).astype(np.float32)


def _entry(name, shape):
    """Returns an entry, float32: kernels keep the scale of what they pass on, statistics lie around 0 and 1."""
    random = np.random.RandomState(zlib.crc32(name.encode()))  # its streams are frozen, those of Generator are not
    leaf = name.rpartition(".")[2]
    if len(shape) > 1:
        # Drawing every number of a large kernel takes longer than the net; a prime length fits no row's.
        drawn = random.standard_normal(min(8191, math.prod(shape))) * math.sqrt(2 / math.prod(shape[1:]))
        return np.resize(drawn.astype(np.float32), shape)
    if leaf == "running_var":
        return random.uniform(0.5, 1.5, shape).astype(np.float32)
    if leaf == "weight":
        return _scales(random, name, shape).astype(np.float32)
    return (0.1 * random.standard_normal(shape)).astype(np.float32)


def _scales(random, name, shape):
    down = next((factor for pattern, factor in ENDS.items() if re.fullmatch(pattern, name)), 1)
    return down * random.uniform(0.5, 1.5, shape) * np.where(random.uniform(size=shape) < reference.NEGATIVE, -1, 1)


def make(case):
    """Returns the row of a parity case and the shapes of its state dict's entries, from the reference."""
    torch, *_ = reference.packages()
    with torch.device("meta"), torch.no_grad():  # the weights are still to come
        net = reference.create(case.library, case.reference, num_classes=NUM_CLASSES, **case.options)
        if case.edit:
            case.edit(net)
    shapes = {name: list(value.shape) for name, value in net.state_dict().items() if value.ndim}
    weights = {name: torch.from_numpy(value) for name, value in draw(shapes).items()}
    net.load_state_dict(weights, strict=False, assign=True)
    pool_to = next(({"pool_to": side} for begin, side in POOL_TO.items() if case.name.startswith(begin)), {})
    size = SIZES.get(case.name, min(case.size, SMALL))
    logits = reference.logits(net.double(), image(size).astype(np.float64))[0]
    row = {
        "model": case.name,
        "fields": {**case.fields, **pool_to},
        "size": size,
        "reference": f"{reference.release(case.library)}: {case.reference}",
        "logits": [float(f"{logit:.9g}") for logit in logits],
    }
    return row, shapes


def write():
    """Computes every case's row and names and writes them."""
    all_cases = cases()
    made = {key: make(case) for key, case in all_cases.items()}
    rows = ",\n".join(f"{json.dumps(key)}: {json.dumps(row)}" for key, (row, _) in made.items())
    ROWS_FILE.write_text("{\n" + rows + "\n}\n")
    named = {key: described(all_cases[key], shapes) for key, (_, shapes) in made.items()}
    NAMES.write_bytes(lzma.compress(json.dumps(named, separators=(",", ":")).encode(), preset=9))


def described(case, shapes):
    """Returns what the package knows of a reference."""
    return {"model": case.name, "fields": dict(case.fields), "reference": called(case), "shapes": shapes}


def called(case):
    """Returns what users are told of whose net a case's reference is."""
    return f"{'widely used CIFAR nets' if case.library == reference.TWINS else case.library}: {case.reference}"


if __name__ == "__main__":
    write()
