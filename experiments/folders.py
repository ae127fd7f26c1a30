"""The experiments of this folder: each a folder with an experiment.toml, and what that file says.

```toml
question = "Does ...?"
answer = "One line, with the figure that matters."
short = "The same for the project's README."  # at most 90 characters; left out where it does not name this
command = "python experiments/NAME/count.py"   # where no table.json says it
hardware = "..."                               # likewise
n = "..."                                      # likewise
[files]
"models.csv" = "what it has"
[[table]]
file = "table.json"
title = "..."                                  # optional
[[picture]]
file = "accuracy.png"
caption = "..."
```

The keys of a picture are those of `experiments.pictures`. The first picture is the experiment's thumbnail.
"""

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxcnn.errors import UserError

ROOT = Path(__file__).parent
FILE = "experiment.toml"
CLAIMS = "claims.toml"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """An experiment."""

    folder: Path
    question: str
    answer: str
    short: str = ""
    """The answer in the project's README, which names some experiments; "" for the others."""
    command: str = ""
    """That made it all; "" where each table has its own."""
    hardware: str = ""
    n: str = ""
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Result file -> what it has; beside tables and pictures."""
    table: Sequence[Mapping[str, Any]] = ()
    picture: Sequence[Mapping[str, Any]] = ()

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.folder.name


def load(folder: Path) -> Experiment:
    """Returns the experiment of a folder; raises `UserError` where its file is missing or not as above."""
    path = folder / FILE
    try:
        return Experiment(folder=folder, **tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None


def all_experiments(root: Path = ROOT) -> list[Experiment]:
    """Returns all experiments, by name."""
    return [load(path.parent) for path in sorted(root.glob(f"*/{FILE}"))]
