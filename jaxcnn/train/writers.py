"""Where metrics go: metrics.jsonl, TensorBoard events, and the terminal."""

import json
import math
from types import TracebackType

import rich.progress
from rich.console import Console
from rich.table import Table
from tensorboardX import SummaryWriter

from jaxcnn.train.folder import RunFolder, read_lines, replace_text


class MetricsWriter:
    """Appends to metrics.jsonl, one object a line, and to the TensorBoard events of a run folder."""

    def __init__(self, folder: RunFolder, *, start: int, tensorboard: bool) -> None:
        """Drops the lines of steps after `start`, which a resumed run takes again."""
        kept = [line for line in read_lines(folder.metrics) if line["step"] <= start]
        replace_text(folder.metrics, "".join(json.dumps(line) + "\n" for line in kept))
        self._lines = folder.metrics.open("a", buffering=1)
        self._events = SummaryWriter(str(folder.tensorboard), purge_step=start + 1) if tensorboard else None

    def __enter__(self) -> "MetricsWriter":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._lines.close()
        if self._events:
            self._events.close()

    def write(self, step: int, values: dict[str, float]) -> None:
        """Writes the values of a step, named as `train/loss`; what is not a finite number is null, and no event."""
        line = {name: value if math.isfinite(value) else None for name, value in values.items()}
        self._lines.write(json.dumps({"step": step, **line}) + "\n")
        for name, value in line.items():
            if self._events and value is not None:
                self._events.add_scalar(name, value, step)


class Progress:
    """A bar with steps, images/s, loss, accuracy and time left on a terminal; plain lines where the output is none."""

    def __init__(self, *, start: int, total: int, show: bool) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        columns = (
            rich.progress.BarColumn(bar_width=24),
            rich.progress.MofNCompleteColumn(),
            "steps",
            rich.progress.TextColumn("{task.fields[speed]}"),
            rich.progress.TextColumn("{task.fields[state]}"),
            rich.progress.TimeRemainingColumn(),
        )
        self._bar = rich.progress.Progress(
            *columns, console=self.console, disable=not (show and self.console.is_terminal)
        )
        self._task = self._bar.add_task("", completed=start, total=total, speed="", state="compiling")

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bar.stop()

    def advance(self, step: int) -> None:
        """Moves the bar to `step`."""
        self._bar.update(self._task, completed=step)

    def show(self, values: dict[str, float]) -> None:
        """Shows training metrics beside the bar."""
        speed = f"{values['train/images_per_second']:,.0f} images/s"
        state = f"loss {values['train/loss']:.4f}  accuracy {values['train/accuracy']:.2%}"
        self._bar.update(self._task, speed=speed, state=state)

    def line(self, text: str) -> None:
        """Prints a line, above the bar where there is one."""
        self.console.print(text, markup=False)


def print_table(rows: dict[str, str]) -> None:
    """Prints a two-column table to standard output."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in rows.items():
        table.add_row(name, value, style=None)
    Console(highlight=False, soft_wrap=True).print(table)
