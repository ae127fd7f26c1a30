"""Counts what determines how a net scales over devices: parameters, batch norms and arithmetic, from shapes alone.

Run `python benchmarks/scaling/nets.py`; it writes nets.json.
"""

from pathlib import Path

import jax
from flax import traverse_util

from jaxcnn.analysis.trace import multiply_adds
from jaxcnn.json_file import write_json
from jaxcnn.layers.variables import abstract_variables
from jaxcnn.models import create_model, model_variant

NETS = (
    *("alexnet", "vgg16", "googlenet_torchvision", "resnet18", "resnet50", "resnet152", "inception_v3", "densenet121"),
    *("resnext50_32x4d", "seresnet50", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0", "efficientnet_b7"),
    *("nasnet_a_large", "resnet20", "wide_resnet28_10"),
)


def facts(name: str) -> dict[str, int]:
    """Returns the figures of one net at its paper's size."""
    variant = model_variant(name)
    shape = (variant.image_size, variant.image_size, variant.channels)
    model = create_model(name, num_classes=variant.num_classes)
    variables = abstract_variables(model, shape)
    means = [path for path in traverse_util.flatten_dict(variables.get("batch_stats", {})) if path[-1] == "mean"]
    return {
        "image": variant.image_size,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(variables["params"])),
        "multiply_adds": multiply_adds(model, shape),
        "batch_norms": len(means),
    }


def main() -> None:
    """Writes the figures of all of them."""
    write_json(Path(__file__).parent / "nets.json", {name: facts(name) for name in NETS})


if __name__ == "__main__":
    main()
