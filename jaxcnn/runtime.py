"""Process settings that must be made before jax is imported. Our entry points make them; importing jaxcnn never does.

What the user has set is never changed. Two environment variables turn our settings off. `JAXCNN_TUNING=off` turns off
those for speed, and the layers' special forms for CPUs and TPUs. `JAX_ENABLE_COMPILATION_CACHE=false`, which is
jax's own, turns off the cache of compiled programs.
"""

import contextlib
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
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from jaxcnn import xla_flags

_FLAG = "--xla_cpu_experimental_ynn_fusion_type"
_EIGEN = f"{_FLAG}=individual_dot"
"""XLA's newer CPU library computes only matrix products. Convolutions go to Eigen, which is faster at them.

Sums go to XLA itself: from jaxlib 0.11 on the library computes them unfused, which is slower (jax's issue 37465).
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
"""Number of new objects after which Python looks for garbage cycles. Its default is 700 to 2,000."""
_WORTH_KEEPING = "0.05"
"""A program is cached if it took this many seconds to compile. jax's default of 1 costs half a second at each start."""
_ACCELERATORS = {  # jax's plugins, and patterns of device files: one exists if the machine has the device
    ("jax_cuda12_plugin", "jax_cuda13_plugin"): ("/dev/nvidia*", "/dev/dxg"),
    ("jax_rocm60_plugin", "jax_rocm7_plugin"): ("/dev/kfd",),
    ("libtpu",): ("/dev/accel*", "/dev/vfio/*"),
}
_made: dict[str, str] = {}
_NOT_KEPT = re.compile(r"Error (?:read|writ)ing persistent compilation cache entry for '.*?': (.*)")
"""jax's warning about a program that it cannot cache; the group is the reason."""
_NO = ("n", "no", "f", "false", "off", "0")
"""Values of environment variables that jax reads as false, in lower case."""


def tuned(environment: Mapping[str, str] = os.environ) -> bool:
    """Returns whether settings and special forms for speed are on: `JAXCNN_TUNING` is not "off"."""
    return environment.get("JAXCNN_TUNING", "on").lower() not in _NO


def begin(environment: MutableMapping[str, str] = os.environ) -> None:
    """Restarts this process with the same command line, if it will compute on a CPU and malloc is not set up yet.

    Entry points call it first. glibc's malloc keeps small freed blocks in a cache for each thread. Such a block can lie
    in the space that a step's largest array has left. The next step's array then does not fit there, and memory grows
    from step to step. The caches can only be turned off in the environment of a new process.
    """
    if tuned(environment) and _computes_on_cpu(environment) and _malloc_is_free(environment):
        sys.stdout.flush()
        with contextlib.suppress(OSError):
            os.execve(
                sys.executable, [sys.executable, *sys.orig_argv[1:]], {**environment, "GLIBC_TUNABLES": _TUNABLES}
            )


def hide_notes() -> None:
    """Hides what libraries say in a process of ours besides what they raise."""
    logging.getLogger("absl").setLevel(logging.WARNING)  # start-up notes
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL + 1)  # a page for every error that it also raises
    warnings.filterwarnings("ignore", module=r"PIL\.")  # damaged metadata, which is not read: two lines for each image


def configure(environment: MutableMapping[str, str] = os.environ) -> None:
    """Makes the settings of this process, except those that the user has made.

    It hides the libraries' start-up notes but not their warnings, caches compiled programs in the user's cache folder,
    and makes garbage collection rare. If a CPU will compute, XLA convolves with Eigen, and malloc keeps its memory.
    Once jax is imported it is too late; then only the notes are hidden.
    """
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    hide_notes()
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
    """Returns the settings that `configure` made in this process, by name, for the run card."""
    return dict(_made)


def announcement() -> str:
    """Returns a line that says which settings `configure` made, and how to turn them off."""
    made = settings()
    parts = []
    if "compilation cache" in made:
        parts.append(
            f"compiled programs are kept in {made['compilation cache']} (off: JAX_ENABLE_COMPILATION_CACHE=false)"
        )
    tuned = " and ".join(f"{name} {text}" for name, text in made.items() if name != "compilation cache")
    if tuned:
        parts.append(f"for speed: {tuned} (off: JAXCNN_TUNING=off)")
    return "; ".join(parts)


def _computes_on_cpu(environment: Mapping[str, str]) -> bool:
    """Returns whether jax will compute on a CPU: it is told to, or no accelerator is here together with its plugin."""
    asked = environment.get("JAX_PLATFORMS")
    return asked == "cpu" if asked else not any(_is_here(*each) for each in _ACCELERATORS.items())


def _is_here(plugins: tuple[str, ...], files: tuple[str, ...]) -> bool:
    return any(map(importlib.util.find_spec, plugins)) and any(map(glob.glob, files))


def _collect_rarely() -> None:
    """Makes Python look for garbage cycles rarely. Tracing a net makes a million objects, of which nearly all stay."""
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
    """Makes glibc's malloc serve large arrays from one heap, whose memory it keeps.

    By default malloc maps and unmaps every large array, so that each step has a page fault for every 4 KiB.
    """
    if environment.get("GLIBC_TUNABLES") == _TUNABLES:
        _made["malloc"] = "no mmap, no trim, one arena, no caches"
    elif _malloc_is_free(environment):
        mallopt = ctypes.CDLL(None).mallopt
        if all(mallopt(option, value) for option, _, value in _NO_MMAP):
            _made["malloc"] = "no mmap, no trim, one arena"


def _malloc_is_free(environment: Mapping[str, str]) -> bool:
    """Returns whether malloc is glibc's and the user has no settings for it."""
    chosen = any(name.startswith(("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")) for name in environment)
    return not chosen and platform.libc_ver()[0] == "glibc"


def user_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """Returns our folder among this user's caches; raises RuntimeError for a user without a home."""
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxcnn"


def _keep_programs(environment: MutableMapping[str, str]) -> None:
    """Sets the folder of jax's cache. Programs are compiled for a kind of processor, so each kind has its own."""
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
    """Replaces jax's warnings about programs that it cannot cache, or read from the cache, by a single line.

    jax warns once for each program, or twice if the folder cannot be written.
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
            print(f"jaxcnn: {line}; empty it, or set JAX_COMPILATION_CACHE_DIR to another", file=sys.stderr)

    warnings.showwarning = shown


def machine() -> dict[str, Any]:
    """Returns facts about this machine that a measurement should state: processor, cores, Python and load.

    The load is the mean of 5 minutes. It is None on Windows.
    """
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[1], 2) if hasattr(os, "getloadavg") else None,
    }


def inherited(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Returns the user's environment, for a child process: without what `configure` has set for this one."""
    made, found = settings(), dict(environment)
    if "XLA_FLAGS" in made:
        found["XLA_FLAGS"] = found.get("XLA_FLAGS", "").replace(made["XLA_FLAGS"], "").strip()
    if "malloc" in made:
        found.pop("GLIBC_TUNABLES", None)
    if "compilation cache" in made:
        found.pop("JAX_COMPILATION_CACHE_DIR", None)
    return found


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
    """Returns 8 hexadecimal digits: a hash of the name and the instruction sets of this machine's processor."""
    lines = _cpuinfo()
    told = sorted({line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))})
    return hashlib.sha256("\n".join([platform.machine(), *told]).encode()).hexdigest()[:8]
