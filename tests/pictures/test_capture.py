"""What goes into and comes out of the modules of nets."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcnn
from jaxcnn.analysis.walk import walk
from jaxcnn.layers.variables import init_variables
from jaxcnn.pictures.capture import capture
from tests.models.tiny import TINY

SHAPE = (8, 8, 3)
QUICK = ("densenet", "highway", "lenet", "mlp", "mobilenet_v2", "resnet", "shufflenet_v1", "squeezenet", "vgg")
FAMILIES = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in sorted(TINY)]


class Own(nn.Module):
    """A net with a shared module, a rematerialised one, and no `train`."""

    @nn.compact
    def __call__(self, image):
        shared = nn.Dense(3, name="shared")
        x = shared(shared(image))
        self.sow("intermediates", "middle", x)
        return nn.remat(nn.Dense)(2, name="last")(x.mean((1, 2)))


def test_outputs_inputs_and_stages_of_a_users_own_net():
    image = jax.random.normal(jax.random.key(0), (2, *SHAPE))
    variables = Own().init(jax.random.key(1), image)
    found = jax.jit(lambda variables, image: capture(Own(), variables, image, inputs=True))(variables, image)
    assert found.outputs.keys() == {"shared", "last"}
    once = image @ variables["params"]["shared"]["kernel"]
    np.testing.assert_allclose(found.inputs["shared"], once, rtol=1e-5)
    np.testing.assert_allclose(found.outputs["shared"], once @ variables["params"]["shared"]["kernel"], rtol=1e-5)
    np.testing.assert_array_equal(found.stages["middle"], found.outputs["shared"])
    np.testing.assert_array_equal(found.logits, found.outputs["last"])
    assert capture(Own(), variables, image).inputs == {}


def shapes(model, *, train=False, shape=SHAPE):
    def run():
        return capture(model, init_variables(model, shape, jax.random.key(0)), jnp.zeros((2, *shape)), train=train)

    return jax.eval_shape(run)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_module_of_every_family_is_captured(family):
    channels, size = 1 if family == "lenet" else 3, TINY[family].size
    model, shape = TINY[family].model(norm="batch"), (size, size, channels)
    found = shapes(model, shape=shape)
    expected = {"/".join(path): module.output_shape for path, module in walk(model, shape).modules.items() if path}
    assert {path: value.shape[1:] for path, value in found.outputs.items()} == expected
    assert list(found.stages)[-1] == "stem" or "features" in found.stages


def test_modules_in_a_loop_have_the_turns_as_first_axis():
    model = jaxcnn.create_model("resnet20", num_classes=3, norm="batch", scan=True)
    found = shapes(model)
    assert found.outputs["stage1_rest/conv1"].shape == (2, 2, 8, 8, 16)
    assert found.outputs["stem_conv"].shape == (2, 8, 8, 16)


class Normed(nn.Module):
    """A net with a batch norm."""

    @nn.compact
    def __call__(self, image, *, train=False):
        x = nn.Dense(2, name="dense")(image)
        return nn.BatchNorm(use_running_average=not train, name="norm")(x).mean((1, 2))


def test_training_moves_the_statistics_and_evaluation_does_not():
    image = jax.random.normal(jax.random.key(0), (4, *SHAPE))
    variables = Normed().init(jax.random.key(1), image)
    before, after = (capture(Normed(), variables, image, train=train, inputs=True) for train in (False, True))
    kept, moved = (found.variables["batch_stats"]["norm"]["mean"] for found in (before, after))
    np.testing.assert_array_equal(kept, variables["batch_stats"]["norm"]["mean"])
    assert not np.allclose(kept, moved)
    np.testing.assert_allclose(np.asarray(after.outputs["norm"]).mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_array_equal(after.inputs["norm"], after.outputs["dense"])
