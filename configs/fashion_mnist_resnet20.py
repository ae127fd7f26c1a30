"""ResNet-20 on Fashion-MNIST with shifts and flips: the recipe of He et al. 2016, section 4.2, on a cosine schedule."""

from ml_collections import ConfigDict

from jaxcnn.config import base_config


def get_config() -> ConfigDict:
    config = base_config()
    config.batch_size = 128
    config.total_epochs = 60.0
    config.log_every = "50 steps"
    config.model.name = "resnet20"
    config.data.name = "fashion_mnist"
    config.data.augment = "shift(2), flip()"
    config.optimizer.learning_rate = 0.1
    config.optimizer.weight_decay = 1e-4
    config.schedule.name = "cosine"
    config.schedule.warmup = "1 epoch"
    return config
