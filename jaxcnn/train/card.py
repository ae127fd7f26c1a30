"""The run card, run.json: the facts about a run that its numbers depend on."""

import os
import platform
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

import jaxcnn
from jaxcnn import runtime
from jaxcnn.memory import peak_memory
from jaxcnn.train.files.clock import Clock
from jaxcnn.train.files.folder import RunFolder, read_lines
from jaxcnn.train.resolved import resolved
from jaxcnn.train.run import Run

_PACKAGES = (
    *("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "ml-collections", "numpy"),
    *("tensorflow-datasets", "grain", "pillow", "simplejpeg", "opencv-python-headless"),
)


class RunCard:
    """The card of a run in progress."""

    def __init__(
        self, run: Run, folder: RunFolder, clock: Clock, earlier: Mapping[str, Any] | None, start: int
    ) -> None:
        """Makes a card; nothing is read or written yet.

        Args:
            run: to describe.
            folder: of the run.
            clock: counts the seconds of the run.
            earlier: the card of the resumed run.
            start: the step from which it resumes.
        """
        self._run, self._folder, self._clock, self._earlier, self._start = run, folder, clock, earlier, start

    def begin(self, changes: Sequence[str], *, finished: bool) -> None:
        """Writes the card of this start, and sets the clock to the end of earlier starts.

        The card of a finished run is not written, unless the config has changes.
        """
        if self._start:
            self._clock.go_on_from(_seconds_before(self._folder, self._earlier))
        if not finished or changes or not self._earlier:
            self.write(changes, averaged=(self._earlier or {}).get("swa") if finished else None)

    def write(
        self,
        changes: Sequence[str] = (),
        skipped: Mapping[str, Collection[str]] | None = None,
        stopped: tuple[int, str] | None = None,
        failed: tuple[int, str] | None = None,
        averaged: Mapping[str, Any] | None = None,
    ) -> None:
        """Writes the current card.

        Args:
            changes: of the config, as `RunFolder.write_card`.
            skipped: as `run_card`.
            stopped: the step at which a hook ended the run, and the reason.
            failed: the step at which an error ended this start, and its line.
            averaged: the results of the averaged net, as of `jaxcnn.train.files.average.for_card`.
        """
        card = run_card(self._run, self._earlier, skipped)
        now = _history(self._earlier, self._clock, self._start)
        ends = {"stopped": stopped, "failed": failed}
        end: dict[str, Any] = {name: {"step": at[0], "reason": at[1]} if at else None for name, at in ends.items()}
        end["peak_memory"] = _peak(self._run, self._earlier)
        end |= {"swa": averaged} if averaged else {}
        self._folder.write_card(now | end | card, self._start, changes)


def _peak(run: Run, earlier: Mapping[str, Any] | None) -> dict[str, int | None]:
    """Returns the peak memory in bytes, of all starts that wrote it: of the process, and of its fullest device.

    None for what is not known, as for a device that counts nothing, such as a CPU.
    """
    stats = [device.memory_stats() or {} for device in run.mesh.local_devices]
    now = {
        "process": peak_memory(),
        "device": max((each["peak_bytes_in_use"] for each in stats if "peak_bytes_in_use" in each), default=None),
    }
    before = (earlier or {}).get("peak_memory") or {}
    return {name: max(filter(None, (size, before.get(name))), default=None) for name, size in now.items()}


def _seconds_before(folder: RunFolder, earlier: Mapping[str, Any] | None) -> float:
    """Returns the seconds of earlier starts of a run. A start that was killed counts until its last line of metrics."""
    times = [line.get("time") or 0.0 for line in read_lines(folder.metrics)]
    return max([(earlier or {}).get("duration_seconds", 0.0), *times])


def run_card(
    run: Run, earlier: Mapping[str, Any] | None = None, skipped: Mapping[str, Collection[str]] | None = None
) -> dict[str, Any]:
    """Returns config, versions, devices, commit, data, parameters and resolved settings, ready for JSON.

    Args:
        run: to describe.
        earlier: the card of the resumed run; images that it skipped still count.
        skipped: by split, the names of images that were left out; None: those that this process found.
    """
    config = run.config
    return {
        "config": config.to_dict(),
        "given": dict(run.given),
        "versions": {"jaxcnn": jaxcnn.__version__, "python": platform.python_version()}
        | {name: metadata.version(name) for name in _PACKAGES},
        "git_commit": _git_commit(),
        "devices": [f"{device.platform} {device.device_kind}" for device in run.mesh.devices.flat],
        "processes": jax.process_count(),
        "cpus": os.cpu_count(),
        "processor": runtime.processor(),
        "settings": dict(runtime.settings()),
        "data": {**run.data, **_skipped(run.pipeline.skipped if skipped is None else skipped, earlier)},
        "init": (earlier or {}).get("init") or (run.transfer.record() if run.transfer else None),
        "remarks": list(run.remarks),
        "image_shape": list(run.image_shape),
        "seeds": list(run.seeds),
        "parameters": run.parameter_count,
        "total_steps": run.total_steps,
        "steps_per_dispatch": run.steps_per_dispatch,
        "statistics_examples": run.statistics_examples,
        "resolved": resolved(run),
    }


def _history(earlier: Mapping[str, Any] | None, clock: Clock, step: int) -> dict[str, Any]:
    """Returns how and when a run was started, and its duration so far, ready for JSON.

    Keys:
        command_line: of this start.
        started: time of the first start, UTC; null if it is not known any more.
        restarts: for each later start, `started`, `command_line` and the `step` from which it resumed.
        duration_seconds: of all starts.
    """
    known, command_line = earlier or {}, list(sys.orig_argv)
    restart = {"started": clock.started, "command_line": command_line, "step": step}
    return {
        "command_line": command_line,
        "started": known.get("started") if step else clock.started,
        "restarts": [*known.get("restarts", []), restart] if step else [],
        "duration_seconds": clock.seconds(),
    }


def _skipped(now: Mapping[str, Collection[str]], earlier: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns the number and the names of the images that were left out, by split, or nothing.

    They are the images that the run would use: a short run may not use the whole training split. For a stream they are
    complete at the end of the run, for data on the device from the start.
    """
    before = (earlier or {}).get("data", {}).get("skipped", {})
    names = {split: sorted({*now.get(split, ()), *before.get(split, {}).get("names", ())}) for split in {*now, *before}}
    parts = {split: {"images": len(found), "names": found} for split, found in sorted(names.items()) if found}
    return {"skipped": parts} if parts else {}


def _git_commit() -> str | None:
    """Returns the commit of the checkout from which this package runs, with "+" if files differ from it."""
    here = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"],
            cwd=here, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return commit.stdout.strip()
