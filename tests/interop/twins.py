"""Small PyTorch nets with the names that two widely used CIFAR implementations give their parts (needs PyTorch)."""

import itertools

import torch
from torch import nn
from torch.nn import functional

from tests.interop import reference

reference.packages()


def randomise(net):
    """Returns the net in evaluation mode, all of it random, at scales that let the image through to the logits."""
    torch.manual_seed(0)
    for key, tensor in net.state_dict().items():
        if tensor.ndim > 1:
            tensor.normal_(0, (1.5 / tensor[0].numel()) ** 0.5)
        elif key.endswith(("weight", "var")):
            tensor.uniform_(0.5, 1.5)
        elif tensor.ndim:
            tensor.normal_(0, 0.1)
    return net.eval()


def _conv(inputs, features, size, stride=1):
    return nn.Conv2d(inputs, features, size, stride, padding=size // 2, bias=False)


class PadBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut of option A: `conv1`, `bn1`, `conv2`, `bn2`."""

    def __init__(self, inputs, features):
        super().__init__()
        self.stride, self.new = features // inputs, features - inputs
        self.conv1, self.bn1 = _conv(inputs, features, 3, self.stride), nn.BatchNorm2d(features)
        self.conv2, self.bn2 = _conv(features, features, 3), nn.BatchNorm2d(features)

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        half = self.new // 2
        return torch.relu(y + functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, half)))


class ResNet(nn.Module):
    """`conv1`, `bn1`, `layer1` ... `layer3`, `linear`."""

    def __init__(self, blocks):
        super().__init__()
        self.conv1, self.bn1 = _conv(3, 16, 3), nn.BatchNorm2d(16)
        for stage, (inputs, features) in enumerate([(16, 16), (16, 32), (32, 64)], start=1):
            rest = [PadBlock(features, features) for _ in range(blocks - 1)]
            self.add_module(f"layer{stage}", nn.Sequential(PadBlock(inputs, features), *rest))
        self.linear = nn.Linear(64, 10)

    def forward(self, image):
        x = self.layer3(self.layer2(self.layer1(torch.relu(self.bn1(self.conv1(image))))))
        return self.linear(x.mean((2, 3)))


class NormActConvs(nn.Module):
    """Norm, ReLU and convolution, once or twice: `bn1`, `conv1`, `bn2`, `conv2`."""

    def __init__(self, *widths, sizes):
        super().__init__()
        self.count = len(sizes)
        for number, ((inputs, features), size) in enumerate(zip(itertools.pairwise(widths), sizes, strict=True), 1):
            self.add_module(f"bn{number}", nn.BatchNorm2d(inputs))
            self.add_module(f"conv{number}", _conv(inputs, features, size))

    def forward(self, x):
        for number in range(1, self.count + 1):
            x = getattr(self, f"conv{number}")(torch.relu(getattr(self, f"bn{number}")(x)))
        return x


class DenseLayer(NormActConvs):
    def forward(self, x):
        return torch.cat([x, super().forward(x)], 1)


class Nested(nn.Module):
    """Calls its layers `layer.0` ..."""

    def __init__(self, layers):
        super().__init__()
        self.layer = layers

    def forward(self, x):
        return self.layer(x)


class DenseNet(nn.Module):
    """`block1.layer.0`, `trans1`, `bn1`, `fc` where nested; else `dense1.0`, `trans1`, `bn`, `fc`."""

    def __init__(self, layers, growth, *, nested, bottleneck=True):
        super().__init__()
        width = 2 * growth
        self.conv1, self.maps, self.last = _conv(3, width, 3), [], "bn1" if nested else "bn"
        for stage in range(1, 4):
            if stage > 1:
                self._add(f"trans{stage - 1}", NormActConvs(width, width // 2, sizes=(1,)))
                self.maps.append(nn.AvgPool2d(2))
                width //= 2
            block = nn.Sequential()
            for _ in range(layers):
                widths, sizes = ((width, 4 * growth, growth), (1, 3)) if bottleneck else ((width, growth), (3,))
                block.append(DenseLayer(*widths, sizes=sizes))
                width += growth
            self._add(*((f"block{stage}", Nested(block)) if nested else (f"dense{stage}", block)))
        self.add_module(self.last, nn.BatchNorm2d(width))
        self.fc = nn.Linear(width, 10)

    def _add(self, name, module):
        self.add_module(name, module)
        self.maps.append(module)

    def forward(self, image):
        x = self.conv1(image)
        for part in self.maps:
            x = part(x)
        return self.fc(torch.relu(getattr(self, self.last)(x)).mean((2, 3)))
