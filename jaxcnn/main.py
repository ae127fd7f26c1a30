"""Trains, resumes and evaluates a run: `python -m jaxcnn.main --config=FILE --workdir=DIR [--config.key=value ...]`."""

import sys
from collections.abc import Sequence

from absl import flags
from ml_collections import ConfigDict

from jaxcnn import runtime
from jaxcnn.command_line import read_config
from jaxcnn.errors import UserError, answer, leave

USAGE = "usage: python -m jaxcnn.main --config=configs/NAME.py --workdir=DIR [--config.key=value ...]"


def parse(argv: Sequence[str]) -> tuple[ConfigDict, str]:
    """Returns the config, overrides applied, and the work folder of a command line.

    Raises:
        UserError: for a key, a value, a file or an argument that is wrong, in one line.
    """
    values = flags.FlagValues()
    about = "The run folder: made, or gone on from where it holds this run."
    workdir = flags.DEFINE_string("workdir", None, about, flag_values=values)
    config = read_config(argv, values)
    if config is None or not workdir.value:
        raise UserError(USAGE)
    return config, workdir.value


def main(argv: Sequence[str] = tuple(sys.argv)) -> int:
    """Runs a command line; returns the exit status."""
    if {"-h", "--help"} & set(argv):
        print(f"{USAGE}\n\n{__doc__}\nThe keys and their defaults: jaxcnn/config.py.")
        return 0
    config, workdir = parse(argv)
    print(f"jaxcnn: {config.model.name} on {config.data.name}, run folder {workdir}", flush=True)
    runtime.configure()
    if runtime.settings():
        print(f"jaxcnn: {runtime.announcement()}", flush=True)
    from jaxcnn.train.loop import Preempted, train_and_evaluate  # imports jax: must come after runtime.configure

    try:
        train_and_evaluate(config, workdir)
    except Preempted as stop:
        print(f"jaxcnn: {stop}", flush=True)
        return config.preempted_status
    return 0


if __name__ == "__main__":
    leave(answer(main))
