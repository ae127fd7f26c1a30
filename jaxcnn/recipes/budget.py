"""The recipe `budget`: most of the accuracy in a small part of the time."""

from jaxcnn.data.catalog import DatasetInfo
from jaxcnn.recipes.changes import adamw, augmented, falling, lasting, sgd
from jaxcnn.recipes.data import FACTS, is_photographs
from jaxcnn.recipes.net import Net
from jaxcnn.recipes.training import Training


def training(info: DatasetInfo, net: Net) -> Training:
    """Returns the training of a net on a data set. There always is one.

    The learning rate rises over a fifth of the time and falls in a line (Smith and Topin 2018). Photographs are smaller
    than the net is made for, 160 pixels for 224, which takes half the time.
    """
    facts = FACTS[info.name]
    found = lasting(facts.batch_size, facts.short) | augmented(facts.moves) | falling("linear", facts.short / 5)
    found |= {"loss.label_smoothing": 0.1, "optimizer.reference_batch_size": 128}
    if is_photographs(info):
        size = 32 * round((net.image_size or 224) * 160 / 224 / 32)
        found |= {"data.image_size": size, "optimizer.reference_batch_size": 1024}
        found |= sgd(2.0, 5e-5, nesterov=True) if net.normed else adamw(1e-3, 0.05)
    else:
        found |= sgd(0.2, 5e-4, nesterov=True) if net.normed else adamw(2e-3, 0.05)
    return Training("ours: one cycle of the learning rate (Smith and Topin 2018, arXiv:1708.07120)", found)
