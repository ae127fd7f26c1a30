"""A net as a program in StableHLO: the portable artifact that other compilers read, and JAX's own file beside it."""

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxcnn.exporting.check import Program
from jaxcnn.exporting.exportable import Exportable, any_batch

ENDINGS = ("", ".jax")
"""Of the names of the two files."""
PLATFORMS = ("cpu", "cuda", "tpu")
"""That JAX's file is for. The portable artifact has no operation of any platform."""
_VERSION = re.compile(rb"StableHLO_v([\d.]+)")


def write(exportable: Exportable, paths: Sequence[Path], card: dict[str, Any]) -> None:  # noqa: ARG001
    """Writes the portable artifact and JAX's file, each with the weights inside.

    Raises:
        UserError: for a net that cannot be traced for a batch of any size.
    """
    portable, own = _exported(exportable, ("cpu",)), _exported(exportable, PLATFORMS)
    paths[0].write_bytes(portable.mlir_module_serialized)
    paths[1].write_bytes(own.serialize())


def load(exportable: Exportable, paths: Sequence[Path]) -> Program:
    """Returns the program in the portable artifact; JAX's file must give the same as it.

    The artifact alone does not say what is called: it runs in place of the module of a fresh export.
    """
    portable = dataclasses.replace(_exported(exportable, ("cpu",)), mlir_module_serialized=paths[0].read_bytes())
    own = jax.export.deserialize(bytearray(paths[1].read_bytes()))

    def program(image: np.ndarray) -> Mapping[str, Any]:
        found, other = (jax.device_get(each.call(image)) for each in (portable, own))
        apart = any(not np.allclose(found[name], other[name], rtol=1e-5, atol=1e-5) for name in found)
        return {name: np.full_like(value, np.nan) for name, value in found.items()} if apart else found

    return program


def promises(paths: Sequence[Path], names: Sequence[str]) -> dict[str, str]:
    """Returns, by file, for how long it can be read.

    Args:
        paths: of the two files.
        names: that they will have.
    """
    version = _VERSION.search(paths[0].read_bytes()[:64])
    assert version is not None, "a portable artifact begins with its version"
    number = version[1].decode()
    return {
        names[0]: f"StableHLO {number}: readers of this version and up to 5 years newer, by StableHLO's promise",
        names[1]: f"JAX {jax.__version__}: releases up to 6 months newer and 3 weeks older, by JAX's promise",
    }


@contextlib.contextmanager
def _nowhere() -> Iterator[None]:
    """Leaves out where in which source file an operation comes from: such paths are of this machine."""
    settings = {"jax_include_full_tracebacks_in_locations": True, "jax_traceback_in_locations_limit": 0}
    before = {name: getattr(jax.config, name) for name in settings}
    try:
        for name, value in settings.items():
            jax.config.update(name, value)
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


def _exported(exportable: Exportable, platforms: Sequence[str]) -> jax.export.Exported:
    program = jax.jit(exportable.forward(*exportable.net))
    with any_batch(exportable) as image, _nowhere():
        return jax.export.export(program, platforms=platforms)(image)
