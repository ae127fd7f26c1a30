"""Counts every net of the zoo, and sets the counts beside published ones: `python experiments/architectures/count.py`.

Nothing is computed and no weights are made: each net is traced. models.csv has a row for each net. A net that has one
is not traced again, so that the command goes on where it was stopped. published.csv has what papers, lectures and
torchvision say, with the source. Where our count is another, `convention` names a way of counting that is tried, and
`why` says what it is. compared.csv and summary.json are made from the two.
"""

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jaxcnn
from jaxcnn.comparing.nets import last_field
from jaxcnn.inside.columns import extent
from jaxcnn.inside.summary import Summary
from jaxcnn.models import model_variant

HERE = Path(__file__).parent
MODELS, PUBLISHED, COMPARED, SUMMARY = (
    HERE / name for name in ("models.csv", "published.csv", "compared.csv", "summary.json")
)
BATCH = 32
"""Images for which memory is estimated."""
HEADER = (
    *("model", "group", "year", "image", "parameters", "multiply-adds", "values", "field"),
    *("inference MB", "training MB"),
)
GROUPS = {
    "MLP, LeNet, AlexNet, VGG": ("mlp", "lenet", "alexnet", "zfnet", "vgg"),
    "Inception, Xception": ("googlenet", "inception", "xception"),
    "plain, highway": ("plain", "highway"),
    "ResNet": ("resnet", "preact_resnet"),
    "wide, ResNeXt, SENet": ("wide_resnet", "resnext", "seresnet", "senet"),
    "DenseNet": ("densenet",),
    "SqueezeNet, MobileNet, ShuffleNet": ("squeezenet", "mobilenet", "shufflenet"),
    "NASNet, EfficientNet": ("nasnet", "efficientnet"),
}
"""Group -> how the names of its nets begin."""


KINDS = {
    "all": "published numbers",
    "torchvision": "numbers of torchvision",
    "paper": "numbers of papers",
    "lecture": "numbers of lectures",
}
AGREES = {
    "at once": "that agree at once",
    "by the convention": "that agree by another count",
    "no": "that do not agree",
}


def group_of(name: str) -> str:
    """Returns the group of a net: that with the longest beginning of its name, or "further nets"."""
    fitting = [(len(start), group) for group, starts in GROUPS.items() for start in starts if name.startswith(start)]
    return max(fitting, default=(0, "further nets"))[1]


def values_of(found: Summary) -> int:
    """Returns how many values image, convolutions, poolings and dense layers give, as papers list them."""
    kinds = ("Conv", "Pool", "Dense")
    own = [layer for layer in found.layers[1:] if not layer.training_only]
    return found.layers[0].activations + sum(
        layer.activations for layer in own if any(kind in layer.kind for kind in kinds)
    )


def row_of(name: str) -> dict[str, Any]:
    """Returns the row of a net."""
    found = jaxcnn.summary(name, batch_size=BATCH)
    memory = found.memory
    values = (
        *(name, group_of(name), model_variant(name).year, "x".join(map(str, found.image_shape))),
        *(found.totals.params, found.totals.multiply_adds, values_of(found), extent(last_field(found))),
        *(f"{size / 1e6:.1f}" if size else "" for size in (memory.inference, memory.training)),
    )
    return dict(zip(HEADER, values, strict=True))


def count() -> dict[str, dict[str, Any]]:
    """Returns the row of every net by its name; writes each as soon as it is known."""
    rows = {row["model"]: row for row in read(MODELS)} if MODELS.is_file() else {}
    for name in jaxcnn.list_models():
        if name not in rows:
            rows[name] = row_of(name)
            write(MODELS, HEADER, [rows[known] for known in jaxcnn.list_models() if known in rows])
            print(f"{name}: {rows[name]['parameters']:,} parameters", flush=True)
    return rows


