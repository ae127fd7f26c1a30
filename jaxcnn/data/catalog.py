"""The data sets: what each is, where it comes from and how it is told to be whole."""

import dataclasses
from collections.abc import Mapping

from jaxcnn.errors import unknown_word


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
    """As in tensorflow-datasets, where it has the set."""
    title: str
    shape: tuple[int, int, int]
    """(height, width, channels) as stored, uint8."""
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
    licence: str
    citation: str
    homepage: str
    archive: str | None = None
    """How `files` are laid out, a key of `jaxcnn.data.builders.READERS`; None: installed with a package."""
    files: Mapping[str, SourceFile] = dataclasses.field(default_factory=dict)
    """By content, as the archive's reader asks for them."""

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)


def dataset_info(name: str) -> DatasetInfo:
    """Returns the entry of a data set.

    Raises:
        UserError: for a name that the catalog does not have.
    """
    if name not in CATALOG:
        raise unknown_word("data set", name, CATALOG)
    return CATALOG[name]


_DIGITS = DatasetInfo(
    name="digits",
    title="Optical recognition of handwritten digits (the test part, as in scikit-learn)",
    shape=(8, 8, 1),
    image_size=32,
    class_names=tuple("0123456789"),
    examples={"train": 1437, "test": 360},
    validation=180,
    fixed_validation=True,
    licence="CC BY 4.0",
    citation="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998",
    homepage="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
)

_MNIST_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"
_MNIST = DatasetInfo(
    name="mnist",
    title="MNIST handwritten digits",
    shape=(28, 28, 1),
    image_size=28,
    class_names=tuple("0123456789"),
    examples={"train": 60_000, "test": 10_000},
    validation=5_000,
    licence="CC BY-SA 3.0",
    citation="LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition, 1998",
    homepage="http://yann.lecun.com/exdb/mnist/",
    archive="idx",
    files={
        "train/image": SourceFile(
            _MNIST_URL + "train-images-idx3-ubyte.gz",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        "train/label": SourceFile(
            _MNIST_URL + "train-labels-idx1-ubyte.gz",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        "test/image": SourceFile(
            _MNIST_URL + "t10k-images-idx3-ubyte.gz",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        "test/label": SourceFile(
            _MNIST_URL + "t10k-labels-idx1-ubyte.gz",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    },
)

_FASHION_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_FASHION_MNIST = DatasetInfo(
    name="fashion_mnist",
    title="Fashion-MNIST articles of clothing",
    shape=(28, 28, 1),
    image_size=28,
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    examples={"train": 60_000, "test": 10_000},
    validation=5_000,
    licence="MIT",
    citation="Xiao, Rasul and Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking machine learning, 2017",
    homepage="https://github.com/zalandoresearch/fashion-mnist",
    archive="idx",
    files={
        "train/image": SourceFile(
            _FASHION_URL + "train-images-idx3-ubyte.gz",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        "train/label": SourceFile(
            _FASHION_URL + "train-labels-idx1-ubyte.gz",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        "test/image": SourceFile(
            _FASHION_URL + "t10k-images-idx3-ubyte.gz",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        "test/label": SourceFile(
            _FASHION_URL + "t10k-labels-idx1-ubyte.gz",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    },
)

CATALOG: dict[str, DatasetInfo] = {info.name: info for info in (_DIGITS, _MNIST, _FASHION_MNIST)}
