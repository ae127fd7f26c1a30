"""The recipe `modern`: how one would train a net today, whatever its paper did."""

from jaxcnn.data.catalog import DatasetInfo
from jaxcnn.recipes.changes import adamw, augmented, falling, lasting, sgd
from jaxcnn.recipes.data import FACTS, is_photographs
from jaxcnn.recipes.net import Net
from jaxcnn.recipes.training import Training

_SMOOTHED = {"loss.label_smoothing": 0.1}


def training(info: DatasetInfo, net: Net) -> Training:
    """Returns the training of a net on a data set. There always is one."""
    return _photographs(net) if is_photographs(info) else _small(info, net)


def _small(info: DatasetInfo, net: Net) -> Training:
    """Small images: SGD for nets with norms, and AdamW for the others, which a rate of 0.1 throws off."""
    facts = FACTS[info.name]
    descent = sgd(0.1, 5e-4, nesterov=True) if net.normed else adamw(1e-3, 0.05)
    schedule = falling("cosine", facts.long / 20) | {"optimizer.reference_batch_size": 128}
    length = lasting(facts.batch_size, facts.long)
    return Training(
        "ours: the habits of today's trainings on CIFAR",
        length | augmented(facts.strong) | _SMOOTHED | descent | schedule,
    )


def _photographs(net: Net) -> Training:
    """Photographs: procedure A2 of Wightman, Touvron and Jegou 2021, table 2.

    Nets without norms have DeiT's AdamW (Touvron et al. 2021, table 9), and the cross-entropy of a softmax.
    """
    facts = FACTS["imagenet"]
    common = lasting(2048, facts.long) | augmented(facts.strong) | falling("cosine", 5)
    common |= {"data.repeats": 3, "data.crop_fraction": 0.95, "data.filter": "bicubic"}
    if net.normed:
        source = "Wightman et al. 2021 (arXiv:2110.00476), procedure A2"
        descent = {"optimizer.name": "lamb", "optimizer.learning_rate": 5e-3, "optimizer.weight_decay": 0.02}
        descent |= {"optimizer.reference_batch_size": 2048, "loss.name": "binary"}
    else:
        source = "Wightman et al. 2021 (arXiv:2110.00476), procedure A2, with the optimizer of DeiT (arXiv:2012.12877)"
        descent = adamw(5e-4, 0.05) | {"optimizer.reference_batch_size": 512} | _SMOOTHED
    return Training(
        source, common | descent, "no stochastic depth, and RandAugment of one strength", checked="programs"
    )
