"""The parser, on lines as XLA writes them for TPU, GPU and CPU, and on a program compiled here."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from jaxcnn.analysis.collectives import Collective, collectives, totals
from jaxcnn.train.devices.mesh import AXIS, make_mesh

LINES = {
    "%all-reduce.3 = f32[64]{0:T(128)S(1)} all-reduce(%x.2), channel_id=4, "
    "replica_groups=mesh['axis_0'=4,'axis_1'=4,'axis_2'=1] {'axis_0','axis_1'}, to_apply=%region": Collective(
        "all-reduce", 256, 16, False
    ),
    "%all-reduce.4 = (f32[64]{0:T(128)S(1)}, bf16[8,3]{1,0:T(8,128)(2,1)}, /*index=2*/s32[]) all-reduce(%x, %y, %z), "
    "replica_groups=mesh['a'=4,'b'=4] {'b'}, to_apply=%region": Collective("all-reduce", 256 + 48 + 4, 4, False),
    "%all-reduce.5 = f32[8]{0} all-reduce(%x), replica_groups=mesh['a'=8] {'a':(2)4}, to_apply=%r": Collective(
        "all-reduce", 32, 4, False
    ),
    "ROOT %ar = f32[10,2]{1,0} all-reduce(f32[10,2]{1,0} %x), replica_groups={{0,1},{2,3}}, to_apply=%r": Collective(
        "all-reduce", 80, 2, False
    ),
    "%s = f32[6]{0} all-reduce-start(%x), channel_id=1, replica_groups=[2,8]<=[16], to_apply=%r": Collective(
        "all-reduce", 24, 8, True
    ),
    "%g = (bf16[4]{0}, bf16[64]{0}) all-gather-start(%x), replica_groups=[1,16]<=[16], dimensions={0}": Collective(
        "all-gather", 128, 16, True
    ),
    "%p = (f32[4]{0}, f32[4]{0}, u32[], u32[]) collective-permute-start(%x), source_target_pairs={{0,1}}": Collective(
        "collective-permute", 16, 16, True
    ),
    "%rs = f32[4]{0} reduce-scatter(%x), replica_groups=[4,4]<=[16], dimensions={0}, to_apply=%r": Collective(
        "reduce-scatter", 64, 4, False
    ),
    "%n = s4[16]{0} all-gather(%x), replica_groups={}, dimensions={0}": Collective("all-gather", 8, 16, False),
    "%m = pred[16]{0} all-to-all(%x), replica_groups={}, dimensions={0}": Collective("all-to-all", 16, 16, False),
}


@pytest.mark.parametrize(("line", "found"), LINES.items(), ids=str)
def test_a_line(line, found):
    assert list(collectives(line, 16)) == [found]


@pytest.mark.parametrize(
    "line",
    [
        "%all-reduce-done.1 = f32[6]{0} all-reduce-done(%s)",
        "%get-tuple-element.1 = f32[6]{0} get-tuple-element(%all-reduce.4), index=0",
        "%alone = f32[6]{0} all-reduce(%x), replica_groups={{0},{1}}, to_apply=%r",
    ],
)
def test_a_line_that_is_none(line):
    assert not list(collectives(line, 16))


def test_totals():
    found = [Collective("all-reduce", 8, 2, False), Collective("all-gather", 4, 2, True)] * 2
    assert totals(found) == {"all-reduce": {"count": 2, "bytes": 16}, "all-gather": {"count": 2, "bytes": 8}}


def test_a_compiled_program():
    mesh = make_mesh(jax.devices()[:4])
    spread = jax.ShapeDtypeStruct((8, 5), jnp.float32, sharding=NamedSharding(mesh, PartitionSpec(AXIS)))
    summed = jax.jit(lambda x: x.sum(axis=0), out_shardings=NamedSharding(mesh, PartitionSpec()))
    text = summed.lower(spread).compile().as_text()
    assert list(collectives(text, 4)) == [Collective("all-reduce", 20, 4, False)]
