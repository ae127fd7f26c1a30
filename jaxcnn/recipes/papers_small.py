"""What papers do on small images: on CIFAR, unless the data set is said.

Lengths in steps are epochs of 45,000 images here, the 50,000 of CIFAR without those for validation.
"""

from jaxcnn.recipes.changes import augmented, drops, falling, lasting, sgd
from jaxcnn.recipes.training import Training

_EPOCH = 45_000
_STEPS_64K = 64_000 * 128 / _EPOCH
_HE = lasting(128, _STEPS_64K) | drops((_STEPS_64K / 2, _STEPS_64K * 3 / 4)) | sgd(0.1, 1e-4)
_WARM = {"schedule.warmup": "400 steps"}
_RISES = "the rate rises in a line over the 400 steps in which the paper's is 0.01"
_RESNET = Training("He et al. 2016 (arXiv:1512.03385), section 4.2", _HE, checked="paper")
_DENSE = sgd(0.1, 1e-4, nesterov=True)

SMALL: dict[str, Training] = {
    "lenet5": Training(
        "LeCun et al. 1998, section III",
        lasting(32, 20) | drops((2, 5, 8, 12), 0.376) | sgd(0.02) | augmented(""),
        "SGD with momentum in batches instead of the stochastic diagonal Levenberg-Marquardt method; the rate falls at "
        "the paper's passes, by its last over its first rate in four equal steps",
        checked="programs",
    ),
    "densenet*": Training(
        "Huang et al. 2017 (arXiv:1608.06993), section 4.2",
        lasting(64, 300) | drops((150, 225)) | _DENSE,
        checked="paper, code",
    ),
    "highway*": Training(
        "Srivastava et al. 2015 (arXiv:1507.06228), section 3",
        _HE,
        "the paper gives no rate, decay or length: those of He et al. 2016, section 4.2",
        checked="paper",
    ),
    "nasnet_a_cifar": Training(
        "Zoph et al. 2018 (arXiv:1707.07012), appendix A, and the authors' code",
        lasting(32, 600)
        | falling("cosine")
        | sgd(0.025, 5e-4)
        | {"optimizer.clip_norm": 5.0, "loss.aux_weight": 0.4}
        | {"model.fields.auxiliary_head": True, "model.fields.drop_path_rate": 0.4},
        "paths are dropped as often from the first step on",
        checked="paper, code",
    ),
    "plain*": _RESNET,
    "preact_resnet*": Training(
        "He et al. 2016 (arXiv:1603.05027), appendix",
        _HE | _WARM,
        _RISES,
        checked="paper",
    ),
    "resnet110": Training(_RESNET.source, _HE | _WARM, _RISES, checked="paper"),
    "resnet*": _RESNET,
    "resnext*": Training(
        "Xie et al. 2017 (arXiv:1611.05431), appendix A, and the authors' code",
        lasting(128, 300) | drops((150, 225)) | sgd(0.1, 5e-4, nesterov=True),
        checked="paper, code",
    ),
    "se*": Training(
        "Hu et al. 2018 (arXiv:1709.01507v4), section 5.1",
        _HE,
        "the paper refers to those of the nets without gates",
        checked="paper",
    ),
    "wide_resnet*": Training(
        "Zagoruyko and Komodakis 2016 (arXiv:1605.07146), section 3",
        lasting(128, 200) | drops((60, 120, 160), 0.2) | sgd(0.1, 5e-4, nesterov=True),
        "black enters at the border of a shifted image, in the paper its reflection",
        checked="paper, code",
    ),
}
"""Pattern of the names of models -> the training; the first that matches."""

SVHN: dict[str, Training] = {
    "densenet*": Training(
        SMALL["densenet*"].source,
        lasting(64, 40) | drops((20, 30)) | _DENSE | augmented("") | {"model.dropout_rate": 0.2},
        "the 531,131 extra images are left out",
        checked="paper",
    ),
    "wide_resnet*": Training(
        SMALL["wide_resnet*"].source,
        lasting(128, 160)
        | drops((80, 120))
        | sgd(0.01, 5e-4, nesterov=True)
        | augmented("")
        | {"model.dropout_rate": 0.4},
        "the 531,131 extra images are left out",
        checked="paper, code",
    ),
}
"""Likewise, where a paper trains differently on SVHN."""
