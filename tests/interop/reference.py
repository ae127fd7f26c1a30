"""The reference implementations, with random weights and random statistics; PyTorch is imported on use."""

import functools

import numpy as np

TORCHVISION = "torchvision"
TIMM = "timm"


@functools.cache
def _packages():
    import torch

    # Beside a CPU-only torch, torchvision's compiled operators are missing, and with them what it registers fakes for.
    torch.library.register_fake = lambda *_, **__: lambda function: function
    import timm
    import torchvision

    return torch, torchvision, timm


def build(library, name, num_classes=10, **options):
    """Returns a reference net in evaluation mode, all of its weights and running statistics random."""
    torch, torchvision, timm = _packages()
    torch.manual_seed(0)
    if library == TORCHVISION:
        net = torchvision.models.get_model(name, weights=None, num_classes=num_classes, **options)
    else:
        net = timm.create_model(name, pretrained=False, num_classes=num_classes, **options)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.1)
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
    return net.eval()


def weights(net):
    """Returns the state dict as arrays."""
    return {key: value.numpy() for key, value in net.state_dict().items()}


def logits(net, image):
    """Returns the logits (batch, num_classes) for images (batch, height, width, channels)."""
    torch, *_ = _packages()
    with torch.no_grad():
        return net(torch.from_numpy(np.ascontiguousarray(image.transpose(0, 3, 1, 2)))).numpy()
