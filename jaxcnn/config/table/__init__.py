"""Every setting of a run, once: a row says all that the rest of the house knows of it."""

from jaxcnn.config.kinds import DICTIONARY
from jaxcnn.config.setting import Setting
from jaxcnn.config.table.data import DATA
from jaxcnn.config.table.learning import LEARNING
from jaxcnn.config.table.model import MODEL
from jaxcnn.config.table.run import RUN
from jaxcnn.config.table.schedule import SCHEDULE

SETTINGS: dict[str, Setting] = {setting.key: setting for setting in (*RUN, *MODEL, *DATA, *LEARNING, *SCHEDULE)}
"""Full name -> setting, in the order in which pages list them."""
DICTIONARIES = tuple(key for key, setting in SETTINGS.items() if setting.kind is DICTIONARY)
"""Settings that are dictionaries, whose keys a user chooses."""
OPEN = ("model.norm_options",)
"""Groups that take further keys: a norm of a user's own has options of its own."""
GROUPS = {
    "": "The run",
    "model": "The model",
    "model.norm_options": "Options of the model's norms",
    "data": "The data",
    "loss": "The loss",
    "optimizer": "The optimizer",
    "train": "What is trained",
    "schedule": "The learning rate over time",
    "ema": "The moving average",
    "swa": "The average of several states",
}
"""Full name of a group of settings -> what it is about."""
