"""Street View House Numbers."""

from jaxcnn.data.catalog.info import DatasetInfo, SourceFile

_URL = "http://ufldl.stanford.edu/housenumbers/"

SVHN = DatasetInfo(
    name="svhn",
    tfds_name="svhn_cropped",
    title="Street View House Numbers, cropped digits",
    shape=(32, 32, 3),
    image_size=32,
    class_names=tuple("0123456789"),
    examples={"train": 73_257, "test": 26_032},
    optional={"extra": 531_131},
    validation=5_000,
    mean=(0.4377, 0.4438, 0.4728),
    std=(0.1980, 0.2010, 0.1970),
    statistics="published: the figures in general use for torchvision's SVHN",
    licence="non-commercial use",
    citation="Netzer et al., Reading digits in natural images with unsupervised feature learning, 2011",
    homepage=_URL,
    archive="svhn",
    files={
        "train": SourceFile(
            _URL + "train_32x32.mat", "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8"
        ),
        "test": SourceFile(_URL + "test_32x32.mat", "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"),
    },
)
