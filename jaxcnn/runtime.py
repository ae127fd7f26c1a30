"""Process settings that come before jax is imported. Our entry points make them; importing jaxcnn never does.

Whatever the user has set already stays as it is. Two words in the environment turn our settings off:
`JAXCNN_TUNING=off` those for speed, with the operations' own formulations for CPUs and TPUs, and
`JAX_ENABLE_COMPILATION_CACHE=false`, which is jax's own, the cache of compiled programs.
"""

import contextlib
import contextvars
import ctypes
import gc
import glob
import hashlib
import importlib.util
import logging
import os
import platform
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from jaxcnn import xla_flags

_FLAG = "--xla_cpu_experimental_ynn_fusion_type"
_EIGEN = f"{_FLAG}=individual_dot"
"""Leaves matrix products to XLA's newer library, convolutions to Eigen, which is faster with them, and sums to XLA.

From jaxlib 0.11 on it takes sums apart from what they are fused with, and is slower for that: jax's issue 37465.
"""
_M_MMAP_MAX, _M_TRIM_THRESHOLD, _M_ARENA_MAX = -4, -1, -8  # of glibc's malloc.h
_NO_MMAP = (
    (_M_MMAP_MAX, "mmap_max", 0),
    (_M_TRIM_THRESHOLD, "trim_threshold", 2**31 - 1),
    (_M_ARENA_MAX, "arena_max", 1),
)
_TUNABLES = ":".join(
    f"glibc.malloc.{name}={value}" for name, value in [*(rest for _, *rest in _NO_MMAP), ("tcache_count", 0)]
)
_GARBAGE = 200_000
"""How many objects more there must be before cycles are looked for; Python's own is 700 to 2,000."""
_WORTH_KEEPING = "0.05"
"""Seconds to compile from which on a program is kept. With jax's own 1, each start compiles for half a second again."""
_ACCELERATORS = {  # jax's plugins, and the files of which there is one where their device is
    ("jax_cuda12_plugin", "jax_cuda13_plugin"): ("/dev/nvidia*", "/dev/dxg"),
    ("jax_rocm60_plugin", "jax_rocm7_plugin"): ("/dev/kfd",),
    ("libtpu",): ("/dev/accel*", "/dev/vfio/*"),
}
_made: dict[str, str] = {}
_NOT_KEPT = re.compile(r"Error (?:read|writ)ing persistent compilation cache entry for '.*?': (.*)")
"""What jax warns of, and why."""
_NO = ("n", "no", "f", "false", "off", "0")
"""What jax takes for a no, in small letters."""


def tuned(environment: Mapping[str, str] = os.environ) -> bool:
    """Returns whether `JAXCNN_TUNING` leaves on what makes jaxcnn fast; to be asked before anything is traced."""
    return environment.get("JAXCNN_TUNING", "on").lower() not in _NO


_formulations = tuned(os.environ)
_canonical: contextvars.ContextVar[bool] = contextvars.ContextVar("canonical", default=False)


def begin(environment: MutableMapping[str, str] = os.environ) -> None:
    """Begins this process anew, with the same command line, if it is to compute on a CPU and malloc is not set up.

    For entry points, as their first act. That malloc keeps no caches for threads can only be asked for before a
    process starts. With them, a step's largest block does not fit into the hole that the last step's has left, for the
    few bytes that lie in such a cache, and memory grows from step to step.
    """
    if tuned(environment) and _computes_on_cpu(environment) and _malloc_is_free(environment):
        sys.stdout.flush()
        with contextlib.suppress(OSError):
            os.execve(
                sys.executable, [sys.executable, *sys.orig_argv[1:]], {**environment, "GLIBC_TUNABLES": _TUNABLES}
            )


def configure(environment: MutableMapping[str, str] = os.environ) -> None:
    """Makes the settings of this process, each only where the user has set nothing for it.

    Keeps the libraries' start-up notes off the terminal, not their warnings, and compiled programs in the user's cache
    folder; has Python look for garbage rarely. Where a CPU is what computes, has XLA convolve with Eigen, in all
    threads, and malloc keep the memory that it once had. After jax is imported this would be too late, and is left
    undone.
    """
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    logging.getLogger("absl").setLevel(logging.WARNING)
    if "jax" in sys.modules:
        return
    _keep_programs(environment)
    _say_once_what_is_not_kept()
    if tuned(environment):
        _collect_rarely()
    if tuned(environment) and _computes_on_cpu(environment):
        _choose_convolutions(environment)
        _keep_memory(environment)


def settings() -> Mapping[str, str]:
    """Returns what `configure` has set in this process, by name, for the run card."""
    return dict(_made)


def announcement() -> str:
    """Returns, in one line, what `configure` has set and how to have it otherwise."""
    made = settings()
    parts = []
    if "compilation cache" in made:
        parts.append(
            f"compiled programs are kept in {made['compilation cache']} (not: JAX_ENABLE_COMPILATION_CACHE=false)"
        )
    tuned = " and ".join(f"{name} {text}" for name, text in made.items() if name != "compilation cache")
    if tuned:
        parts.append(f"for speed: {tuned} (not: JAXCNN_TUNING=off)")
    return "; ".join(parts)


