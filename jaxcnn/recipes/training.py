"""The training of a paper, as far as the paper tells it."""

import dataclasses

from jaxcnn.recipes.changes import Changes


@dataclasses.dataclass(frozen=True)
class Training:
    """One training of a paper."""

    source: str
    """The paper and the section in it."""
    changes: Changes
    """The settings. Without `data.augment` the images move as in all papers on the data set."""
    departs: str = ""
    """What is not as in the paper, or not in the paper, in a clause."""
