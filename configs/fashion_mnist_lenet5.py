"""The labs' LeNet-5 (ReLU, max pooling, 536,710 parameters) on Fashion-MNIST: above 91 % on the test split."""

from ml_collections import ConfigDict

from jaxcnn.config import base_config


def get_config() -> ConfigDict:
    config = base_config()
    config.batch_size = 128
    config.total_epochs = 12.0
    config.log_every = "100 steps"
    config.model.name = "lenet5_relu"
    config.data.name = "fashion_mnist"
    config.data.augment = "flip()"
    config.optimizer.learning_rate = 0.05
    config.optimizer.weight_decay = 5e-4
    config.schedule.name = "cosine"
    config.schedule.warmup = "0.5 epochs"
    return config