def formulations() -> bool:
    """Returns whether operations may use formulations that are equal, and better on the device that computes."""
    return _formulations and not _canonical.get()


@contextlib.contextmanager
def canonical_forms() -> Iterator[None]:
    """Has what this thread traces inside use the canonical form of each operation, on every device."""
    before = _canonical.set(True)
    try:
        yield
    finally:
        _canonical.reset(before)


def _computes_on_cpu(environment: Mapping[str, str]) -> bool:
    """Returns whether jax will compute on a CPU: it is told to, or nothing else is here together with its plugin."""
    asked = environment.get("JAX_PLATFORMS")
    return asked == "cpu" if asked else not any(_is_here(*each) for each in _ACCELERATORS.items())


def _is_here(plugins: tuple[str, ...], files: tuple[str, ...]) -> bool:
    return any(map(importlib.util.find_spec, plugins)) and any(map(glob.glob, files))


def _collect_rarely() -> None:
    """Has Python look for cycles of garbage rarely: tracing a net makes a million objects, nearly all of which stay."""
    first, *others = gc.get_threshold()
    if gc.isenabled() and first < _GARBAGE:
        gc.set_threshold(_GARBAGE, *others)
        _made["garbage collection"] = f"every {_GARBAGE:,} objects"


def _choose_convolutions(environment: MutableMapping[str, str]) -> None:
    flags = environment.get("XLA_FLAGS", "").strip()
    names_a_file = flags and not flags.startswith("-")
    if _FLAG not in flags and not names_a_file and xla_flags.known(_EIGEN):
        environment["XLA_FLAGS"] = f"{flags} {_EIGEN}".strip()
        _made["XLA_FLAGS"] = _EIGEN


def _keep_memory(environment: Mapping[str, str]) -> None:
    """Has glibc's malloc serve large arrays from one heap that it never gives back.

    By default it maps and unmaps every large buffer, and each step pays for a page fault on every 4 KiB.
    """
    if environment.get("GLIBC_TUNABLES") == _TUNABLES:
        _made["malloc"] = "no mmap, no trim, one arena, no caches"
    elif _malloc_is_free(environment):
        mallopt = ctypes.CDLL(None).mallopt
        if all(mallopt(option, value) for option, _, value in _NO_MMAP):
            _made["malloc"] = "no mmap, no trim, one arena"


def _malloc_is_free(environment: Mapping[str, str]) -> bool:
    """Returns whether malloc is glibc's and nobody has set anything for it."""
    chosen = any(name.startswith(("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")) for name in environment)
    return not chosen and platform.libc_ver()[0] == "glibc"


def user_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """Returns our folder among this user's caches; raises RuntimeError for a user without a home."""
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxcnn"


def _keep_programs(environment: MutableMapping[str, str]) -> None:
    """Names the folder where jax keeps what it compiled, one for each kind of processor: programs are made for it."""
    kept = environment.get("JAX_ENABLE_COMPILATION_CACHE", "true").lower() not in _NO
    if "JAX_COMPILATION_CACHE_DIR" in environment or not kept:
        return
    try:
        folder = str(user_cache(environment) / f"programs-{_kind_of_processor()}")
    except RuntimeError:
        return
    environment["JAX_COMPILATION_CACHE_DIR"] = _made["compilation cache"] = folder
    environment.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", _WORTH_KEEPING)


def _say_once_what_is_not_kept() -> None:
    """Has one line stand for all warnings of jax's about compiled programs that it cannot keep, or read again.

    It warns for each program, and for each twice where the folder cannot be written.
    """
    show = warnings.showwarning
    said: list[str] = []

    def shown(message: Warning | str, *about: Any, **further: Any) -> None:
        found = _NOT_KEPT.match(str(message))
        if not found:
            show(message, *about, **further)
        elif not said:
            said.append(found[1])
            folder = os.environ.get("JAX_COMPILATION_CACHE_DIR", "their folder")
            line = f"not all compiled programs can be kept in {folder}, or used again: {found[1]}"
            print(f"jaxcnn: {line}; empty it, or name another by JAX_COMPILATION_CACHE_DIR", file=sys.stderr)

    warnings.showwarning = shown


def machine() -> dict[str, Any]:
    """Returns what a measurement should say of where it was made: processor, cores, Python and load (5 minutes).

    Windows has no load; then it is None.
    """
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[1], 2) if hasattr(os, "getloadavg") else None,
    }


def processor() -> str:
    """Returns the name of this machine's processor."""
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return [platform.processor()]


def _kind_of_processor() -> str:
    """Returns a few letters that stand for the kind of this machine's processor and what it can do."""
    lines = _cpuinfo()
    told = sorted({line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))})
    return hashlib.sha256("\n".join([platform.machine(), *told]).encode()).hexdigest()[:8]
