"""ResNet-50 on ImageNet in 90 epochs, the recipe of Goyal et al. 2017 (arXiv:1706.02677), section 5.1.

The learning rate is 0.1 for a batch of 256, grows with the batch and is warmed up over 5 epochs, so that batches up to
8,192 reach the same accuracy. Batch norm sees the whole batch here; in the paper each 32 examples have statistics of
their own: `--config.model.norm_options.examples=32`.
"""

from ml_collections import ConfigDict

from jaxcnn.config import base_config


def get_config() -> ConfigDict:
    config = base_config()
    config.batch_size = 256
    config.eval_batch_size = 1000
    config.total_epochs = 90.0
    config.precision = "bfloat16"
    config.log_every = "100 steps"
    config.model.name = "resnet50"
    config.model.fields.zero_init_last = True
    config.data.name = "imagenet"
    config.data.augment = "random_resized_crop(), flip()"
    config.optimizer.learning_rate = 0.1
    config.optimizer.reference_batch_size = 256
    config.optimizer.nesterov = True
    config.optimizer.weight_decay = 1e-4
    config.schedule.name = "multistep"
    config.schedule.warmup = "5 epochs"
    config.schedule.boundaries = "30, 60, 80 epochs"
    return config
