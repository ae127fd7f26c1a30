"""Blocks computed again for their gradient: the training that there is without it."""

import jax
import numpy as np
import pytest

from jaxcnn.train.loop import train_and_evaluate
from tests.train.test_loop import config, last_state


@pytest.mark.parametrize(
    "changes",
    [
        {"accumulate_steps": 2},
        {"parallel": "pmap"},
        pytest.param({"num_seeds": 2}, marks=pytest.mark.slow),
        pytest.param({"precision": "bfloat16"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_training_is_the_same(changes, tmp_path):
    states = []
    for remat in (False, True):
        settings = config(**{"total_steps": 2, "model.remat": remat}, **changes)
        settings.model.name, settings.model.dropout_rate = "resnet20", None
        settings.model.fields = {"stage_sizes": (1, 1), "features": 4}
        train_and_evaluate(settings, tmp_path / str(remat))
        states.append(last_state(settings, tmp_path / str(remat)))
    tolerance = 2e-2 if "precision" in changes else 1e-5
    one, other = (jax.tree.leaves(state.params) for state in states)
    for leaf, found in zip(one, other, strict=True):
        np.testing.assert_allclose(found, leaf, rtol=0, atol=tolerance * max(1.0, np.abs(leaf).max()))
