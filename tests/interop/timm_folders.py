"""Folders as timm itself writes them, kept for tests without PyTorch: `timm/` beside this file.

- `dense/` and `squashed/` are whole: a DenseNet of a few layers with random weights, once in model.safetensors and once
  in pytorch_model.bin alone. `seen.json` has the probabilities that timm gives two photos, by its own preprocessing.
- `configs/` has the config.json of weights that timm has published.
- `names.json.xz` has the shapes by name of each net that has a counterpart here.
- `logits.json` has the first logits of some of them, of weights that NumPy draws.

With the extra [parity]

    python -m tests.interop.timm_folders

writes them anew.
"""

import json
import lzma
import pathlib
import shutil

from jaxcnn.interop.published.counterparts import COUNTERPARTS
from tests.interop import golden, reference

PLACE = pathlib.Path(__file__).with_name("timm")
NAMES = PLACE / "names.json.xz"
PHOTOS = ("china.jpg", "flower.jpg")
TINY = {"growth_rate": 4, "block_config": [1, 1, 1, 1], "num_classes": 3}
"""Arguments of timm's `densenet121`."""
DENSE = {"crop_pct": 0.9, "interpolation": "bicubic", "test_input_size": (3, 72, 72), "test_crop_pct": 0.95}
SQUASHED = {
    **{"crop_pct": 0.8, "crop_mode": "squash", "interpolation": "bilinear"},
    **{"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.25, 0.5)},
}
TAGGED = (
    *("resnet50.a1_in1k", "tf_efficientnet_b0.ns_jft_in1k", "mobilenetv3_large_100.miil_in21k", "inception_v3.tv_in1k"),
    *("resnet50d.ra2_in1k", "vgg16.tv_in1k", "resnetv2_50x1_bit.goog_in21k", "mobilenetv2_100.ra_in1k"),
)
"""Weights that timm has published, some of nets that are none of ours."""


DRAWN = ("mobilenetv2_035", "tf_mobilenetv3_small_100", "tf_efficientnet_b0", "efficientnet_b0")
"""Nets that have logits here."""
SIDE = 64
"""Of the image that they see: even, so that TensorFlow's padding shows."""
FEW = 5
"""How many of their logits are kept."""


def photos():
    """Returns the paths of two photos that scikit-learn has."""
    import sklearn.datasets

    return [pathlib.Path(sklearn.datasets.__file__).parent / "images" / name for name in PHOTOS]


def load_names():
    """Returns the shapes of each net's entries, by name, by timm's name of the net."""
    return json.loads(lzma.decompress(NAMES.read_bytes()))


def write():
    """Writes all folders."""
    _, _, timm = reference.packages()
    shutil.rmtree(PLACE, ignore_errors=True)
    (PLACE / "configs").mkdir(parents=True)
    labels = {"label_names": ["temple", "flower", "none of them"]}
    _write_tiny("dense", DENSE | {"input_size": (3, 56, 56)}, labels, safe=True)
    _write_tiny("squashed", SQUASHED | {"input_size": (3, 64, 64)}, {}, safe=False)
    torch, *_ = reference.packages()
    with torch.device("meta"):
        for name in TAGGED:
            config = PLACE / "configs" / f"{name}.json"
            timm.models._hub.save_config_for_hf(timm.create_model(name, pretrained=False), config)
        nets = {name: timm.create_model(name, pretrained=False) for name in COUNTERPARTS}
    shapes = {name: {k: list(v.shape) for k, v in net.state_dict().items() if v.ndim} for name, net in nets.items()}
    NAMES.write_bytes(lzma.compress(json.dumps(shapes, separators=(",", ":")).encode(), preset=9))
    logits = {name: [float(f"{value:.9g}") for value in _logits(nets[name], shapes[name])] for name in DRAWN}
    (PLACE / "logits.json").write_text(json.dumps(logits) + "\n")


def _logits(net, shapes):
    """Returns the first logits of a net with drawn weights, in float64."""
    torch, *_ = reference.packages()
    weights = {name: torch.from_numpy(value) for name, value in golden.draw(shapes).items()}
    net.load_state_dict(weights, strict=False, assign=True)
    return reference.logits(net.eval().double(), golden.image(SIDE).astype("float64"))[0, :FEW]


def _write_tiny(name, data, described, *, safe):
    """Writes a folder of the tiny net, and what timm sees in the photos.

    Args:
        name: of the folder.
        data: timm's words for the preprocessing.
        described: further entries of config.json.
        safe: whether the weights are in safetensors.
    """
    _, _, timm = reference.packages()
    net = reference.build(reference.TIMM, "densenet121", **TINY)
    timm.models.save_for_hf(net, PLACE / name, model_config=described, safe_serialization=safe, data_config=data)
    for path in (PLACE / name).iterdir():
        path.chmod(0o644)  # timm's are only for their owner
    (PLACE / name / "seen.json").write_text(json.dumps(seen(PLACE / name)) + "\n")


def seen(folder):
    """Returns the probabilities that timm gives the photos: its net from the folder, with its own evaluation."""
    from PIL import Image

    torch, _, timm = reference.packages()
    net = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    images = timm.data.create_transform(**timm.data.resolve_model_data_config(net, use_test_size=True))
    with torch.no_grad():
        batch = torch.stack([images(Image.open(path).convert("RGB")) for path in photos()])
        return net(batch).softmax(-1).tolist()


if __name__ == "__main__":
    write()
