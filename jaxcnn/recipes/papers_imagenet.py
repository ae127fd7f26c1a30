"""What papers do on ImageNet."""

from jaxcnn.recipes.changes import augmented, drops, falling, lasting, rmsprop, sgd, steps
from jaxcnn.recipes.training import Training

_EPOCH = 1_281_167
_SMOOTHED = {"loss.label_smoothing": 0.1}
_AVERAGED = {"ema.decay": 0.9999}
_CROPS = "crops of all sizes and shapes"
_PLATEAU = f"the rate falls at quarters of the length, in the paper where the validation error no longer did; {_CROPS}"
_CAFFE = (
    "rate, batch, decay and length are those of Caffe's model, and the average is Inception v3's: the paper has no "
    "numbers of them"
)
_TORCH = "the authors' program also changes colours"
_SHIFTED = augmented("random_resized_crop(), flip(), pca_color()")
_RESNET = sgd(0.1, 1e-4, nesterov=True) | {"optimizer.reference_batch_size": 256}
_ALEX = lasting(128, 90) | sgd(0.01, 5e-4)
_SHUFFLE = lasting(1024, 300_000 * 1024 / _EPOCH) | sgd(0.5, 4e-5) | falling("linear")
_INCEPTION = lasting(1600, 100) | rmsprop(0.045, 4e-5) | steps(2, 0.94)
_EFFICIENT = (
    lasting(4096, 350)
    | rmsprop(0.256, 1e-5, epsilon=1e-3)
    | steps(2.4, 0.97)
    | _SMOOTHED
    | _AVERAGED
    | {"optimizer.reference_batch_size": 4096, "schedule.warmup": "5 epochs"}
)
_NASNET = (
    lasting(1600, 250_000 * 1600 / _EPOCH)
    | steps(2.4, 0.97)
    | _SMOOTHED
    | _AVERAGED
    | {"optimizer.clip_norm": 10.0, "loss.aux_weight": 0.4, "model.fields.auxiliary_head": True}
)
_NASNET_SOURCE = "Zoph et al. 2018 (arXiv:1707.07012), appendix A, and the authors' code"

