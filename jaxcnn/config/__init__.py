"""The config of a run: `base_config()` has every setting at its default, from `jaxcnn.config.table`.

`configs/*.py` start from `base_config()` and override; the command line overrides both (`--config.key=value`). A value
of None means: what the paper, the data set or the platform says. A length of time is a text, "500 steps", "2.5 epochs"
or a bare number of steps, and becomes a number of steps only after all overrides (jaxcnn.train.setup).
"""

from jaxcnn.config.base import base_config

__all__ = ["base_config"]
