"""The sums and concatenations that run through a whole net are stored; how often is counted by hand."""

import importlib

import pytest

from jaxcnn.layers.variables import abstract_variables
from jaxcnn.ops.once import stored
from tests.models.tiny import TINY

BLOCKS = {
    "densenet": ("densenet", 3),
    "highway": ("highway", 2),
    "inception_v4": ("branches", 1),
    "preact_resnet": ("preact_resnet", 3),
    "resnet": ("resnet", 2),
    "resnext": ("resnet", 2),
    "senet": ("resnet", 2),
    "shufflenet_v1": ("shufflenet_v1", 1),
    "wide_resnet": ("preact_resnet", 2),
    "plain": ("resnet", 0),
}


@pytest.mark.parametrize("family", BLOCKS)
def test_the_end_of_each_block_is_stored(family, monkeypatch):
    module, blocks = BLOCKS[family]
    seen = []
    counted = lambda x: seen.append(x.shape) or stored(x)  # noqa: E731
    monkeypatch.setattr(importlib.import_module(f"jaxcnn.models.{module}"), "stored", counted)
    tiny = TINY[family]
    abstract_variables(tiny.model(), (tiny.size, tiny.size, 3))
    assert len(seen) == blocks
