"""Says in one line why jax finds no device, and hides the long messages of its plugins."""

import contextlib
import ctypes
import difflib
import importlib.util
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

_WORDS = ("cpu", "cuda", "gpu", "rocm", "tpu")
_CUDA = ("jax_cuda12_plugin", "jax_cuda13_plugin")
_NOTE = re.compile(rb"I\d{4} |WARNING: All log messages before absl::InitializeLog")
_failed: list[str] = []
"""Errors of jax plugins that could not be used."""


def hush() -> None:
    """Shortens jax's message about a plugin that cannot be used to one line, or to none if JAX_PLATFORMS is set."""
    logging.getLogger("jax._src.xla_bridge").addFilter(_in_one_line)


def hush_cuda() -> None:
    """Imports jax quietly if its CUDA plugin is here without a driver: the plugin's libraries print many lines then."""
    if _lacks_driver():
        with _without_notes():
            importlib.import_module("jax")


def _lacks_driver() -> bool:
    """Returns whether jax's CUDA plugin is installed, but no driver."""
    if not any(map(importlib.util.find_spec, _CUDA)):
        return False
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return True
    return False


@contextlib.contextmanager
def _without_notes() -> Iterator[None]:
    """Removes from standard error the notes that C++ libraries write before their log is set up."""
    with tempfile.TemporaryFile() as kept:
        before = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
            kept.seek(0)
            os.write(2, b"".join(line for line in kept if not _NOTE.match(line)))


def _in_one_line(record: logging.LogRecord) -> bool:
    if not record.exc_info or not record.exc_info[1]:
        return True
    said = str(record.exc_info[1]).strip().splitlines() or [type(record.exc_info[1]).__name__]
    _failed.append(" ".join(said[0].split())[:200])
    record.msg, record.args, record.exc_info = f"jaxcnn: {record.getMessage()}: {_failed[-1]}", (), None
    return not os.environ.get("JAX_PLATFORMS")


def trouble(error: BaseException) -> str:
    """Returns a line about why jax finds no device, and which devices there are, if that caused `error`; else "".

    jax has no exception class for it. It raises a RuntimeError or AssertionError, perhaps wrapped in others.
    """
    jax: Any = sys.modules.get("jax")
    if jax is None or not any(isinstance(link, RuntimeError | AssertionError) for link in _chain(error)):
        return ""
    try:
        jax.devices()
    except Exception as cause:
        return _explained(jax, cause)
    return ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__


def _explained(jax: Any, cause: Exception) -> str:
    asked = jax.config.jax_platforms or ""
    name = "JAX_PLATFORMS" if asked else "JAX_PLATFORM_NAME"  # the older name
    asked = asked or os.environ.get("JAX_PLATFORM_NAME", "")
    present = _present(jax)
    there = f"there is {' and '.join(present) or 'no device at all'}"
    if not asked:
        return f"jax finds no device{_reason(cause)}; {there}: set JAX_PLATFORMS={(present or ['cpu'])[0]} to use it"
    way_out = f"set {name}={present[0]}, or unset it" if present else "unset it"
    return f"{name}={asked}: jax has no {asked} here{_reason(cause)}; {there}: {_nearest(asked)}{way_out}"


def _nearest(asked: str) -> str:
    """Returns a question such as "did you mean cpu? Else " for a platform that is misspelt, else ""."""
    unknown = [word for word in asked.split(",") if word and word not in _WORDS]
    near = [match for word in unknown for match in difflib.get_close_matches(word.lower(), _WORDS, n=1)]
    return f"did you mean {' or '.join(near)}? Else " if near else ""


def _reason(error: Exception) -> str:
    """Returns jax's reason in parentheses, or the plugins' reasons if jax only says that there is no such platform.

    jax's own advice is cut off.
    """
    said = " ".join(str(error).split()).partition("(set JAX_PLATFORMS")[0].partition("(you may need")[0]
    said = re.sub(r"^Unable to initialize backend '\w*': ", "", said).rstrip(" .;")
    reasons = [said[:200]] if said and not re.search("(known|Available) backends", said) else _failed
    return f" ({'; '.join(reasons)})" if reasons else ""


def _present(jax: Any) -> list[str]:
    """Returns the platforms that jax can compute on here."""
    os.environ.pop("JAX_PLATFORMS", None)
    try:
        jax.config.update("jax_platforms", None)
        jax.config.update("jax_platform_name", "")
        return sorted({device.platform for device in jax.devices()} | {"cpu"})
    except Exception:  # the first error is the one to report
        return []
