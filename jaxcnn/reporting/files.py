"""The file of a page, and the packages that it takes."""

import importlib.util
import os

from jaxcnn.addresses import local_path
from jaxcnn.errors import UserError, writing


def missing_packages() -> list[str]:
    """Returns the packages that pages are made with and that are not installed."""
    return [name for name in ("bokeh", "jinja2") if importlib.util.find_spec(name) is None]


def check_packages(what: str) -> None:
    """Raises `UserError` if a package is missing that pages are made with; `what` needs it."""
    if missing := missing_packages():
        raise UserError(f"{what} needs {' and '.join(missing)}: pip install 'jaxcnn[report]'")


def write_page(page: str, output: str | os.PathLike[str]) -> int:
    """Writes a page; returns its size in bytes.

    Raises:
        UserError: if it cannot be written.
    """
    content = page.encode(errors="backslashreplace")  # names of files may have bytes that are no UTF-8
    with writing(output):
        local_path("output", output).write_bytes(content)
    return len(content)
