"""What the catalog says of a data set."""

import dataclasses
from collections.abc import Collection, Mapping


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """One file as the authors of a data set distribute it."""

    url: str
    sha256: str
    """Of the file at `url`. Checked after a download only: a user's own copy may be packed anew and hold the same."""

    @property
    def name(self) -> str:
        """The name that the file has at its source, and must have in a folder to prepare from."""
        return self.url.rsplit("/", 1)[-1]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """What is known of a data set before any of it is read."""

    name: str
    title: str
    shape: tuple[int | None, int | None, int]
    """(height, width, channels) as stored, uint8; None where the images differ in size."""
    image_size: int
    """Side in pixels of the square that a network sees unless told otherwise."""
    class_names: tuple[str, ...]
    """By label, from 0."""
    examples: Mapping[str, int]
    """Examples by split, "train" and "test", as distributed."""
    validation: int
    """Training examples set apart for validation unless told otherwise."""
    fixed_validation: bool = False
    """Those are the same ones for every seed."""
    mean: tuple[float, ...]
    """Of every channel over the training split as distributed, white is 1."""
    std: tuple[float, ...]
    """Standard deviation likewise."""
    statistics: str
    """Where `mean` and `std` are from: "computed" from the data, or who published them."""
    licence: str
    citation: str
    homepage: str

    tfds_name: str = ""
    """In tensorflow-datasets, and so of its folder; `name` where not given."""
    class_ids: tuple[str, ...] = ()
    """What the classes are called where their names are not used, by label: WordNet ids; empty where there are none."""
    label_key: str = "label"
    """Of the feature that is the label, in the records of tensorflow-datasets."""
    test_split: str = "test"
    """What "test" is called in the records of tensorflow-datasets."""
    archive: str | None = None
    """How the official files are laid out, a key of `data.sets.archives.READERS`; None: installed with a package."""
    files: Mapping[str, SourceFile] = dataclasses.field(default_factory=dict)
    """What is downloaded, by content."""
    optional: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """Examples of further splits, which are prepared where their files are found and never downloaded."""

    def __post_init__(self) -> None:
        if not self.tfds_name:
            object.__setattr__(self, "tfds_name", self.name)

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def encoded(self) -> bool:
        """Whether the records hold the image files as distributed, of any size; else PNG images of `shape`."""
        return self.shape[0] is None

    def stored_split(self, split: str) -> str:
        """Returns what a split is called in the records of tensorflow-datasets."""
        return self.test_split if split == "test" else split

    def stored_examples(self, found: Collection[str] = ()) -> dict[str, int]:
        """Returns the examples by split as stored, with those of the optional splits that were `found`."""
        required = {self.stored_split(split): count for split, count in self.examples.items()}
        return required | {split: count for split, count in self.optional.items() if split in found}
