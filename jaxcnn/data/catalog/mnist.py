"""MNIST and Fashion-MNIST."""

from jaxcnn.data.catalog.info import DatasetInfo, SourceFile

_MNIST_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"
MNIST = DatasetInfo(
    name="mnist",
    title="MNIST handwritten digits",
    shape=(28, 28, 1),
    image_size=28,
    class_names=tuple("0123456789"),
    examples={"train": 60_000, "test": 10_000},
    validation=5_000,
    mean=(0.1307,),
    std=(0.3081,),
    statistics="computed",
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
FASHION_MNIST = DatasetInfo(
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
    mean=(0.2860,),
    std=(0.3530,),
    statistics="computed",
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