IMAGENET: dict[str, Training] = {
    "alexnet": Training(
        "Krizhevsky et al. 2012, sections 4.1 and 5",
        _ALEX | drops((22.5, 45, 67.5)) | _SHIFTED,
        _PLATEAU,
        checked="paper",
    ),
    "alexnet_owt": Training(
        "Krizhevsky 2014 (arXiv:1404.5997), section 5",
        _ALEX | drops((22.5, 45, 67.5), round(250 ** (-1 / 3), 5)),
        "the loss is that of a softmax, in the paper of one logistic unit for each class",
        checked="programs",
    ),
    "zfnet": Training(
        "Zeiler and Fergus 2014 (arXiv:1311.2901), section 3",
        lasting(128, 70) | sgd(0.01) | drops((17.5, 35, 52.5)),
        f"{_PLATEAU}; kernels that grow large are not rescaled",
        checked="paper",
    ),
    "vgg*": Training(
        "Simonyan and Zisserman 2015 (arXiv:1409.1556), section 3.1",
        lasting(256, 74) | sgd(0.01, 5e-4) | drops((18.5, 37, 55.5)) | _SHIFTED,
        _PLATEAU,
        checked="paper",
    ),
    "densenet*": Training(
        "Huang et al. 2017 (arXiv:1608.06993), section 4.2",
        lasting(256, 90) | drops((30, 60)) | sgd(0.1, 1e-4, nesterov=True),
        _TORCH,
        checked="paper, code",
    ),
    "efficientnet*": Training(
        "Tan and Le 2019 (arXiv:1905.11946), section 5.2, and the authors' code",
        _EFFICIENT,
        "no AutoAugment",
        checked="paper, code",
    ),
    "googlenet*": Training(
        "Szegedy et al. 2015 (arXiv:1409.4842), section 6",
        lasting(32, 250) | sgd(0.01, 2e-4) | steps(8, 0.96) | _AVERAGED,
        _CAFFE,
        checked="paper, Caffe",
    ),
    "inception_v2": Training(
        "Ioffe and Szegedy 2015 (arXiv:1502.03167), section 4.2, BN-x5",
        lasting(32, 52) | sgd(0.0075, 1e-5) | steps(8 / 6, 0.96),
        "the decay is not in the paper, the length is the time to the accuracy of the same net without norms, and one "
        "process takes the steps",
        checked="paper",
    ),
    "inception_v3": Training(
        "Szegedy et al. 2016 (arXiv:1512.00567), section 8",
        _INCEPTION | _SMOOTHED | _AVERAGED | {"optimizer.clip_norm": 2.0},
        "the 50 batches of 32 are one step; the decay is that of the authors' code",
        checked="paper, code",
    ),
    "inception_*": Training(
        "Szegedy et al. 2017 (arXiv:1602.07261), section 4",
        _INCEPTION | lasting(640, 100) | _AVERAGED,
        "the paper's 20 processes take one step together; decay, length and their batches of 32 are Inception v3's",
        checked="paper",
    ),
    "mobilenet_v1": Training(
        "Howard et al. 2017 (arXiv:1704.04861), section 3.2",
        _INCEPTION,
        "the paper refers to Inception v3; depthwise kernels decay as well; crops of all sizes",
        checked="paper",
    ),
    "mobilenet_v2": Training(
        "Sandler et al. 2018 (arXiv:1801.04381), section 6.1",
        lasting(1536, 300) | rmsprop(0.045, 4e-5) | steps(1, 0.98),
        "the 16 batches of 96 are one step; the length is not in the paper, and is torchvision's; the authors' program "
        "also smooths labels and averages weights",
        checked="paper, code, torchvision",
    ),
    "mobilenet_v3*": Training(
        "Howard et al. 2019 (arXiv:1905.02244), section 6.1",
        lasting(4096, 600) | rmsprop(0.1, 1e-5, epsilon=1e-3) | steps(3, 0.99) | _AVERAGED,
        "the length is not in the paper, and is torchvision's",
        checked="paper, torchvision",
    ),
    "nasnet_a_large": Training(
        _NASNET_SOURCE,
        _NASNET | rmsprop(1.5, 5e-5) | {"model.fields.drop_path_rate": 0.3},
        "paths are dropped as often from the first step on",
        checked="paper, code",
    ),
    "nasnet_a_mobile": Training(
        _NASNET_SOURCE,
        _NASNET | rmsprop(2.0, 4e-5),
        checked="paper, code",
    ),
    "plain*": Training(
        "He et al. 2016 (arXiv:1512.03385), section 3.4",
        lasting(256, 600_000 * 256 / _EPOCH) | sgd(0.1, 1e-4) | drops((30, 60, 90)) | _SHIFTED,
        _PLATEAU,
        checked="paper",
    ),
    "preact_resnet*": Training(
        "He et al. 2016 (arXiv:1603.05027), appendix",
        lasting(256, 90) | drops((30, 60)) | sgd(0.1, 1e-4) | _SHIFTED,
        f"the length is not in the paper; {_CROPS}",
        checked="paper",
    ),
    "resnet*": Training(
        "Goyal et al. 2017 (arXiv:1706.02677), section 5.1",
        lasting(256, 90)
        | _RESNET
        | drops((30, 60, 80))
        | {"schedule.warmup": "5 epochs", "model.fields.zero_init_last": True},
        "batch norm sees the whole batch, in the paper 32 examples; the rate rises in a line from 0, in the paper from "
        "0.1 and for larger batches alone",
        checked="paper",
    ),
    "resnext*": Training(
        "Xie et al. 2017 (arXiv:1611.05431), section 4, and the authors' code",
        lasting(256, 100) | drops((30, 60, 90)) | sgd(0.1, 1e-4, nesterov=True),
        _TORCH,
        checked="paper, code",
    ),
    "senet154": Training(
        "Hu et al. 2018 (arXiv:1709.01507v4), section 5.1 and appendix",
        lasting(2048, 100) | steps(30, 0.1) | sgd(1.0, 1e-4) | _SMOOTHED,
        "the decay is not in the paper; norms learn to the end, in the paper not in the last epochs",
        checked="paper",
    ),
    "seresnet*": Training(
        "Hu et al. 2018 (arXiv:1709.01507v4), section 5.1",
        lasting(1024, 100) | steps(30, 0.1) | sgd(0.6, 1e-4),
        "the decay is not in the paper",
        checked="paper, code",
    ),
    "shufflenet_v1": Training(
        "Zhang et al. 2018 (arXiv:1707.01083), section 4",
        _SHUFFLE,
        "crops of all sizes; the authors' program also smooths labels and changes colours",
        checked="paper, code",
    ),
    "shufflenet_v2*": Training(
        "Ma et al. 2018 (arXiv:1807.11164), section 4",
        _SHUFFLE,
        "crops of all sizes",
        checked="paper",
    ),
    "squeezenet*": Training(
        "Iandola et al. 2016 (arXiv:1602.07360), section 3.3, and the authors' code",
        lasting(512, 170_000 * 512 / _EPOCH) | sgd(0.04, 2e-4) | falling("linear"),
        checked="paper, code, programs",
    ),
    "wide_resnet*": Training(
        "Zagoruyko and Komodakis 2016 (arXiv:1605.07146), section 3",
        lasting(256, 90) | drops((30, 60)) | sgd(0.1, 1e-4, nesterov=True),
        "the paper refers to the program fb.resnet.torch, whose settings these are; it also changes colours",
        checked="paper, programs",
    ),
    "xception": Training(
        "Chollet 2017 (arXiv:1610.02357), sections 4.2 and 4.3",
        lasting(256, 100) | sgd(0.045, 1e-5) | steps(2, 0.94) | _AVERAGED,
        "batch and length are not in the paper",
        checked="paper",
    ),
}
"""Pattern of the names of models -> the training; the first that matches."""
