"""The run folder: config, card, metrics and checkpoints of a run."""

import errno
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jaxcnn import streams
from jaxcnn.addresses import bucket_address, check_checkpoint_folder
from jaxcnn.buckets import Bucket
from jaxcnn.config.file import assign, load_json
from jaxcnn.errors import UserError, say
from jaxcnn.json_file import read_json, write_json
from jaxcnn.train.files.average import FILE as AVERAGE
from jaxcnn.train.files.changes import BACK, FORCED, NOTHING, Given, KeptConfig
from jaxcnn.train.files.fetch import MARKER, asked, copy_of
from jaxcnn.train.files.lock import Lock
from jaxcnn.train.files.mirror import Mirror

CARD = "run.json"
OUTPUT = "output.log"
"""Output of a run that standard output could not take, because nobody reads it any more."""
_ALWAYS = ("data", "image_shape", "parameters", "seeds", "total_steps")
"""Keys of run.json that readers need."""


class RunFolder:
    """config.json, run.json, metrics.jsonl and checkpoints/ in one folder, which is made if it is missing.

    For a folder in a bucket they are in a copy on this machine, which `hold` keeps in step with the bucket.
    """

    def __init__(self, path: str | os.PathLike[str], *, make: bool = True, copy: Path | None = None) -> None:
        """Makes the folder if `make`; `copy` is the local copy of a folder in a bucket, if not the usual one."""
        address = bucket_address("the run folder", path)
        here = Path(path).expanduser().absolute()
        self.path: str | Path = address or here
        """The name in messages."""
        self.in_bucket = address is not None
        self.place = (copy or copy_of(address)) if address else here
        """The folder of its files on this machine."""
        self.config = self.place / "config.json"
        self.history = self.place / "config_history.json"
        self.card = self.place / CARD
        self.metrics = self.place / "metrics.jsonl"
        self.average = self.place / AVERAGE
        self.checkpoints = self.place / "checkpoints"
        self.tensorboard = self.place / "tensorboard"
        self.kept = KeptConfig(name=str(self.path), config=self.config, history=self.history, card=self.card)
        self._held: Lock | Mirror | None = None
        check_checkpoint_folder(self.place)
        try:
            if make and not self.in_bucket:
                self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"the work folder {self.path} cannot be used: {error.strerror}: {error.filename}") from None

    def hold(self) -> "Lock | Mirror":
        """Returns a context manager that keeps the folder for this process, and copies changes to a bucket.

        Raises:
            UserError: if another process has the folder, or it cannot be read or written.
        """
        self._held = Mirror(str(self.path), self.place, say) if self.in_bucket else Lock(self.place)
        if self.in_bucket:  # a folder on a disk does so from the start
            streams.keep_with(self._keep_output)
        return self._held

    def carry_over(self) -> None:
        """Copies changes to the bucket, if the folder is in one; raises `UnsavedError` if it cannot."""
        if isinstance(self._held, Mirror):
            self._held.flush()

    def _keep_output(self, text: str) -> None:
        """Appends to output.log; in the bucket, once the local copy is gone. Raises OSError."""
        if self.place.is_dir():
            append_text(self.place / OUTPUT, text)
            return
        bucket = Bucket(str(self.path))
        before = bucket.read(OUTPUT) if OUTPUT in bucket.find(OUTPUT) else b""
        bucket.write(OUTPUT, before + text.encode(errors="backslashreplace"))

    def identity(self) -> str:
        """Returns a text that is equal in all processes that share this folder."""
        if self.in_bucket:
            return str(self.path)
        return self.config.read_text(encoding="utf-8") if self.config.exists() else ""

    def check(self, asked: Mapping[str, Any], given: Given = NOTHING, *, force: bool = False) -> None:
        """Raises `UserError` if there are checkpoints of a run with another config, unless `force`. It writes nothing.

        `asked` are the values of the config that is asked for, `given` what is handed over with it. A folder in a
        bucket is not copied yet; `KeptConfig.adopt` refuses then.
        """
        if not self.in_bucket and self._holds_state():
            self.kept.check(asked, given, force=force)

    def _holds_state(self) -> bool:
        return self.checkpoints.is_dir() and any(entry.name.isdigit() for entry in self.checkpoints.iterdir())

    def begun(self) -> dict[str, Any] | None:
        """Returns what of its preprocessing the run in the folder has from the weights that it began from.

        {} if it began from none, and None if there is no state to go on from. Nothing is copied from a bucket.
        """
        if self.in_bucket:
            bucket = Bucket(str(self.path))
            with asked(str(self.path)):
                there = bucket.find("checkpoints")
                begins = not any(name.endswith(MARKER) for name in there) or CARD not in bucket.find(CARD)
                card = {} if begins else json.loads(bucket.read(CARD))
        else:
            begins = not (self._holds_state() and self.card.exists())
            card = {} if begins else read_json(self.card)
        return None if begins else _taken(card)

    def settled(self) -> ConfigDict:
        """Returns the config of the run, which needs the weights that it began from no more."""
        config = load_json(self.config)[0]
        if self.card.exists():
            config.init_from, config.init_head = None, "auto"
            for key, value in _taken(read_json(self.card)).items():
                assign(config, f"data.{key}", value)
        return config

    def gone(self, *, resumed: bool) -> list[str]:
        """Returns a line for each file that was removed by somebody, before it is written again."""
        if not resumed:
            count = len(read_lines(self.metrics))
            begun = f"there is no checkpoint in {self.path}: the run begins anew"
            return [f"warning: {begun}, and {count} lines of an earlier start leave metrics.jsonl"] if count else []
        lost = {
            self.config: "whether the run had this config cannot be checked",
            self.card: "whether the run had these data cannot be checked",
            self.metrics: "the metrics of the steps before are lost",
        }
        return [f"warning: {file.name} is gone: {what}" for file, what in lost.items() if not file.exists()]

    def write_card(self, card: Mapping[str, Any], step: int, changes: Sequence[str]) -> None:
        """Writes run.json, with the changes by force so far and those of `changes`, and their steps."""
        forced = read_json(self.card).get("forced", []) if step and self.card.exists() else []
        new = [line for line in changes if line.startswith((FORCED, BACK))]
        forced += [{"step": step, "changes": new}] if new else []
        write_json(self.card, {**card, "forced": forced})

    def earlier_card(self, fingerprint: str, *, resumed: bool) -> dict[str, Any] | None:
        """Returns the card of the run that is resumed, if there is one.

        Raises:
            UserError: if that run had other data than those of `fingerprint`.
        """
        if not resumed or not self.card.exists():
            return None
        card = read_json(self.card)
        before = card.get("data", {}).get("fingerprint")
        if before != fingerprint:
            raise UserError(f"{self.path} holds a run on other data ({before} -> {fingerprint}); use another --workdir")
        return card


