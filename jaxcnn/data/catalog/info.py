"""The fields of a data set's entry in the catalog."""

import dataclasses
from collections.abc import Collection, Mapping


@dataclasses.dataclass(frozen=True)
class SourceFile:
    """An official file: one as the authors of a data set distribute it."""

    url: str
    sha256: str
    """Of the file at `url`. It is checked after a download only, since a user's own copy may be compressed anew."""

    @property
    def name(self) -> str:
        """Name of the file, at the end of the address."""
        return self.url.rsplit("/", 1)[-1]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """Facts about a data set that are known before it is read."""

    name: str
    title: str
    shape: tuple[int | None, int | None, int]
    """(height, width, channels) as stored, uint8; height and width are None if images differ in size."""
    image_size: int
    """Default side in pixels of the square that a model gets."""
    class_names: tuple[str, ...]
    """By label, from 0."""
    examples: Mapping[str, int]
    """Number of examples in the official splits "train" and "test"."""
    validation: int
    """Default number of training examples that become the validation split."""
    fixed_validation: bool = False
    """Whether the validation split is the same for every seed."""
    mean: tuple[float, ...]
    """Of each channel over the official training split, where white is 1."""
    std: tuple[float, ...]
    """Standard deviation likewise."""
    statistics: str
    """The source of `mean` and `std`: "computed" from the data, or who published them."""
    licence: str
    citation: str
    homepage: str

    tfds_name: str = ""
    """Name in tensorflow-datasets, and of the folder there; by default `name`."""
    class_ids: tuple[str, ...] = ()
    """Other names of the classes, by label, such as WordNet ids; empty if there are none."""
    label_key: str = "label"
    """Name of the feature that is the label, in the records of tensorflow-datasets."""
    test_split: str = "test"
    """Name of the test split in the records of tensorflow-datasets."""
    archive: str | None = None
    """Format of the official files, a key of `data.sets.archives.READERS`; None if a package contains the data."""
    files: Mapping[str, SourceFile] = dataclasses.field(default_factory=dict)
    """Files to download, by what they contain."""
    optional: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """Number of examples in further splits. They are prepared if their files are found, and never downloaded."""

    def __post_init__(self) -> None:
        if not self.tfds_name:
            object.__setattr__(self, "tfds_name", self.name)

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def encoded(self) -> bool:
        """Whether records hold the official image files, of any size; else they hold PNG images of `shape`."""
        return self.shape[0] is None

    def stored_split(self, split: str) -> str:
        """Returns the name of a split in the records of tensorflow-datasets."""
        return self.test_split if split == "test" else split

    def stored_examples(self, found: Collection[str] = ()) -> dict[str, int]:
        """Returns the number of examples of each stored split, including the optional splits that were `found`."""
        required = {self.stored_split(split): count for split, count in self.examples.items()}
        return required | {split: count for split, count in self.optional.items() if split in found}
