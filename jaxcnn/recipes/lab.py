"""The recipe `lab`: the schedules of the labs of CS5242 at the National University of Singapore (Bresson 2021).

Lecture 8 has the rates and their schedules: lab 03 trains LeNet-5 on MNIST, lab 04 the VGG-like net on CIFAR-10, and
the results of the two MLPs stand beside the latter. It does not say how large a batch is, or how long is trained.
"""

from jaxcnn.data.catalog import DatasetInfo
from jaxcnn.errors import UserError
from jaxcnn.recipes.changes import Changes, augmented, drops, lasting, sgd, steps
from jaxcnn.recipes.net import Net
from jaxcnn.recipes.training import Training

_LENET = lasting(128, 30) | steps(5, 1 / 1.5)
_VGG = lasting(128, 20) | drops((10, 14, 18), 0.5)
LABS: dict[str, tuple[str, Changes]] = {
    "lenet5_relu": ("mnist", _LENET),
    "vgg10_cifar": ("cifar10", _VGG),
    "mlp1": ("cifar10", _VGG),
    "mlp3": ("cifar10", _VGG),
}
"""Net -> the data set that its lab has, and the length and schedule."""


def training(info: DatasetInfo, net: Net) -> Training:
    """Returns the training of a net on a data set.

    Raises:
        UserError: for a net that no lab trains, and for another data set than the lab's.
    """
    if net.name not in LABS:
        raise UserError(f"no lab trains {net.name}: the labs' nets are {', '.join(LABS)}")
    data, schedule = LABS[net.name]
    if info.name != data:
        raise UserError(f"the lab of {net.name} has {data}: train:{data},{net.name},lab, and --config.data.name")
    lab = "lab 03" if net.name == "lenet5_relu" else "lab 04"
    unsaid = "the lecture gives no batch size and no length, here 128 and the end of its schedule"
    unsaid += "; of the MLPs it gives the results alone, not this schedule" if net.family == "mlp" else ""
    found = sgd(0.25, momentum=0.0) | augmented("") | schedule
    return Training(f"CS5242, lecture 8 (Bresson, NUS 2021), {lab}", found, unsaid, checked="lecture")
