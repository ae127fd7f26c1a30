"""SVHN's cropped digits: MATLAB files with `X` (32, 32, 3, examples) uint8 and `y` (examples, 1), 10 for a 0."""

from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

from jaxcnn.data.archives.examples import Examples, as_labels, require
from jaxcnn.data.catalog import DatasetInfo
from jaxcnn.errors import UserError


def read_svhn_split(info: DatasetInfo, folder: Path, split: str) -> Examples:
    """Returns a split from `<split>_32x32.mat` in `folder`.

    Raises:
        UserError: for a file that is missing, damaged or cut short, or holds other shapes or labels.
    """
    (path,) = require(info, folder, f"{split}_32x32.mat")
    content = _load(path)
    image, label = content["X"], content["y"].reshape(-1)
    if image.dtype != np.uint8 or image.shape != (*info.shape, len(label)):
        raise UserError(
            f"{path} has X {image.shape} {image.dtype}, where (32, 32, 3, {len(label)}) uint8 goes with its y"
        )
    digit = as_labels(info, path, label.astype(np.int64) - 1, info.num_classes)  # 1 to 10 in the file
    ids = [f"{split}_{index:06d}" for index in range(len(label))]
    return Examples(
        image=np.moveaxis(image, -1, 0), label=(digit + 1) % 10, keys=range(len(label)), features={"id": ids}
    )


def _load(path: Path) -> dict[str, Any]:
    try:
        content = scipy.io.loadmat(path, variable_names=("X", "y"))
    except Exception as error:  # of many kinds, from zlib's to the parser's own
        raise UserError(f"{path} is damaged, cut short or no MATLAB file: {' '.join(str(error).split())}") from None
    missing = {"X", "y"} - content.keys()
    if missing:
        raise UserError(f"{path} has no {' and no '.join(sorted(missing))}: it is cut short or another file")
    return content
