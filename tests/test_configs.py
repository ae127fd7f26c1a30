"""Every published config resolves: its words are known and its derived values make sense."""

import importlib.util
from pathlib import Path

import pytest

from jaxcnn.config import base_config
from jaxcnn.train import setup

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config()
    assert set(config.keys()) == set(base_config().keys())
    config.data.name = "digits"  # the only set that is always there; the words and numbers are the config's own
    config.data.image_size = 28
    config.batch_size = 128
    run = setup.make_run(config)
    assert run.total_steps > 0
    assert 0 < float(run.learning_rate(run.total_steps // 2)) <= config.optimizer.learning_rate
