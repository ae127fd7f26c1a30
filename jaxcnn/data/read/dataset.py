"""What a data set is to a run: its splits and what is known of them, none of it decoded yet."""

import dataclasses
from collections.abc import Mapping

from jaxcnn.data.read.crops import ToSquare
from jaxcnn.data.read.levels import Levels
from jaxcnn.data.read.records import Source

PHOTOGRAPH = 0.875
"""Side of the centre crop as a part of the short side, where images differ in size and nobody says."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """The splits of a data set, and what is known of it; nothing is decoded."""

    name: str
    sources: Mapping[str, Source]
    """As distributed; from `divide` on "train", "val" and "test"."""
    class_names: tuple[str, ...]
    """By label."""
    class_ids: tuple[str, ...] = ()
    """Likewise, what else they are called: WordNet ids; empty where there are none."""
    dir: str | None = None
    """The absolute path of what holds it; None where no folder does."""
    shape: tuple[int | None, int | None, int]
    """(height, width, channels) as stored; None where images differ in size."""
    alike: bool = True
    """Whether all images are known to be of that height and width, and not the first alone."""
    image_size: int
    """Side in pixels of the square that a network sees unless told otherwise."""
    validation: float | None = None
    """How much of the training split to set apart unless told otherwise."""
    fixed_validation: bool = False
    """That is the same for every seed."""
    mean: tuple[float, ...] = ()
    """Of every channel over the training images, white is 1; empty where it is not known."""
    std: tuple[float, ...] = ()
    """Standard deviation likewise."""
    statistics: str = "as given"
    """Where they are from, for the run card."""
    unlabelled: tuple[str, ...] = ()
    """Splits that were left out, since nothing in them has a label."""
    upright: bool = False
    """Whether photographs that EXIF turns are turned; else images are as stored, as papers read official sets."""
    levels: Levels = dataclasses.field(default_factory=dict)
    """What is black and white in images of more than 8 bits, by kind, where their files do not say it."""
    remarks: tuple[str, ...] = ()
    """What was decided for the user in reading it, a sentence each: shown when a run begins, and kept in its card."""
    partial: Mapping[str, Mapping[str, int]] | None = None
    """Where examples of the original are missing, by stored split: its `examples` `of` how many there should be; else
    None."""

    def square(
        self,
        image_size: int | None = None,
        crop_fraction: float | None = None,
        fit: str = "crop",
        *,
        photograph: int | None = None,
    ) -> ToSquare:
        """Returns what makes the squares that a network sees.

        Args:
            image_size: their side in pixels; None: `image_size`, or where images are seen whole the longer of their
                sides, or `photograph` where they differ in size.
            crop_fraction: as of `ToSquare`; None: 0.875 of photographs that are cropped, else 1.
            fit: as of `ToSquare`.
            photograph: side in pixels of the squares that images become that have no size of their own.
        """
        height, width, channels = self.shape
        if height is None or width is None:
            own, fraction = photograph or self.image_size, PHOTOGRAPH if fit == "crop" else 1.0
        else:
            own, fraction = self.image_size if fit == "crop" or height == width else max(height, width), 1.0
        return ToSquare(image_size or own, channels, crop_fraction or fraction, fit)

    @property
    def sizes(self) -> dict[str, int]:
        """Examples by split."""
        return {split: len(source.labels) for split, source in self.sources.items()}
