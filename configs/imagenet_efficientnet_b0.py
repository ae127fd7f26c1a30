"""EfficientNet-B0 on ImageNet in 350 epochs: Tan and Le 2019 (arXiv:1905.11946), section 5.2.

RMSProp, 0.256 for a batch of 4,096 times 0.97 every 2.4 epochs, after 5 epochs of warm-up; label smoothing and a moving
average of the weights as in the authors' code. AutoAugment is left out; RandAugment, which came in its place (Cubuk et
al. 2020), is one more augmentation, `, rand_augment()`, and costs a TPU more than the net: docs/scaling.md.
"""

from ml_collections import ConfigDict

from jaxcnn.config import base_config


def get_config() -> ConfigDict:
    config = base_config()
    config.batch_size = 4096
    config.eval_batch_size = 1000
    config.total_epochs = 350.0
    config.precision = "bfloat16"
    config.log_every = "100 steps"
    config.model.name = "efficientnet_b0"
    config.data.name = "imagenet"
    config.data.augment = "random_resized_crop(), flip()"
    config.loss.label_smoothing = 0.1
    config.optimizer.name = "rmsprop"
    config.optimizer.learning_rate = 0.256
    config.optimizer.reference_batch_size = 4096
    config.optimizer.decay = 0.9
    config.optimizer.momentum = 0.9
    config.optimizer.epsilon = 1e-3
    config.optimizer.weight_decay = 1e-5
    config.schedule.name = "step"
    config.schedule.warmup = "5 epochs"
    config.schedule.every = "2.4 epochs"
    config.schedule.factor = 0.97
    config.ema.decay = 0.9999
    return config
