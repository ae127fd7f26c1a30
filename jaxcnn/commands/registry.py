"""The commands of `jaxcnn`: which module each is in, imported when it is asked for, and what it is for."""

import importlib

from jaxcnn.commands.parser import CommandParser

COMMANDS = {  # command -> a module with main(argv) -> exit status and make_parser(), or with SUBJECTS; and its help
    "train": ("jaxcnn.main", "train a network, or go on with a run"),
    "configs": ("jaxcnn.commands.configs", "list the configs that come with jaxcnn"),
    "settings": ("jaxcnn.commands.settings", "list the settings of a run: defaults, what they may be, what they do"),
    "models": ("jaxcnn.commands.models", "list the models, their papers and sizes"),
    "datasets": ("jaxcnn.commands.datasets", "list the data sets and which are prepared where"),
    "prepare": ("jaxcnn.commands.prepare", "make a data set ready to train on"),
    "browse": ("jaxcnn.commands.browse", "write a picture of what a network really sees"),
    "evaluate": ("jaxcnn.commands.evaluate", "say how good a net is, and where it fails"),
    "predict": ("jaxcnn.commands.predict", "say what images show, by a trained net"),
    "verify": ("jaxcnn.commands.verify", "check a run folder: its checksums, and its recorded numbers anew"),
    "import-weights": ("jaxcnn.commands.import_weights", "keep a reference implementation's weights as ours"),
    "benchmark": ("jaxcnn.commands.benchmark", "measure how fast things are here"),
    "completion": ("jaxcnn.commands.completion", "print what has a shell complete all this"),
}
COMPUTING = {"benchmark", "browse", "evaluate", "predict", "train", "verify"}
"""Commands that compile programs."""
LISTING = {"completion", "configs", "datasets", "models", "settings"}
"""Commands that do nothing but print."""


def make_parsers() -> dict[str, CommandParser]:
    """Returns the command line of every command, and of every subject of one, by name; imports them all."""
    modules = {name: importlib.import_module(module) for name, (module, _) in COMMANDS.items()}
    for name in list(modules):
        subjects = getattr(modules[name], "SUBJECTS", {})
        modules |= {f"{name} {subject}": importlib.import_module(module) for subject, (module, _) in subjects.items()}
    return {name: module.make_parser() for name, module in modules.items() if hasattr(module, "make_parser")}
