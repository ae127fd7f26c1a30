"""ImageNet's classification challenge of 2012.

`imagenet_classes.txt` has a line for each class, in the order of the labels, which is the order of the WordNet ids. A
line is the id and the synset's first word in WordNet 3.0 (Princeton University). Where two classes share the word, the
id follows it.
"""

from collections.abc import Sequence
from pathlib import Path

from jaxcnn.data.catalog.info import DatasetInfo

_LINES = (Path(__file__).parent / "imagenet_classes.txt").read_text(encoding="utf-8").splitlines()

SYNSETS: tuple[str, ...] = tuple(line.split(" ", 1)[0] for line in _LINES)
"""WordNet ids by label."""

_NAMES = tuple(line.split(" ", 1)[1] for line in _LINES)

IMAGENET = DatasetInfo(
    name="imagenet",
    tfds_name="imagenet2012",
    title="ImageNet (ILSVRC 2012)",
    shape=(None, None, 3),
    image_size=224,
    class_names=_NAMES,
    class_ids=SYNSETS,
    examples={"train": 1_281_167, "test": 50_000},
    test_split="validation",  # the labels of the challenge's own test images were never published
    validation=10_000,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    statistics="published: torchvision's, of a sample of resized images",
    licence="non-commercial research and education",
    citation="Russakovsky et al., ImageNet large scale visual recognition challenge, 2015",
    homepage="https://image-net.org/download-images",
    archive="imagenet",
)


def names_of_synsets(ids: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of ImageNet's classes with these WordNet ids; () if any of them is unknown."""
    by_id = dict(zip(SYNSETS, _NAMES, strict=True))
    return tuple(by_id[each] for each in ids) if by_id.keys() >= set(ids) else ()
