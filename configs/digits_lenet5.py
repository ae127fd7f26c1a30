"""LeNet-5 on the 1,797 handwritten digits that ship inside scikit-learn: seconds on a laptop."""

from ml_collections import ConfigDict

from jaxcnn.config import base_config


def get_config() -> ConfigDict:
    config = base_config()
    config.batch_size = 64
    config.total_epochs = 40.0
    config.eval_every = "5 epochs"
    config.checkpoint_every = "5 epochs"
    config.log_every = "1 epoch"
    config.model.name = "lenet5"
    config.data.name = "digits"
    config.data.augment = "shift(2)"
    config.optimizer.name = "adam"
    config.optimizer.learning_rate = 2e-3
    config.schedule.name = "cosine"
    config.schedule.warmup = "1 epoch"
    return config
