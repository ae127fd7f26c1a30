"""From the table to a config."""

import functools

from ml_collections import ConfigDict, config_dict

from jaxcnn.config.kinds import DICTIONARY
from jaxcnn.config.setting import Setting
from jaxcnn.config.table import OPEN, SETTINGS


def base_config() -> ConfigDict:
    """Returns the settings of a run, all of them, with their defaults.

    It is locked: a key that is no setting is an error. Only dictionaries such as `model.fields` take any key, and the
    groups in `OPEN`.
    """
    config = ConfigDict()
    for setting in SETTINGS.values():
        group = config
        for part in setting.key.split(".")[:-1]:
            if part not in group:
                group[part] = ConfigDict()
            group = group[part]
        group[setting.key.rpartition(".")[2]] = _first_value(setting)
    config.lock()
    for setting in SETTINGS.values():
        if setting.kind is DICTIONARY:
            setting.value(config).unlock()
    for group in OPEN:
        functools.reduce(getattr, group.split("."), config).unlock()
    return config


def _first_value(setting: Setting) -> object:
    if setting.kind is DICTIONARY:
        return ConfigDict(setting.default)
    return config_dict.placeholder(setting.kind.type) if setting.default is None else setting.default
