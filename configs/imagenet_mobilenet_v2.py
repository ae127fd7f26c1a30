"""MobileNetV2 on ImageNet: Sandler et al. 2018 (arXiv:1801.04381), section 6.1.

RMSProp, 0.045 times 0.98 each epoch, on 16 batches of 96, which are one step here. The paper does not say how long it
trains: 300 epochs are torchvision's. It is the recipe train:imagenet,mobilenet_v2,paper.
"""

from ml_collections import ConfigDict

from jaxcnn.config import base_config


def get_config() -> ConfigDict:
    config = base_config()
    config.batch_size = 1536
    config.eval_batch_size = 1000
    config.total_epochs = 300.0
    config.precision = "bfloat16"
    config.log_every = "100 steps"
    config.model.name = "mobilenet_v2"
    config.data.name = "imagenet"
    config.data.augment = "random_resized_crop(), flip()"
    config.optimizer.name = "rmsprop"
    config.optimizer.learning_rate = 0.045
    config.optimizer.decay = 0.9
    config.optimizer.momentum = 0.9
    config.optimizer.epsilon = 1.0
    config.optimizer.weight_decay = 4e-5
    config.schedule.name = "step"
    config.schedule.every = "1 epoch"
    config.schedule.factor = 0.98
    return config
