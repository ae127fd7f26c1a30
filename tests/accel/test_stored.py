"""The sums and concatenations that run through a whole net are joins, which a CPU stores; counted by hand."""

import flax.linen as nn
import jax
import pytest

from jaxcnn.accel.accelerate import accelerate
from jaxcnn.layers.join import Join
from jaxcnn.layers.variables import abstract_variables
from tests.accel.conds import conds
from tests.models.tiny import TINY

BLOCKS = {
    "densenet": 3,
    "highway": 2,
    "inception_v4": 1,
    "preact_resnet": 3,
    "resnet": 2,
    "resnext": 2,
    "senet": 2,
    "shufflenet_v1": 1,
    "wide_resnet": 2,
    "plain": 0,
}


@pytest.mark.parametrize("family", BLOCKS)
def test_the_end_of_each_block_is_stored(family):
    tiny, seen = TINY[family], []
    model, image = tiny.model(), jax.ShapeDtypeStruct((2, tiny.size, tiny.size, 3), "float32")

    def note(call, args, kwargs, context):
        if isinstance(context.module, Join):
            seen.append(context.module.path)
        return call(*args, **kwargs)

    variables = abstract_variables(model, (tiny.size, tiny.size, 3))
    with nn.intercept_methods(note):
        program = jax.make_jaxpr(accelerate(model.apply, "cpu"))(variables, image)
    assert len(seen) == len({*seen}) == BLOCKS[family]
    assert conds(program) == BLOCKS[family]
