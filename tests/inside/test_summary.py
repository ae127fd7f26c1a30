import json
import re

import flax.linen as nn
import jax.numpy as jnp
import pytest

import jaxcnn
from jaxcnn import table
from jaxcnn.commands import summary as command
from jaxcnn.config import base_config
from jaxcnn.errors import UserError
from jaxcnn.inside.compiled import compiled_memory
from jaxcnn.inside.summary import summary


class Pixels(nn.Module):
    """A net of a user's own, that knows no `train`."""

    num_classes: int

    @nn.compact
    def __call__(self, image):
        return nn.Dense(self.num_classes, name="head")(nn.max_pool(image, (2, 2), (2, 2)).reshape(len(image), -1))


class Means(nn.Module):
    """What has no logits."""

    @nn.compact
    def __call__(self, image):
        return {"mean": image.mean(axis=(1, 2))}


class Broken(nn.Module):
    """A net that cannot be traced."""

    @nn.compact
    def __call__(self, image, train=False):
        return image @ jnp.ones((7, 2))


def test_json_has_every_layer_and_the_totals(tmp_path, capsys):
    file, lines = tmp_path / "it.json", tmp_path / "it.csv"
    assert command.main(["lenet5", "--json", str(file), "--csv", str(lines), "--batch-size", "8"]) == 0
    found = json.loads(file.read_text())
    first = found["layers"][1]
    keys = {"path", "kind", "output_shape", "params", "multiply_adds", "activations", "receptive_field", "stride"}
    assert keys <= set(first)
    assert (first["path"], first["kind"], first["output_shape"]) == ("conv1", "Conv", [28, 28, 6])
    assert (first["params"], first["multiply_adds"], first["receptive_field"]) == (156, 28 * 28 * 6 * 25, 5)
    assert found["total"]["params"] == 61_706 == sum(layer["params"] for layer in found["layers"])
    assert found["total"]["multiply_adds"] == 416_520
    assert found["memory"]["batch_size"] == 8
    assert len(lines.read_text().splitlines()) == len(found["layers"]) + 1
    shown = capsys.readouterr().out
    assert "1 multiply-add = 2 FLOP" in shown
    assert "memory at batch 8" in shown


@pytest.mark.parametrize("width", [80, 120])
def test_a_table_folds_to_the_terminal_and_loses_nothing(width, monkeypatch):
    monkeypatch.setattr(table, "_WIDTH", width)
    shown = str(summary("resnet18", stem="small", image_size=32))
    rows = [line for line in shown.splitlines() if not line.startswith(("1 mul", "memory", "field"))]
    assert max(map(len, rows)) <= width
    for word in ("multiply-", "adds", "BatchNorm", "total", "global", "shortcut"):
        assert word in shown


def test_the_environment_says_how_wide_lines_are_where_there_is_no_terminal(monkeypatch):
    rows = [["stage1_block1/conv1", "a kind of layer " * 4]]

    def width(columns):
        monkeypatch.setenv("COLUMNS", columns)
        return max(map(len, table.rows_text(["layer", "kind"], rows, paths=True).splitlines()))

    assert width("40") <= 40 < width("") == width("0") == width("wide")
    assert [width("300"), table.output_width()] == [width(""), 300]


@pytest.mark.parametrize(
    ("width", "left_out"),
    [
        (80, ""),
        (60, "no room for the columns field, stride; --columns chooses columns"),
        (40, "no room for the columns parameters, multiply-adds, field, stride; --columns chooses columns"),
    ],
)
def test_a_narrow_table_leaves_out_whole_columns_and_names_them(width, left_out, monkeypatch):
    monkeypatch.setattr(table, "_WIDTH", width)
    header = ["layer", "kind", "output", "parameters", "multiply-adds", "field", "stride"]
    cells = ["stage4_block3/conv3", "Conv 3x3, padding 1", "112x112x64", "25,557,032", "1,464.3 M", "global", "16"]
    numbers = [False, False, False, True, True, True, True]
    text = table.rows_text(header, [cells], right=numbers, paths=True, chosen_by="--columns")
    assert max(map(len, text.splitlines())) <= width
    assert " ".join(text.split()).endswith(left_out)
    for name, cell in zip(header[3:], cells[3:], strict=True):
        assert (cell in text) == (name not in left_out)
    assert "112x112x64" in text


def test_few_operations_are_not_rounded_to_none():
    told = str(summary("resnet20"))
    assert re.search(r"classifier +Dense +10 +650 +640 +global", told)
    assert re.search(r"total .* 40\.6 M", told)
    assert "0.0 M" not in told


def test_columns_without_names_have_no_line_of_them():
    assert table.rows_text(("", ""), [("loss", "0.5")]).rstrip() == "loss  0.5"


