"""Runs that took seconds, and photos of what they have learnt."""

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

import jaxcnn
from tests.train.small_runs import config


def digits(place, norm):
    """Trains a small net on digits; returns its folder."""
    jaxcnn.train_and_evaluate(config(**{"data.name": "digits", "model.norm": norm}), place)
    return place


def photo(file, number=3):
    """Writes a digit; returns the file."""
    Image.fromarray((load_digits().images[number] * 255 / 16).astype(np.uint8)).save(file)
    return file
