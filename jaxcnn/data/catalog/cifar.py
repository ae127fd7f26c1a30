"""CIFAR-10, and CIFAR-100 with 100 fine or 20 coarse classes."""

import dataclasses

from jaxcnn.data.catalog.info import DatasetInfo, SourceFile

_URL = "https://www.cs.toronto.edu/~kriz/"

CIFAR10 = DatasetInfo(
    name="cifar10",
    title="CIFAR-10 small colour photographs",
    shape=(32, 32, 3),
    image_size=32,
    class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    examples={"train": 50_000, "test": 10_000},
    validation=5_000,
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
    statistics="computed",
    licence="not stated",
    citation="Krizhevsky, Learning multiple layers of features from tiny images, 2009",
    homepage=_URL + "cifar.html",
    archive="cifar",
    files={
        "archive": SourceFile(
            _URL + "cifar-10-binary.tar.gz", "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
        )
    },
)

_FINE = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
    caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
    flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
    motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
    poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
    squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
    wardrobe whale willow_tree wolf woman worm
"""
_COARSE = """
    aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices household_furniture
    insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores
    medium_mammals non-insect_invertebrates people reptiles small_mammals trees vehicles_1 vehicles_2
"""

CIFAR100 = dataclasses.replace(
    CIFAR10,
    name="cifar100",
    tfds_name="cifar100",
    title="CIFAR-100 small colour photographs",
    class_names=tuple(_FINE.split()),
    mean=(0.5071, 0.4865, 0.4409),
    std=(0.2673, 0.2564, 0.2762),
    statistics="published: the figures in general use for torchvision's CIFAR100",
    files={
        "archive": SourceFile(
            _URL + "cifar-100-binary.tar.gz", "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"
        )
    },
)

CIFAR100_COARSE = dataclasses.replace(
    CIFAR100,
    name="cifar100_coarse",
    title="CIFAR-100 with its 20 coarse classes",
    class_names=tuple(_COARSE.split()),
    label_key="coarse_label",
)
