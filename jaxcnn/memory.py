"""How much memory this process has taken at most. Imports no JAX."""

import platform
from pathlib import Path


def peak_memory() -> int | None:
    """Returns the peak memory of this process in bytes; None if the system does not tell, as on Windows."""
    try:  # getrusage may return the parent's
        status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return _peak_by_getrusage()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _peak_by_getrusage() -> int | None:
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
