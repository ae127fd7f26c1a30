"""`jaxcnn replay RUN STEP`: takes a past step of a run again, and says what the net saw and what happened."""

from collections.abc import Sequence

from jaxcnn.commands.json_option import add_json, write_json
from jaxcnn.commands.parser import CommandParser, new_file
from jaxcnn.dynamics import told
from jaxcnn.dynamics.replay import replay
from jaxcnn.dynamics.replayed import Replay
from jaxcnn.errors import UserError
from jaxcnn.reporting.files import check_packages
from jaxcnn.table import print_rows

_OUTPUTS = (".html", ".npz")


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status.

    Raises:
        UserError: for a run or a step that cannot be taken again, in one line.
    """
    arguments = make_parser().parse_args(argv)
    output = arguments.output
    if output and output.suffix not in _OUTPUTS:
        raise UserError(f"--output is {output}: write a page, FILE.html, or the arrays, FILE.npz")
    if output and output.suffix == ".html":
        check_packages("a page")
    found = replay(arguments.run, arguments.step, seed=arguments.seed, data_dir=arguments.data_dir)
    write_json(arguments.json, found.as_dict())
    if output and output.suffix == ".npz":
        found.save(output)
    elif output:
        from jaxcnn.dynamics.replay_page import write_replay  # it imports Bokeh

        write_replay(found, output)
    _print(found)
    if output:
        print(f"\n{output} has {'the arrays' if output.suffix == '.npz' else 'the page'}")
    return 0


def _print(found: Replay) -> None:
    for sentence in told.sentences(found):
        print(sentence)
    count = len(found.image)
    print(f"\nthe largest losses of {count} examples" if count > told.MOST else f"\n{count} examples")
    print_rows(told.EXAMPLES, told.examples(found, told.MOST), markdown=False, right=(True, False, False, True))
    if layers := told.layers(found):
        print("\nEuclidean norms, by layer")
        print_rows(told.LAYERS, layers, markdown=False, right=(False, True, True, True), paths=True)
    else:
        print("\nthe training step was given in Python: losses of examples and gradients are its own")


def make_parser() -> CommandParser:
    """Returns the command line of the command."""
    parser = CommandParser(
        "jaxcnn replay",
        description="Take a past step of a run again: the batch as the net saw it, each example's loss, each layer's "
        "gradient.",
        example="jaxcnn replay runs/cifar10 3120 --output step.html",
    )
    parser.add_run()
    parser.add_argument("step", metavar="STEP", type=int, help="number of the step, from 1, as in metrics.jsonl")
    parser.add_argument("--seed", metavar="N", type=int, help="of the net, of a run of several seeds; else the first")
    parser.add_argument("--data-dir", metavar="DIR", help="where its data lie now, if not where they were")
    parser.add_argument("--output", metavar="FILE", type=new_file, help="a page, FILE.html, or the arrays, FILE.npz")
    add_json(parser, "write the examples and the layers there")
    return parser
