"""Writes the test images of a prepared CIFAR-10 as PNG files: pictures.py DATA DEST makes DEST/CLASS/NUMBER.png."""

import sys
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

data, dest = sys.argv[1:]
source = tfds.data_source("cifar10", split="test", data_dir=data)
names = source.dataset_info.features["label"].names
for number in range(len(source)):
    example = source[number]
    folder = Path(dest, names[int(example["label"])])
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(example["image"])).save(folder / f"{number:05}.png")
