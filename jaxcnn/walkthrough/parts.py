"""What the page of a walk shows, by the names of its template."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special

from jaxcnn.data.read.transforms import to_pil
from jaxcnn.evaluation.words import at_step
from jaxcnn.models import Net
from jaxcnn.parts import part_name
from jaxcnn.pictures.colors import Scale, bar
from jaxcnn.reporting.charts import color
from jaxcnn.reporting.pictures import picture_address
from jaxcnn.walkthrough.charts import Values, histogram, spread_in_words
from jaxcnn.walkthrough.fields import Box, box_of, field_line, place_line
from jaxcnn.walkthrough.maps import MOST, MOST_OF_TWO, common_scale, strip, strongest, thinning, tiles, unit_of
from jaxcnn.walkthrough.nets import Seen, Traced
from jaxcnn.walkthrough.steps import Step
from jaxcnn.walkthrough.sums import merged, sums_of

_CLASSES = 10
"""Most classes whose probabilities are shown."""
_FEW = 3
"""Layers of a step up to which it is clear which one is meant."""
_SMALL = 96
"""Pixels of a side up to which the photo is kept without loss."""
_LARGEST = 10.0
"""Logit up to which exponentials are written as they are."""
PROBABILITIES = "class probabilities"


def parts_of(nets: Sequence[Traced], found: Sequence[tuple[Sequence[Seen], np.ndarray]], photo: str) -> dict[str, Any]:
    """Returns all that the page says.

    Args:
        nets: one, or two side by side.
        found: what `walked_through` returns of each.
        photo: name of its file.
    """
    by_path = [{each.step.path: each for each in steps} for steps, _ in found]
    paths = merged([list(each) for each in by_path])
    steps = [_step(path, nets, [each.get(path) for each in by_path]) for path in paths]
    ends = [_ranked(net, logits) for net, (_, logits) in zip(nets, found, strict=True)]
    return {
        "photo": photo,
        "nets": [_net(number, net) for number, net in enumerate(nets)],
        "steps": [{"number": number, **step} for number, step in enumerate(steps, start=1)],
        "last": len(steps) + 1,
        "probabilities": PROBABILITIES,
        "ends": ends,
    }


def _net(number: int, net: Traced) -> dict[str, Any]:
    subject, image = net.subject, to_pil(net.photo)
    small = image.width <= _SMALL
    return {
        "label": net.label,
        "color": color(number),
        "words": _words(net) + at_step(subject.step, subject.states),
        "image": subject.told(),
        "picture": picture_address(image, "PNG") if small else picture_address(image, "JPEG", quality=88),
        "small": small,
        "size": image.width,
        "frame": Box(0, 0, image.width, image.width).frame(image.width),
        "views": subject.views,
    }


def _words(net: Traced) -> str:
    model = net.subject.model
    kind = type(model).__name__
    return f"{kind}, norm {part_name(model.norm)}, act {part_name(model.act)}" if isinstance(model, Net) else kind


def _step(path: str, nets: Sequence[Traced], seen: Sequence[Seen | None]) -> dict[str, Any]:
    """Returns what the page says of a step; of a net that has no such step None."""
    outputs = [each.output for each in seen if each is not None and each.output is not None]
    scale = common_scale(outputs) if outputs else None
    most = MOST if len(nets) == 1 else MOST_OF_TWO
    words = [None if each is None else " → ".join(each.step.words) for each in seen]
    return {
        "title": path,
        "words": _common(words),
        "sums": _common([None if each is None else _sums(each.step) for each in seen]),
        "arithmetic": sums_of([None if each is None else each.step for each in seen]),
        "scale": None if scale is None else _scale(scale),
        "columns": [
            None if each is None else {"words": words[number], **_column(nets[number], each, scale, most)}
            for number, each in enumerate(seen)
        ],
        "charts": _charts(nets, seen),
        "spreads": [None if each is None else _spreads(each) for each in seen],
    }


def _once(of: Sequence[Any]) -> list[Any]:
    """Returns what is said of each net, or what is said of all that have the step."""
    known = [each for each in of if each is not None]
    return known[:1] if all(each == known[0] for each in known) else list(of)


def _common(of: Sequence[str | None]) -> str:
    """Returns what is said of all nets that have the step; "" if it differs."""
    found = _once(of)
    return found[0] if len(found) == 1 else ""


def _sums(step: Step) -> str:
    """Returns parameters and multiply-adds in words."""
    sums = {"parameters": sum(layer.params for layer in step.layers)}
    sums["multiply-adds"] = sum(layer.multiply_adds for layer in step.layers)
    return ", ".join(f"{count:,} {name}" for name, count in sums.items() if count)


def _scale(scale: Scale) -> dict[str, Any]:
    top = f"{scale.top:.3g}"
    return {
        "picture": picture_address(to_pil(bar(scale, width=128, height=1)), "PNG"),
        "low": f"-{top}" if scale.signed else "0",
        "high": top,
        "words": str(scale),
    }


def _column(net: Traced, seen: Seen, scale: Scale | None, most: int) -> dict[str, Any]:
    """Returns what the page shows of one net at a step."""
    output, size = seen.output, len(net.photo)
    mapped = output is not None and output.ndim == 3
    channels = strongest(output, most) if mapped and output is not None else []
    unit = unit_of(output, channels[0]) if channels and output is not None else None
    box = box_of(seen.field, unit, size)
    shape = seen.step.row.output_shape or ()
    return {
        "reads": None if seen.reads is None else "x".join(map(str, seen.reads)),
        "shape": "x".join(map(str, shape)),
        "channels": shape[-1] if shape else 0,
        "tiles": tiles(output, channels, scale) if output is not None and channels and scale else [],
        "strip": strip(output.ravel(), scale) if output is not None and not channels and scale else None,
        "thinned": thinning(max(shape[:2])) if mapped else 1,
        "unit": unit,
        "mark": None if unit is None else [100 * part for part in (
            unit.column / shape[1], unit.row / shape[0], 1 / shape[1], 1 / shape[0],
        )],
        "box": box,
        "frame": (box or Box(0, 0, size, size)).frame(size),
        "field": field_line(seen.step.row.receptive, seen.field),
        "place": place_line(box, size),
        "told": {
            "output_shape": list(shape),
            "receptive_field": seen.step.row.receptive.size,
            "channels": channels,
            "unit": None if unit is None else unit._asdict(),
        },
    }  # fmt: skip


def _charts(nets: Sequence[Traced], seen: Sequence[Seen | None]) -> list[Any]:
    """Returns the histograms of a step: before and after its norms or activations, or of what it gives.

    What a net without a norm or an activation gives stands beside what the other gives behind it.
    """
    before, after = list[Values](), list[Values]()
    for number, (net, each) in enumerate(zip(nets, seen, strict=True)):
        if each is None:
            continue
        if each.before is not None and each.after is not None:
            before.append(Values(net.label, color(number), each.before))
            after.append(Values(net.label, color(number), each.after))
        elif each.output is not None:
            after.append(Values(net.label, color(number), each.output))
    if not before:
        return [histogram("values that it gives", after)] if after else []
    name = _changing(seen)
    rest = ", or the output" if len(after) > len(before) else ""
    return [histogram(f"before the {name}", before), histogram(f"after the {name}{rest}", after)]


def _changing(seen: Sequence[Seen | None]) -> str:
    """Returns what changes the values: "BatchNorm"; "norm" of two kinds; "norm or relu" where one net has none."""
    changes = [each.step.change.name for each in seen if each is not None and each.step.change is not None]
    names = dict.fromkeys(name.partition(": ")[2] or name for name in changes)
    if len(names) == 1:
        return next(iter(names))
    return " or ".join(dict.fromkeys("norm" if ": " in name else name for name in changes))


def _spreads(seen: Seen) -> Mapping[str, str]:
    """Returns in words how values are spread, by what they are."""
    if seen.before is not None and seen.after is not None and seen.step.change is not None:
        path, _, kind = seen.step.change.name.rpartition(": ")
        several = path and len(seen.step.layers) > _FEW
        name = path.removeprefix(f"{seen.step.path}/") if several else kind
        return {
            f"before {name}": spread_in_words(seen.before),
            f"after {name}": spread_in_words(seen.after),
        }
    return {} if seen.output is None else {"values": spread_in_words(seen.output)}


def _ranked(net: Traced, logits: np.ndarray) -> dict[str, Any]:
    """Returns the most likely classes, and the arithmetic of the first."""
    wide = logits.astype(np.float64)
    share = special.expit(wide) if net.subject.independent else special.softmax(wide)
    best = np.argsort(-share, kind="stable")[:_CLASSES].tolist()
    rows = [
        {"class": net.subject.class_names[index], "logit": float(wide[index]), "share": float(share[index])}
        for index in best
    ]
    first = rows[0]
    if net.subject.independent:
        sum_line = f"1 / (1 + exp({-first['logit']:.4g})) = {first['share']:.2%}"
    else:
        shift = max(float(wide.max()) - _LARGEST, 0.0)  # exp of more has too many digits
        parts = [float(each) for each in (np.exp(first["logit"] - shift), np.exp(wide - shift).sum())]
        taken = f", all logits {shift:.4g} less" if shift else ""
        written = f"{parts[0]:,.5g} / {parts[1]:,.5g} = {first['share']:.2%}"
        sum_line = f"exp({first['logit']:.4g}) / sum of exp(logit) = {written}{taken}"
    return {"rows": rows, "arithmetic": sum_line, "classes": len(wide)}
