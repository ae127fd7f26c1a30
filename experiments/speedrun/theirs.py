"""The recipe of `config.py:cpu` in PyTorch, written as is usual there: the rival of `race.py`.

    python experiments/speedrun/theirs.py SEED

prints a line of JSON with accuracy and seconds. It needs the extra [torch], and the data as `jaxcnn prepare cifar10`
leaves them. All images are in memory, channels last, in float32. Threads are PyTorch's defaults.
"""

import json
import sys
import time

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments.data import cifar10_44000
from experiments.speedrun.config import get_config
from experiments.speedrun.net import whitening_filters
from experiments.speedrun.whitening import MEAN, STD

Split = tuple[Tensor, Tensor]


class Block(nn.Sequential):
    """Convolution, max pooling, norm, GELU, convolution, norm, GELU."""

    def __init__(self, channels: int, features: int, momentum: float) -> None:
        norms = [nn.BatchNorm2d(features, momentum=1 - momentum) for _ in range(2)]
        convs = [nn.Conv2d(each, features, 3, padding=1, bias=False) for each in (channels, features)]
        for conv in convs:
            nn.init.dirac_(conv.weight[: conv.in_channels])  # the other features as PyTorch begins
        super().__init__(convs[0], nn.MaxPool2d(2), norms[0], nn.GELU(), convs[1], norms[1], nn.GELU())


class Net(nn.Module):
    """`FastNet` in PyTorch."""

    def __init__(self, features: tuple[int, ...], momentum: float) -> None:
        super().__init__()
        kernel = torch.from_numpy(whitening_filters().transpose(3, 2, 0, 1).copy()).float()
        self.whiten = nn.Conv2d(3, kernel.shape[0], 2)
        self.whiten.weight = nn.Parameter(kernel, requires_grad=False)
        widths = (kernel.shape[0], *features)
        self.blocks = nn.Sequential(*(Block(a, b, momentum) for a, b in zip(widths, features, strict=False)))
        self.head = nn.Linear(features[-1], 10, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        """Maps (batch, 3, 32, 32) to logits (batch, 10)."""
        x = self.blocks(functional.gelu(self.whiten(image)))
        return self.head(x.amax(dim=(2, 3))) / 9


def splits() -> dict[str, Split]:
    """Returns image and label of the training and test split; images whitened, (n, 3, 32, 32), channels last."""
    found = cifar10_44000()
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (MEAN, STD))

    def ready(part: tuple[np.ndarray, np.ndarray]) -> Split:
        image = torch.from_numpy(np.asarray(part[0])).permute(0, 3, 1, 2) / 255
        white = ((image - mean) / std).contiguous(memory_format=torch.channels_last)
        return white, torch.from_numpy(np.asarray(part[1])).long()

    return {name: ready(found[name]) for name in ("train", "test")}


def shifted(image: Tensor, most: int = 2) -> Tensor:
    """Returns images (n, 3, 32, 32), each moved by up to `most` pixels, what is beyond the border mirrored."""
    count, _, height, width = image.shape
    around = functional.pad(image, (most,) * 4, mode="reflect")
    down, right = torch.randint(2 * most + 1, (2, count))
    moved = torch.empty_like(image)
    for top in range(2 * most + 1):
        for left in range(2 * most + 1):
            here = (down == top) & (right == left)
            moved[here] = around[here, :, top : top + height, left : left + width]
    return moved


def train(seed: int) -> dict[str, float]:
    """Trains a net; returns its accuracy, in percent, and the seconds of the training and of all with the data."""
    began = time.perf_counter()
    config = get_config("cpu")
    torch.manual_seed(seed)
    data = splits()
    net = Net(config.model.fields.features, config.model.norm_options.momentum)
    net = net.to(memory_format=torch.channels_last)
    optimizer, schedule = descent(net, config)
    started = time.perf_counter()
    fit(net, optimizer, schedule, data["train"], config)
    seconds = time.perf_counter() - started
    right = accuracy(net, data["test"])
    return {"accuracy": 100 * right, "seconds": seconds, "whole": time.perf_counter() - began}


def descent(net: Net, config) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Returns SGD and the schedule of its rate."""
    told, steps, warmup = config.optimizer, config.total_steps, int(config.schedule.warmup.split()[0])
    norms = [each for each in net.modules() if isinstance(each, nn.BatchNorm2d)]
    for norm in norms:
        norm.weight.requires_grad_(False)
    ((_, factor),) = told.multipliers
    groups = [
        {"params": [norm.bias for norm in norms], "lr": factor * told.learning_rate, "weight_decay": 0.0},
        {"params": [net.whiten.bias], "weight_decay": 0.0},
        {"params": [each for each in net.parameters() if each.requires_grad and each.ndim > 1]},
    ]
    optimizer = torch.optim.SGD(
        groups, lr=told.learning_rate, momentum=told.momentum, nesterov=True, weight_decay=told.weight_decay
    )
    end = config.schedule.end_factor

    def rate(step: int) -> float:
        return step / warmup if step < warmup else 1 + (end - 1) * (step - warmup) / (steps - warmup)

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, rate)


def fit(net: Net, optimizer, schedule, split: Split, config) -> None:
    """Trains the net for as many steps as the config says."""
    image, label = split
    size, smoothing, step, epoch = config.batch_size, config.loss.label_smoothing, 0, 0
    mirrored = torch.rand(len(image)) < 0.5
    while step < config.total_steps:
        flips = (mirrored if epoch % 2 == 0 else ~mirrored).view(-1, 1, 1, 1)
        moved = shifted(torch.where(flips, image.flip(-1), image))
        for rows in torch.randperm(len(image)).split(size):
            if step == config.total_steps:
                return
            optimizer.zero_grad(set_to_none=True)
            logits = net(moved[rows].contiguous(memory_format=torch.channels_last))
            functional.cross_entropy(logits, label[rows], label_smoothing=smoothing).backward()
            optimizer.step()
            schedule.step()
            step += 1
        epoch += 1


@torch.inference_mode()
def accuracy(net: Net, split: Split) -> float:
    """Returns the share of images that are right, by the mean of the logits of each and of its mirror image."""
    net.eval()
    right = 0
    for image, label in zip(*(each.split(500) for each in split), strict=True):
        right += int(((net(image) + net(image.flip(-1))).argmax(1) == label).sum())
    return right / len(split[1])


if __name__ == "__main__":
    print(json.dumps(train(int(sys.argv[1]))))
