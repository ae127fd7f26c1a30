"""The commands of `jaxcnn`: the module of each, which is imported when the command is used, and its line of help."""

import importlib

from jaxcnn.commands.parser import CommandParser

COMMANDS = {  # command -> a module with main(argv) -> exit status and make_parser(), or with SUBJECTS; and its help
    "train": ("jaxcnn.main", "train a network, or go on with a run"),
    "configs": ("jaxcnn.commands.configs", "list the configs that come with jaxcnn, and recipes with their results"),
    "settings": ("jaxcnn.commands.settings", "list the settings of a run: defaults, what they may be, what they do"),
    "models": ("jaxcnn.commands.models", "list the models, their papers and sizes"),
    "summary": ("jaxcnn.commands.summary", "list the layers of a net: what they cost, how much of the image they see"),
    "explain": ("jaxcnn.commands.explain", "explain a net: its paper, and the arithmetic of each layer; exercises"),
    "compare": ("jaxcnn.commands.compare", "train a grid of nets, norms and seeds, and make its table"),
    "sweep": ("jaxcnn.commands.sweep", "search settings: many runs, the best trained again, one named"),
    "check": ("jaxcnn.commands.check", "derive claims about compared runs again"),
    "diff": ("jaxcnn.commands.diff", "say what differs between two nets, or between two runs"),
    "datasets": ("jaxcnn.commands.datasets", "list the data sets, and where they are prepared"),
    "prepare": ("jaxcnn.commands.prepare", "prepare a data set for training"),
    "browse": ("jaxcnn.commands.browse", "draw a batch of images as the network sees it"),
    "evaluate": ("jaxcnn.commands.evaluate", "evaluate a trained net: scores, calibration, mistakes"),
    "features": ("jaxcnn.commands.features", "write the output of a layer for every image of a data set"),
    "probe": ("jaxcnn.commands.probe", "fit a linear classifier on the features of a trained net"),
    "doctor": ("jaxcnn.commands.doctor", "examine a trained run: what is wrong, and what mends it"),
    "norms": ("jaxcnn.commands.norms", "show what norms do by depth: both modes, statistics, step sizes"),
    "replay": ("jaxcnn.commands.replay", "take a past step of a run again: what the net saw, and what happened"),
    "recalibrate": ("jaxcnn.commands.recalibrate", "give batch norms the statistics of un-augmented images"),
    "soup": ("jaxcnn.commands.soup", "average the weights of runs that began from the same weights"),
    "predict": ("jaxcnn.commands.predict", "classify images with a trained net"),
    "export": ("jaxcnn.commands.export", "write a trained net to a file that other programs read"),
    "visualize": ("jaxcnn.commands.visualize", "draw what trained nets have learnt, and where in images they look"),
    "walk": ("jaxcnn.commands.walk", "write a page that walks through a net, step by step, as it sees a photo"),
    "report": ("jaxcnn.commands.report", "write a page about runs or weights: curves, scores, mistakes, what differs"),
    "verify": ("jaxcnn.commands.verify", "check the checkpoints of a run, and evaluate them again"),
    "import-weights": ("jaxcnn.commands.import_weights", "convert the weights of a reference implementation"),
    "benchmark": ("jaxcnn.commands.benchmark", "measure speed on this machine"),
    "completion": ("jaxcnn.commands.completion", "print the completion script for a shell"),
}
LISTING = {"completion", "configs", "datasets", "models", "settings", "summary", "explain", "diff"}
"""Commands that do nothing but print."""
COMPUTING = COMMANDS.keys() - LISTING - {"check", "compare", "import-weights", "prepare", "sweep"}
"""Commands that compile programs."""


def make_parsers() -> dict[str, CommandParser]:
    """Returns the parsers of all commands and of their subjects, by name. It imports all of them."""
    modules = {name: importlib.import_module(module) for name, (module, _) in COMMANDS.items()}
    for name in list(modules):
        subjects = getattr(modules[name], "SUBJECTS", {})
        modules |= {f"{name} {subject}": importlib.import_module(module) for subject, (module, _) in subjects.items()}
    return {name: module.make_parser() for name, module in modules.items() if hasattr(module, "make_parser")}
