"""Prints a digest of each program that `jaxcnn benchmark step` times: `python benchmarks/step/programs.py`.

Two versions of the package with equal digests compute the same, equally fast. PYTHONPATH says which checkout is taken.
"""

from jaxcnn import runtime

runtime.configure()  # before jax is imported

import hashlib  # noqa: E402

from jaxcnn.commands.steps.ours import lower_step  # noqa: E402
from jaxcnn.commands.steps.work import Work  # noqa: E402

NETS = {
    "lenet5_relu": {"batch_size": 128, "image_size": 28, "channels": 1},
    "vgg10_cifar": {"batch_size": 64, "image_size": 32},
    "resnet18": {"batch_size": 64, "image_size": 32, "stem": "small"},
    "resnet50": {},
    "mobilenet_v2": {},
    "resnext50_32x4d": {},
    "efficientnet_b0": {},
}
"""What is trained on, if not 8 images of 224x224 in 1,000 classes; images of 32 or fewer pixels have ten."""


def main() -> None:
    """Traces all of them, and compiles none."""
    for name, changes in NETS.items():
        asked = {"batch_size": 8, "image_size": 224, "channels": 3} | changes
        classes = 1000 if asked["image_size"] == 224 else 10
        for train in (True, False):
            program = lower_step(Work(model=name, num_classes=classes, train=train, **asked)).as_text()
            print(name, "training " if train else "inference", hashlib.sha256(program.encode()).hexdigest()[:16])


if __name__ == "__main__":
    main()
