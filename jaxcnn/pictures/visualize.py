"""Draws what trained nets have learnt."""

import os
from collections.abc import Sequence
from typing import Any

from jaxcnn.addresses import local_path
from jaxcnn.errors import writing
from jaxcnn.evaluation.waiting import waiting
from jaxcnn.pictures.attribution import METHODS
from jaxcnn.pictures.embedding import embed
from jaxcnn.pictures.heat import UNITS, Heat, bands_of, heats, scales_of
from jaxcnn.pictures.layers import feature_bands, filter_band
from jaxcnn.pictures.nets import Net, open_nets
from jaxcnn.pictures.support import support_band, support_of
from jaxcnn.pictures.task import HTML, Task, data_of, images_of, kind_of, names_of, words_of
from jaxcnn.pictures.tiles import Band, sheet
from jaxcnn.pictures.units import find_units, unit_band
from jaxcnn.reporting.files import check_packages, write_page

DEFAULT = ("gradcam", "saliency", "occlusion")


def visualize(
    runs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    images: str | os.PathLike[str] | int | Sequence[str | os.PathLike[str] | int] | None = None,
    *,
    what: str | Sequence[str] = DEFAULT,
    output: str | os.PathLike[str] = "visualize.png",
    layer: str | None = None,
    class_name: str | int | None = None,
    field: str | None = None,
    units: Sequence[int] | None = None,
    split: str = "test",
    data: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    step: int | str = "latest",
    class_names: Sequence[str] | os.PathLike[str] | None = None,
    model: Any | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Draws what trained nets have learnt, and where in images they look: a sheet as PNG, or an HTML page.

    Maps are of the logit of a class. Beside each stands its control, the same net with new weights, and their rank
    correlation: a map that resembles its control says little about what was learnt (Adebayo et al., arXiv:1810.03292).
    The maps of an image by one method share one scale over all nets, which is written below; so do the controls.

    Args:
        runs: a run folder or a folder of imported weights, or several. Of several seeds each net is shown.
        images: files, or numbers of examples of the split; None: four of the split.
        what: words, or one text with commas: "gradcam", "saliency", "smoothgrad", "integrated", "occlusion", "guided",
            "deconvolution" (see `jaxcnn.attribution`); "filters" of the first layer; "features", the maps of stages;
            "units", the images of the split that excite units of a layer most; "embedding", the features of the split
            in a plane (HTML only); "field", the receptive field of a layer over its measured support.
        output: the file, whose name ends with .png or .html.
        layer: of Grad-CAM, features, units, embedding and field, as "stage3"; None: the last with a map, for Grad-CAM
            of a net without stages what its activation makes of that, for features all stages, for the embedding
            "features".
        class_name: name or number of an output; "true": the label of each image; None: what the net says.
        field: a layer; the same as "field" in `what`, of this layer.
        units: channels; None: six that stand out.
        split: "train", "val" or "test".
        data: name of a data set, or a folder of images; None: that of the run.
        data_dir: where the data lie; None: where they were.
        step: of the checkpoint, as of `jaxcnn.load_run`.
        class_names: names of the outputs by label, or a file of them, in place of those that are known.
        model: as of `jaxcnn.load_run`.
        seed: of the new weights.

    Returns:
        - output: the file, and bytes: its size; nets: their names; notes: remarks on what is shown.
        - maps: for each image, net and method the `class`, `index` and `probability`, the `unit` of the numbers, the
          ends of the `scale` and `control_scale`, the `rank_correlation` (None where a map is the same everywhere),
          whether there is positive `evidence`, and the `layer` of Grad-CAM.
        - units, embedding, field: for each net what was found, of those that were asked for.

    Raises:
        UserError: for a run, image, word, layer or class that is not there, in one line.
    """
    words = words_of(what, field)
    kind = kind_of(output, words)
    check_packages("a picture")
    nets = open_nets(runs, step=step, model=model, class_names=class_names, seed=seed)
    named = names_of(images)
    datasets = data_of(nets, words, named, data=data, data_dir=data_dir, split=split)
    shown = [images_of(net, own, named, split) for net, own in zip(nets, datasets, strict=True)]
    task = Task(nets=nets, images=shown, data=datasets, split=split, layer=layer, class_name=class_name, units=units)
    bands, charts, found = _drawn(task, words, field)
    title = ", ".join(net.name for net in nets)
    if kind == HTML:
        from jaxcnn.pictures.page import page

        size = write_page(page(title, bands, charts, found["notes"]), output)
    else:
        path = local_path("output", output)
        with writing(output):
            sheet(title, bands).save(path, optimize=True)
        size = path.stat().st_size
    return {"output": os.fspath(output), "bytes": size, "nets": [net.name for net in nets], **found}


def _drawn(task: Task, words: Sequence[str], field: str | None) -> tuple[list[Band], list[Any], dict[str, Any]]:
    """Returns pictures, charts and facts, ready for JSON."""
    bands: list[Band] = []
    charts: list[Any] = []
    found: dict[str, Any] = {"maps": [], "notes": []}
    methods = [word for word in words if word in METHODS]
    if "filters" in words:
        bands.append(filter_band(task.nets))
    if "features" in words:
        bands += feature_bands(task.nets, task.images, task.layer)
    if methods:
        maps = _maps(task, methods)
        bands += bands_of(maps)
        found["maps"] = [row for each in maps for row in _rows(each)]
        found["notes"] += _notes(task.nets, methods)
        if "gradcam" in methods:
            found["notes"] += _before_rectifiers(task.nets, task.layer)
    if "field" in words:
        found["field"] = _field(task, field or task.layer, bands)
    if "units" in words:
        found["units"] = _units(task, bands)
    if "embedding" in words:
        found["embedding"] = _embedding(task, charts)
    return bands, charts, found


def _maps(task: Task, methods: Sequence[str]) -> list[list[Heat]]:
    count = len(task.images[0])
    with waiting("maps", len(task.nets) * count * len(methods)) as reached:
        done = iter(range(1, 1 + len(task.nets) * count * len(methods)))
        return heats(
            task.nets, task.images, methods, layer=task.layer, wanted=task.class_name, done=lambda: reached(next(done))
        )


def _rows(found: Sequence[Heat]) -> list[dict[str, Any]]:
    scales = scales_of(found)
    return [
        {
            "image": heat.image.name,
            "net": heat.net.name,
            "method": heat.method,
            "unit": UNITS[heat.method],
            "layer": heat.layer,
            "class": heat.chosen.name,
            "index": heat.chosen.output,
            "probability": heat.chosen.probability,
            "scale": scales[heat.method].trained.ends,
            "control_scale": scales[heat.method].control.ends,
            "rank_correlation": heat.correlation,
            "evidence": heat.evidence,
        }
        for heat in found
    ]


def _notes(nets: Sequence[Net], methods: Sequence[str]) -> list[str]:
    notes = ["A map that resembles that of new weights says little about what was learnt."]
    changed = [method for method in methods if method in ("guided", "deconvolution")]
    for program, name in {net.program: net.name for net in nets}.items() if changed else ():
        if not program.rectifiers():
            same = "is" if len(changed) == 1 else "are"
            notes.append(f"{name} has no rectifier: {' and '.join(changed)} {same} its plain gradient.")
    return notes


def _before_rectifiers(nets: Sequence[Net], layer: str | None) -> list[str]:
    """Returns a note for each net of which Grad-CAM takes the output of a layer that a rectifier reads."""
    notes = []
    for program, name in {net.program: net.name for net in nets}.items():
        own = program.last_map(layer)
        word = program.rectifier_behind(own) if own in program.layers else ""
        if word:
            notes.append(f"{name}: Grad-CAM is of the output of {own}, before its {word}.")
    return notes


def _field(task: Task, layer: str | None, bands: list[Band]) -> list[dict[str, Any]]:
    found = [
        (net, own[number], support_of(net, own[number], net.program.layer(layer)))
        for number in range(len(task.images[0]))
        for net, own in zip(task.nets, task.images, strict=True)
    ]
    bands.append(support_band(found))
    return [{"image": image.name, "net": net.name, **support.as_dict()} for net, image, support in found]


def _units(task: Task, bands: list[Band]) -> list[dict[str, Any]]:
    rows = []
    for net, dataset in zip(task.nets, task.data, strict=True):
        assert dataset is not None  # opened for units
        layer = net.program.layer(task.layer)
        units = find_units(net, dataset, task.split, layer, task.units)
        bands.append(unit_band(net, dataset, task.split, layer, units))
        rows.append({"net": net.name, "layer": layer, "units": [unit.as_dict() for unit in units]})
    return rows


def _embedding(task: Task, charts: list[Any]) -> list[dict[str, Any]]:
    from jaxcnn.pictures.embedding_chart import embedding_chart  # it imports Bokeh

    rows = []
    for net, dataset in zip(task.nets, task.data, strict=True):
        assert dataset is not None  # opened for an embedding
        found = embed(net, dataset, task.split, task.layer)
        charts.append(embedding_chart(net.name, task.split, found))
        rows.append({"net": net.name, "layer": found.layer, "images": len(found.points), "variance": list(found.share)})
    return rows
