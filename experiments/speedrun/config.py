"""CIFAR-10 in little time: the recipe of airbench94 (Jordan, 2024, arXiv:2404.00498) for `jaxcnn train`.

`config.py:gpu` is that recipe, and the whole training is one call of one compiled program. `config.py:cpu` has a net of
half the widths in smaller batches, which two cores train to 90 %. The rates are those of the author's program, which
sums the loss over a batch, for its mean.
"""

from ml_collections import ConfigDict

from experiments.speedrun.whitening import MEAN, STD
from jaxcnn.config import base_config

IMAGES = 44_000
"""Of `experiments.data:cifar10_44000`."""
NORM_BIAS, WHITENED = r"norm\d[ab]/bias", r"whiten/kernel|norm\d[ab]/scale"
"""Parameters with another rate, and those that are not trained."""


def get_config(device: str = "gpu") -> ConfigDict:
    """Returns the config for a kind of device, "gpu" or "cpu"."""
    on_cpu = device == "cpu"
    config = base_config()
    config.batch_size, epochs = (512, 8) if on_cpu else (1024, 10)
    steps = epochs * -(-IMAGES // config.batch_size)
    config.total_steps = steps
    config.steps_per_dispatch = 1 if on_cpu else steps
    config.log_every = "1 epoch" if on_cpu else f"{steps} steps"
    config.eval_every = config.checkpoint_every = f"{steps} steps"
    config.eval_views = "flip"
    config.model.name = "experiments.speedrun.net:FastNet"
    config.model.fields.features = (32, 128, 128) if on_cpu else (64, 256, 256)
    config.model.norm_options.momentum = 0.6
    config.data.name = "experiments.data:cifar10_44000"
    config.data.augment = "shift(2, 'reflect'), alternating_flip()"
    config.data.mean, config.data.std = MEAN, STD
    config.loss.label_smoothing = 0.2
    config.optimizer.learning_rate = 1.5 * config.batch_size / 1024
    config.optimizer.momentum, config.optimizer.nesterov = 0.85, True
    config.optimizer.weight_decay = 1.33e-3
    config.optimizer.multipliers = ((NORM_BIAS, 64),)
    config.train.freeze = WHITENED
    config.schedule.name, config.schedule.end_factor = "linear", 0.07
    config.schedule.warmup = f"{round(0.23 * steps)} steps"
    return config