def test_stages_and_depths_have_the_same_totals():
    layers, stages, blocks = (summary("resnet20", **how) for how in ({}, {"by": "stage"}, {"depth": 1}))
    assert layers.totals == stages.totals == blocks.totals
    for each in (layers, stages, blocks):
        assert sum(layer.params for layer in each.layers) == 269_722
    found = {layer.path: layer for layer in stages.layers}
    assert list(found) == ["image", "stem", "stage1", "stage2", "stage3", "global_pool", "classifier"]
    assert (found["stage2"].output_shape, found["stage2"].receptive.size) == ((16, 16, 32), 37)
    block = {layer.path: layer for layer in blocks.layers}["stage3_block1"]
    assert (block.kind, block.output_shape, block.receptive.stride) == ("BasicBlock", (8, 8, 64), 4)


def test_the_norm_changes_the_table():
    rows = {layer.path: layer for layer in summary("resnet20", norm="group").layers}
    assert (rows["stem_norm"].kind, rows["stem_norm"].detail) == ("GroupNorm", "4 groups")
    assert rows["stage1_block1/conv1"].receptive.size == "global"  # a group norm averages over the map


def test_a_net_of_a_users_own_by_path_class_and_object():
    by_path = summary("tests.inside.test_summary:Pixels", num_classes=5, image_size=8)
    assert by_path.layers == summary(Pixels, num_classes=5, image_size=8).layers
    assert by_path.layers == summary(Pixels(5), image_size=8).layers
    assert [layer.path for layer in by_path.layers] == ["image", "max_pool", "head"]
    assert by_path.totals == (4 * 4 * 3 * 5 + 5, 4 * 4 * 3 * 5, 8 * 8 * 3 + 4 * 4 * 3 + 5)


def test_a_run_needs_no_checkpoint(tmp_path):
    config = base_config()
    config.model.name = "lenet5"
    (tmp_path / "config.json").write_text(config.to_json())
    card = {"image_shape": [28, 28, 1], "data": {"classes": 10}, "parameters": 61706, "seeds": [0], "total_steps": 1}
    (tmp_path / "run.json").write_text(json.dumps(card))
    found = summary(tmp_path)
    assert found.image_shape == (28, 28, 1)
    assert found.layers[-1].output_shape == (10,)
    with pytest.raises(UserError, match="has its net: name a model to see it with another norm"):
        summary(tmp_path, norm="group")


@pytest.mark.parametrize(
    ("what", "options", "says"),
    [
        ("resnt50", {}, "did you mean resnet50"),
        ("resnet20", {"norm": "grup"}, "unknown norm 'grup': did you mean group"),
        ("resnet20", {"by": "block"}, "unknown by 'block'"),
        ("resnet20", {"depth": 0}, "depth"),
        ("resnet20", {"depth": 1, "by": "stage"}, "give one of them"),
        ("alexnet", {"image_size": 16}, "smallest image that works"),
        ("tests.inside.test_summary:Broken", {}, "cannot be traced on images of 224x224x3"),
        (Pixels(5), {"num_classes": 3}, "is made already"),
        ("/", {}, "holds no run"),
    ],
)
def test_a_mistake_is_one_line(what, options, says):
    with pytest.raises(UserError, match=says) as caught:
        jaxcnn.summary(what, **options)
    assert "\n" not in str(caught.value)


def test_an_unknown_column_is_named_before_anything_is_traced():
    with pytest.raises(UserError, match="unknown column 'flops'"):
        command.main(["resnet152", "--columns", "path,flops"])


def test_memory_counts_the_batch():
    one, many = (summary("resnet20", batch_size=size).memory for size in (1, 64))
    assert one.variables == many.variables == 4 * (269_722 + 2 * (16 + 6 * 16 + 6 * 32 + 6 * 64))
    assert 50 < (many.inference - many.variables) / (one.inference - one.variables) <= 64
    held = one.variables + 2 * 4 * 269_722
    assert 40 < (many.training - held) / (one.training - held) <= 64
    assert many.training > many.inference


def test_memory_of_a_tiny_net_is_said_in_kilobytes():
    found = summary(Pixels(5), image_size=8)
    assert f"{found.memory.inference / 1000:.1f} kB for inference" in "\n".join(found.notes())
    assert " MB" not in str(found)


def test_compiled_memory_stands_beside_the_estimate_and_grows_with_the_batch(capsys, tmp_path):
    file = tmp_path / "it.json"
    assert command.main(["lenet5", "--compiled", "--batch-size", "64", "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    said = r"as compiled for cpu: [\d.]+ MB for inference, [\d.]+ MB for a training step"
    assert re.search(said, capsys.readouterr().out)
    compiled, estimate = found["compiled"], found["memory"]
    assert compiled["batch_size"] == 64
    images = 4 * 64 * 32 * 32
    assert compiled["inference"] > estimate["variables"] + images
    # variables and a momentum, whose places the new ones take, and the images
    assert compiled["training"] > 2 * estimate["variables"] + images
    assert compiled["training"] < 4 * estimate["training"]
    assert "compiled" not in summary("lenet5").as_dict()


def test_what_cannot_be_trained_has_no_memory_of_a_training_step():
    found = compiled_memory(Means(), (4, 4, 3), 2)
    assert found.inference >= 4 * 2 * 4 * 4 * 3
    assert found.training is None