def without(*left_out: str) -> Callable[[Summary], int]:
    """Returns what counts parameters without auxiliary heads ("heads"), norms ("norms") or the classifier."""

    def counted(found: Summary) -> int:
        kept = [layer for layer in found.layers if not ("heads" in left_out and layer.training_only)]
        kept = [layer for layer in kept if not ("norms" in left_out and "Norm" in layer.kind)]
        kept = [layer for layer in kept if not ("classifier" in left_out and layer.path == "classifier")]
        return sum(layer.params for layer in kept)

    return counted


def _small_alexnet(found: Summary) -> int:
    layers = {layer.path: layer.params for layer in found.layers}
    return found.totals.params - layers["classifier"] - (6 * 6 - 5 * 5) * 256 * 4096


CONVENTIONS: Mapping[str, tuple[Mapping[str, Any], Callable[[Summary], int]]] = {
    "without auxiliary heads": ({}, without("heads")),
    "without auxiliary heads and classifier": ({}, without("heads", "classifier")),
    "without norms": ({}, without("norms")),
    "5x5 map, no last layer": ({}, _small_alexnet),
    "stride on the first 1x1": ({"fields": {"stride_on_first": True}}, lambda found: found.totals.multiply_adds),
    "first release": (
        {"fields": {"stride_on_first": True, "legacy": True}},
        lambda found: found.totals.multiply_adds,
    ),
    "shortcuts without parameters": ({"fields": {"shortcut": "pad"}}, lambda found: found.totals.multiply_adds),
    "image of 288": ({"image_size": 288}, lambda found: found.totals.multiply_adds),
    "second 512 convolution": ({"fields": {"stage_sizes": (2, 2, 2, 2)}}, lambda found: found.totals.params),
}
"""Way of counting -> what is changed of the net, and what is counted."""


def counted_by(convention: str, model: str, rows: Mapping[str, Mapping[str, Any]], quantity: str) -> int:
    """Returns a count by a convention: a name of another net is that net's."""
    if convention in rows:
        return int(rows[convention][quantity])
    changes, counts = CONVENTIONS[convention]
    return counts(jaxcnn.summary(model, **changes))


def rounds_to(count: int, published: str) -> bool:
    """Returns whether a count, rounded to the digits of a published number such as "11.3e9", is that number."""
    digits, _, power = published.partition("e")
    decimals = len(digits.partition(".")[2])
    return f"{count / 10 ** int(power or 0):.{decimals}f}" == f"{float(digits):.{decimals}f}"


def compare(rows: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns each published number beside ours."""
    found = []
    for said in read(PUBLISHED):
        ours = int(rows[said["model"]][said["quantity"]])
        other = counted_by(said["convention"], said["model"], rows, said["quantity"]) if said["convention"] else ""
        agrees = "at once" if rounds_to(ours, said["published"]) else "no"
        if agrees == "no" and other and rounds_to(other, said["published"]):
            agrees = "by the convention"
        first = {"number": f"{said['model']} {said['quantity']}, {said['source']}, {said['published']}"}
        found.append({**first, **said, "ours": ours, "by the convention": other, "agrees": agrees})
    return found


def summarised(compared: list[dict[str, Any]], models: int) -> dict[str, int]:
    """Returns how many published numbers there are, and how many agree, by where they are from."""
    found = {"nets": models}
    for kind, name in KINDS.items():
        own = [row for row in compared if kind in ("all", row["kind"])]
        found[name] = len(own)
        found |= {f"{name} {told}": sum(row["agrees"] == agrees for row in own) for agrees, told in AGREES.items()}
    return found


def read(path: Path) -> list[dict[str, str]]:
    """Returns the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, header: Any, rows: Any) -> None:
    """Writes a CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    counted = count()
    compared = compare(counted)
    write(COMPARED, list(compared[0]), compared)
    SUMMARY.write_text(json.dumps(summarised(compared, len(counted)), indent=1) + "\n", encoding="utf-8")
    for each in compared:
        if each["agrees"] != "at once":
            print(f"{each['number']}: ours {each['ours']:,}, {each['convention']} {each['by the convention']}")
