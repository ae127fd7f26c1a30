"""What the net of a run costs, by its layers. No weights are read."""

import json
from typing import NamedTuple

from jaxcnn.analysis.layer import Extent
from jaxcnn.comparing.nets import last_field
from jaxcnn.errors import UserError
from jaxcnn.inside.summary import summary
from jaxcnn.json_file import read_json
from jaxcnn.reporting.recorded import Recorded


class Cost(NamedTuple):
    """Of a net, for one image."""

    multiply_adds: int
    field: Extent
    """Pixels that a cell of the last map sees, or "global"."""


class Costs:
    """The costs of nets. Runs with the same net share one, since it takes a second or more to trace."""

    def __init__(self) -> None:
        self._known: dict[str, Cost | None] = {}

    def of(self, run: Recorded) -> Cost | None:
        """Returns what the net of a run costs; None for one that cannot be made again, as a net given in Python."""
        model = read_json(run.place / "config.json")["model"]
        about = (model, run.card["image_shape"], run.card.get("given"))
        net = json.dumps(about, sort_keys=True, default=str)
        if net not in self._known:
            self._known[net] = _traced(run)
        return self._known[net]


def _traced(run: Recorded) -> Cost | None:
    try:
        found = summary(str(run.place))
    except UserError:
        return None
    return Cost(found.totals.multiply_adds, last_field(found))
