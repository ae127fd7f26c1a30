"""The training of a paper, as far as the paper tells it."""

import dataclasses

from jaxcnn.recipes.changes import Changes

WITNESSES = {
    "paper": "the text of the paper, in a copy",
    "code": "a program of its authors",
    "Caffe": "Caffe's model",
    "torchvision": "torchvision's training",
    "programs": "programs of others that quote the paper or repeat it",
    "lecture": "the text of the lecture",
}
"""Word of `Training.checked` -> what it is."""


@dataclasses.dataclass(frozen=True)
class Training:
    """One training of a paper."""

    source: str
    """The paper and the section in it."""
    changes: Changes
    """The settings. Without `data.augment` the images move as in all papers on the data set."""
    departs: str = ""
    """What is not as in the paper, or not in the paper, in a clause."""
    checked: str = ""
    """What the settings were compared with: words of `WITNESSES`, separated by commas. Empty: they were not."""

    @property
    def witnesses(self) -> list[str]:
        """The words of `checked`."""
        return self.checked.split(", ") if self.checked else []
