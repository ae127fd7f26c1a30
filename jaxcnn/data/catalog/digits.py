"""The digits that come with scikit-learn."""

from jaxcnn.data.catalog.info import DatasetInfo

DIGITS = DatasetInfo(
    name="digits",
    title="Optical recognition of handwritten digits (the test part, as in scikit-learn)",
    shape=(8, 8, 1),
    image_size=32,
    class_names=tuple("0123456789"),
    examples={"train": 1437, "test": 360},
    validation=180,
    fixed_validation=True,
    mean=(0.3049,),
    std=(0.3754,),
    statistics="computed",
    licence="CC BY 4.0",
    citation="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998",
    homepage="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
)
