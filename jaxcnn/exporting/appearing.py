"""Files that are whole or absent."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from jaxcnn.errors import writing


@contextlib.contextmanager
def appearing(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Gives a path to write to for each file. They get their names when the block ends well, in order.

    If it does not, nothing of them is left, and files that had these names stay as they were.

    Raises:
        UserError: if one cannot be written, in one line.
    """
    partial = [path.with_name(f".{path.name}.partial-{os.getpid()}") for path in paths]
    with writing(paths[0]):
        try:
            yield partial
            for written, path in zip(partial, paths, strict=True):
                written.replace(path)
        finally:
            for path in partial:
                path.unlink(missing_ok=True)
