"""The run card: what a run was, for whoever reads its numbers later."""

import os
import platform
import sys
from collections.abc import Collection, Mapping, Sequence
from importlib import metadata
from typing import Any

import jax

import jaxcnn
from jaxcnn import runtime
from jaxcnn.train.files.clock import Clock
from jaxcnn.train.files.folder import RunFolder, git_commit, read_lines
from jaxcnn.train.resolved import resolved
from jaxcnn.train.run import Run

_PACKAGES = (
    *("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "ml-collections", "numpy"),
    *("tensorflow-datasets", "grain", "pillow", "simplejpeg", "opencv-python-headless"),
)


class RunCard:
    """run.json of a run that is at work."""

    def __init__(
        self, run: Run, folder: RunFolder, clock: Clock, earlier: Mapping[str, Any] | None, start: int
    ) -> None:
        """Describes a run; nothing is read or written yet.

        Args:
            run: to be described.
            folder: where the card is kept.
            clock: of this start.
            earlier: the card of the run that is gone on with.
            start: the step that it goes on from.
        """
        self._run, self._folder, self._clock, self._earlier, self._start = run, folder, clock, earlier, start

    def begin(self, changes: Sequence[str], *, finished: bool) -> None:
        """Writes the card of this start, and has the clock go on from where earlier ones have left it.

        The card of a run that is `finished` stays as it is, unless the config `changes`.
        """
        if self._start:
            self._clock.go_on_from(_seconds_before(self._folder, self._earlier))
        if not finished or changes or not self._earlier:
            self.write(changes)

    def write(
        self,
        changes: Sequence[str] = (),
        skipped: Mapping[str, Collection[str]] | None = None,
        stopped: tuple[int, str] | None = None,
    ) -> None:
        """Writes the card as of now.

        Args:
            changes: of the config, as `RunFolder.write_card`.
            skipped: as `run_card`.
            stopped: the step at which a hook has ended the run, and why.
        """
        card = run_card(self._run, self._earlier, skipped)
        now = _history(self._earlier, self._clock, self._start)
        end = {"stopped": {"step": stopped[0], "reason": stopped[1]} if stopped else None}
        self._folder.write_card(now | end | card, self._start, changes)


def _seconds_before(folder: RunFolder, earlier: Mapping[str, Any] | None) -> float:
    """Returns how long earlier starts of a run took: until their last line of metrics, where one of them was killed."""
    times = [line.get("time") or 0.0 for line in read_lines(folder.metrics)]
    return max([(earlier or {}).get("duration_seconds", 0.0), *times])


def run_card(
    run: Run, earlier: Mapping[str, Any] | None = None, skipped: Mapping[str, Collection[str]] | None = None
) -> dict[str, Any]:
    """Returns config, versions, devices, commit, data, parameters and what settings meant, ready for JSON.

    Args:
        run: to be described.
        earlier: the card of the run that is resumed; images that it skipped stay counted.
        skipped: names, by split, of images that were left out; None: those that this process has met.
    """
    config = run.config
    return {
        "config": config.to_dict(),
        "given": dict(run.given),
        "versions": {"jaxcnn": jaxcnn.__version__, "python": platform.python_version()}
        | {name: metadata.version(name) for name in _PACKAGES},
        "git_commit": git_commit(),
        "devices": [f"{device.platform} {device.device_kind}" for device in run.mesh.devices.flat],
        "processes": jax.process_count(),
        "cpus": os.cpu_count(),
        "settings": dict(runtime.settings()),
        "data": {**run.data, **_skipped(run.pipeline.skipped if skipped is None else skipped, earlier)},
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
    """Returns how and when a run was started, and how long it took until now, ready for JSON.

    Keys:
        command_line: of this start.
        started: when the run was first started, UTC; null where no card says so any more.
        restarts: of each later start `started`, `command_line` and the `step` that it went on from.
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
    """Returns, where images were left out, their number and their names by split.

    They are those that the run asks for: in training maybe not all of the split, in a short run. Of a stream they are
    all there when the run has ended, of a set on the device from the start.
    """
    before = (earlier or {}).get("data", {}).get("skipped", {})
    names = {split: sorted({*now.get(split, ()), *before.get(split, {}).get("names", ())}) for split in {*now, *before}}
    parts = {split: {"images": len(found), "names": found} for split, found in sorted(names.items()) if found}
    return {"skipped": parts} if parts else {}
