"""ResNet-50 on ImageNet in 300 epochs: procedure A2 of Wightman, Touvron and Jegou 2021 (arXiv:2110.00476), table 2.

LAMB, a loss of one sigmoid a class, repeated augmentation, RandAugment, mixup and CutMix. Two things are left out:
stochastic depth, and the noise in RandAugment's strength. It is the recipe train:imagenet,resnet50,modern.
"""

from ml_collections import ConfigDict

from jaxcnn.config import base_config


def get_config() -> ConfigDict:
    config = base_config()
    config.batch_size = 2048
    config.eval_batch_size = 1000
    config.total_epochs = 300.0
    config.precision = "bfloat16"
    config.log_every = "100 steps"
    config.model.name = "resnet50"
    config.data.name = "imagenet"
    config.data.augment = "random_resized_crop(), flip(), rand_augment(2, 7), mixup_cutmix(0.1, 1.0)"
    config.data.repeats = 3
    config.data.crop_fraction = 0.95
    config.data.filter = "bicubic"
    config.loss.name = "binary"
    config.optimizer.name = "lamb"
    config.optimizer.learning_rate = 5e-3
    config.optimizer.reference_batch_size = 2048
    config.optimizer.weight_decay = 0.02
    config.schedule.name = "cosine"
    config.schedule.warmup = "5 epochs"
    return config
