"""A data set of a run: its splits and facts about them. Nothing is decoded yet."""

import dataclasses
from collections.abc import Mapping

from jaxcnn.data.read.crops import ToSquare
from jaxcnn.data.read.levels import Levels
from jaxcnn.data.read.records import Source

PHOTOGRAPH = 0.875
"""Default side of the centre crop, as a fraction of the short side, if images differ in size."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """The splits of a data set, and facts about it. Nothing is decoded."""

    name: str
    sources: Mapping[str, Source]
    """By split, as distributed; after `divide` they are "train", "val" and "test"."""
    class_names: tuple[str, ...]
    """By label."""
    class_ids: tuple[str, ...] = ()
    """Other names of the classes, by label, such as WordNet ids; empty if there are none."""
    dir: str | None = None
    """The absolute path of its folder or file, or None."""
    shape: tuple[int | None, int | None, int]
    """(height, width, channels) as stored; height and width are None if images differ in size."""
    alike: bool = True
    """Whether all images are known to have that height and width, and not only the first."""
    image_size: int
    """Default side in pixels of the square that a net gets."""
    validation: float | None = None
    """Default size of the validation split, as a fraction or number of training examples."""
    fixed_validation: bool = False
    """Whether the validation split is the same for every seed."""
    mean: tuple[float, ...] = ()
    """Of each channel over the training images, where white is 1; empty if not known."""
    std: tuple[float, ...] = ()
    """Standard deviation likewise."""
    statistics: str = "as given"
    """The source of `mean` and `std`, for the run card."""
    unlabelled: tuple[str, ...] = ()
    """Splits that were left out, since they have no labels."""
    upright: bool = False
    """Whether images are turned as EXIF says. Official data sets are read as stored, as in papers."""
    levels: Levels = dataclasses.field(default_factory=dict)
    """The range from black to white of images with more than 8 bits, by kind, if their files do not say it."""
    remarks: tuple[str, ...] = ()
    """Sentences about decisions that were made for the user.

    They are shown at the start of a run and kept in its card.
    """
    partial: Mapping[str, Mapping[str, int]] | None = None
    """If examples of the original are missing: by stored split, its `examples` `of` the full number; else None."""

    def square(
        self,
        image_size: int | None = None,
        crop_fraction: float | None = None,
        fit: str = "crop",
        *,
        photograph: int | None = None,
    ) -> ToSquare:
        """Returns the crop that makes squares for a net.

        Args:
            image_size: side in pixels; None for the data set's, or for the longer side if whole images are shown, or
                for `photograph` if images differ in size.
            crop_fraction: as in `ToSquare`; None for 0.875 if photographs are cropped, else 1.
            fit: as in `ToSquare`.
            photograph: side in pixels of the squares if images differ in size.
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
