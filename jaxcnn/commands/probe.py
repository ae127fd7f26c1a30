"""`jaxcnn probe RUN [DATA]`: fits a linear classifier on the features of a trained net."""

from collections.abc import Sequence

from jaxcnn.commands.features import add_data, tell_net
from jaxcnn.commands.json_option import add_json, write_json
from jaxcnn.commands.parser import CommandParser
from jaxcnn.evaluation.probe import probe
from jaxcnn.table import print_rows


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a run, data or option that cannot be used, in one line.
    """
    arguments = make_parser().parse_args(argv)
    found = probe(
        arguments.run,
        arguments.data,
        data_dir=arguments.data_dir,
        layer=arguments.layer,
        shots=arguments.shots,
        seed=arguments.seed,
        step=arguments.checkpoint,
    )
    write_json(arguments.json, found)
    few = f", {found['shots']} of each class" if found["shots"] else ""
    print(f"{found['features']:,} features of layer {found['layer']}; {found['examples']['train']:,} examples{few}")
    tell_net(found["net_seed"])
    print()
    rows = [
        (f"{each['penalty']:g}", f"{each['val']:.2%}", "chosen" if each["penalty"] == found["penalty"] else "")
        for each in found["penalties"]
    ]
    print_rows(("penalty", "validation", ""), rows, markdown=False)
    low, high = found["test_interval"]
    print(f"\ntest {found['test']:.2%}  (95 % interval {low:.2%} to {high:.2%})")
    return 0


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn probe",
        description="Fit a linear classifier on the features of a trained net.",
        example="jaxcnn probe runs/cifar10 photos --shots 5",
    )
    add_data(parser)
    parser.add_argument("--shots", metavar="N", type=int, help="training examples of each class; else all")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="which examples they are; default 0")
    add_json(parser, "write all numbers there")
    return parser
