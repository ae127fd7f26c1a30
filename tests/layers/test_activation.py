import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from scipy import special

from jaxcnn.errors import UserError
from jaxcnn.layers.activation import ACTIVATIONS, make_activation


def selu(x):
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    return scale * np.where(x > 0, x, alpha * np.expm1(x))


def softplus(x):
    return np.logaddexp(x, 0)


def hard_sigmoid(x):
    return np.clip(x + 3, 0, 6) / 6


FORMULAS = {
    "celu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "gelu": lambda x: x * 0.5 * (1 + special.erf(x / np.sqrt(2))),
    "hard_sigmoid": hard_sigmoid,
    "hard_swish": lambda x: x * hard_sigmoid(x),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "identity": lambda x: x,
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "prelu": lambda x: np.where(x > 0, x, 0.25 * x),
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "scaled_tanh": lambda x: 1.7159 * np.tanh(2 / 3 * x),
    "selu": selu,
    "sigmoid": special.expit,
    "silu": lambda x: x * special.expit(x),
    "softplus": softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "tanh": np.tanh,
}


class Net(nn.Module):
    word: str

    @nn.compact
    def __call__(self, x):
        act = make_activation(self.word)
        return act(act(x)) if self.word == "prelu" else act(x)


def test_every_word_has_a_formula_here():
    assert set(FORMULAS) == set(ACTIVATIONS)


@pytest.mark.parametrize("word", ACTIVATIONS)
def test_activation_is_its_formula(word):
    x = np.array([[-8, -1.5, -0.3, 0, 0.4, 2.5, 7]])
    formula = FORMULAS[word]
    expected = formula(formula(x)) if word == "prelu" else formula(x)
    actual, _ = Net(word).init_with_output(jax.random.key(0), jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float64])
def test_activations_keep_the_dtype(dtype):
    with jax.enable_x64(dtype == jnp.float64):
        for word in ACTIVATIONS:
            y, _ = jax.eval_shape(Net(word).init_with_output, jax.random.key(0), jnp.zeros((2, 3), dtype))
            assert y.dtype == dtype, word


def test_each_prelu_learns_a_slope_per_channel():
    x = jnp.full((2, 4, 4, 3), -1.0)
    variables = Net("prelu").init(jax.random.key(0), x)
    assert jax.tree.map(jnp.shape, variables["params"]) == {"PReLU_0": {"scale": (3,)}, "PReLU_1": {"scale": (3,)}}
    gradient = jax.grad(lambda params: Net("prelu").apply({"params": params}, x).sum())(variables["params"])
    np.testing.assert_allclose(gradient["PReLU_0"]["scale"], jnp.full(3, -0.25 * 2 * 4 * 4))


def test_unknown_activation():
    with pytest.raises(UserError, match="unknown activation 'rellu': did you mean relu"):
        make_activation("rellu")