def _taken(card: Mapping[str, Any]) -> dict[str, Any]:
    return (card.get("init") or {}).get("preprocessing", {})


def read_card(path: Path) -> dict[str, Any]:
    """Returns run.json as a run wrote it.

    Raises:
        UserError: if it is missing, damaged, or lacks what every run writes.
    """
    card = read_json(path)
    missing = [name for name in _ALWAYS if name not in card]
    if missing:
        raise UserError(f"{path} is not as a run writes it: {', '.join(missing)} missing")
    return card


def append_text(path: Path, text: str) -> None:
    """Appends to a file, completely or not at all; raises OSError."""
    content = text.encode(errors="backslashreplace")
    with path.open("ab", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            if (file.write(content) or 0) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.ftruncate(file.fileno(), size)
            raise


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Returns the objects of metrics.jsonl, without a last line that is cut short; [] if there is no file.

    Raises:
        UserError: for any other line that is not the metrics of a step.
    """
    try:
        texts = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    lines = []
    for number, text in enumerate(texts, start=1):
        try:
            line = json.loads(text)
            line["step"] + 0
        except (ValueError, TypeError, KeyError):
            if number == len(texts) and text.startswith("{"):
                break
            raise UserError(f"{path}:{number} is no line of metrics; move the file away") from None
        lines.append(line)
    return lines
