"""How a net is trained on a data set, apart from the net: `recipe("cifar10", "resnet20", "paper")` is a config."""
