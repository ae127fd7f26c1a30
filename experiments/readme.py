"""Writes what pages say of experiments, from the experiments' own files: `python -m experiments.readme`.

A page has places for it, `<!-- WORDS -->` to `<!-- end -->`; all else is written by people.

| page | words | what is written there |
|---|---|---|
| NAME/README.md | `facts` | question, answer, picture, command, hardware, n, files |
| NAME/README.md | `table FILE` | the table of a grid, from its table.json |
| NAME/README.md | `csv FILE` | a CSV file as a table |
| NAME/README.md | `claims` | each claim and what was found |
| README.md here | `experiments` | a row for each experiment |
| README.md of the project | `claims` | the short answers that there are, and how many claims hold |
"""

import csv
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from experiments.folders import CLAIMS, ROOT, Experiment, all_experiments
from jaxcnn.comparing.claims import Verdict, check
from jaxcnn.comparing.columns import cells, cost_columns, score_columns, what_columns
from jaxcnn.comparing.frozen import Frozen, read_table
from jaxcnn.errors import UserError
from jaxcnn.table import counted, markdown_table

_PLACE = re.compile(r"(<!-- (?P<words>[^>]+?) -->\n)(?:.*?\n)??(<!-- end -->)", re.DOTALL)


def filled(text: str, makers: Mapping[str, Callable[..., str]]) -> str:
    """Returns a page with all of its places written anew.

    Args:
        text: the page.
        makers: first word -> what makes the text, of the words after it.

    Raises:
        UserError: for words that nothing is known of.
    """

    def written(found: re.Match[str]) -> str:
        first, *others = found["words"].split()
        if first not in makers:
            raise UserError(f"nothing is known of <!-- {found['words']} -->: {', '.join(makers)} are")
        return f"{found[1]}{makers[first](*others)}\n{found[3]}"

    return _PLACE.sub(written, text)


def pages(root: Path = ROOT) -> dict[Path, str]:
    """Returns the text that each page should have."""
    found = all_experiments(root)
    own = {each.folder / "README.md": makers_of(each) for each in found}
    shared = {
        root / "README.md": {"experiments": lambda: rows_of(found)},
        root.parent / "README.md": {"claims": lambda: headlines_of(found)},
    }
    return {page: filled(page.read_text(encoding="utf-8"), makers) for page, makers in {**own, **shared}.items()}


def makers_of(experiment: Experiment) -> dict[str, Callable[..., str]]:
    """Returns what makes the places of an experiment's page."""
    return {
        "facts": lambda: facts_of(experiment),
        "table": lambda name: table_of(read_table(experiment.folder / name)),
        "csv": lambda name: csv_of(experiment.folder / name),
        "claims": lambda: claims_of(experiment),
    }


def facts_of(experiment: Experiment) -> str:
    """Returns the first part of an experiment's page."""
    frozen = [read_table(experiment.folder / each["file"]) for each in experiment.table]
    commands = [experiment.command.strip(), *(each.results.grid.command for each in frozen)]
    machines = experiment.hardware or " ".join(dict.fromkeys(line for each in frozen for line in _machine(each)))
    pictures = [f"![{each['caption']}]({each['file']})" for each in experiment.picture]
    files = {
        **experiment.files,
        **{each["file"]: each.get("title", "the score of each seed, and the costs") for each in experiment.table},
        **{each["curves"]: "the mean curves of each cell" for each in experiment.picture if "curves" in each},
        **({CLAIMS: f"`jaxcnn check experiments/{experiment.name}/{CLAIMS}`"} if _has_claims(experiment) else {}),
    }
    lines = [
        f"**{experiment.question}** {experiment.answer}",
        *pictures,
        "```bash\n" + "\n".join(filter(None, commands)) + "\n```",
        "\n".join([
            f"- Hardware: {machines}",
            f"- n: {experiment.n or '; '.join(_seeds(each) for each in frozen)}",
            "- Files: " + ", ".join(f"[`{name}`]({name}) ({what})" for name, what in files.items()),
        ]),
    ]  # fmt: skip
    return "\n\n".join(lines)


def _machine(frozen: Frozen) -> list[str]:
    return [line for line in frozen.notes if line.startswith(("On ", "With "))]


def _seeds(frozen: Frozen) -> str:
    counts = sorted({row.n for row in frozen.results.rows})
    seeds = counted(counts[0], "seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
    number = len(frozen.results.rows)
    return f"{seeds} of each of {number} cells" if number > 1 else f"{seeds} of one cell"


def table_of(frozen: Frozen) -> str:
    """Returns the table of a grid, with what is missing from it."""
    results = frozen.results
    columns = [*what_columns(results), *score_columns(results), *cost_columns(results)]
    table = markdown_table([column.header for column in columns], cells(columns, results.rows))
    lost = ["Not in the table:\n\n" + "\n".join(f"- {line}" for line in frozen.missing)] if frozen.missing else []
    return "\n\n".join([table, *lost])


def csv_of(path: Path) -> str:
    """Returns a CSV file as a table."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return markdown_table(header, rows)


def claims_of(experiment: Experiment) -> str:
    """Returns a table of the claims of an experiment."""
    rows = [[f"`{each.claim}`", each.found] for each in verdicts_of(experiment)]
    return markdown_table(["claim", "found"], rows)


def verdicts_of(experiment: Experiment) -> list[Verdict]:
    """Returns what has become of the claims of an experiment; none where it makes none."""
    return check(experiment.folder / CLAIMS) if _has_claims(experiment) else []


def _has_claims(experiment: Experiment) -> bool:
    return (experiment.folder / CLAIMS).is_file()


def rows_of(found: list[Experiment]) -> str:
    """Returns the table of all experiments."""
    rows = []
    for each in found:
        first = next(iter(each.picture), None)
        image = f'<a href="{each.name}"><img src="{each.name}/{first["file"]}" width="240"></a>' if first else ""
        rows.append([f"[{each.name}]({each.name})", each.question, each.answer, image])
    return markdown_table(["experiment", "question", "answer", "picture"], rows)


def headlines_of(found: list[Experiment]) -> str:
    """Returns a table of the short answers that there are, and how many claims of each experiment hold."""
    rows = []
    for each in (experiment for experiment in found if experiment.short):
        verdicts = verdicts_of(each)
        holding = f"{sum(verdict.holds for verdict in verdicts)} of {len(verdicts)}"
        rows.append([f"[{each.name}](experiments/{each.name})", each.short, holding])
    return markdown_table(["experiment", "what was found", "claims held"], rows)


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8", newline="\n")
