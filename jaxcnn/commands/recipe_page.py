"""Recipes in words: what one of them is, and docs/recipes.md."""

from collections.abc import Mapping

from jaxcnn.commands.reached_rows import RESULTS, conditions, result_cells
from jaxcnn.config.base import base_config
from jaxcnn.config.table import SETTINGS
from jaxcnn.recipes.changes import Changes
from jaxcnn.recipes.data import FACTS
from jaxcnn.recipes.lab import LABS
from jaxcnn.recipes.name import DEFAULT, RECIPES, SPELT, name_of, words_of
from jaxcnn.recipes.papers_imagenet import IMAGENET
from jaxcnn.recipes.papers_small import SMALL, SVHN
from jaxcnn.recipes.reached import Reached, listed, reached
from jaxcnn.recipes.recipe import training
from jaxcnn.recipes.training import WITNESSES, Training
from jaxcnn.table import aligned, markdown_table
from jaxcnn.train.hooks.figures import time_span

_INTRODUCTION = f"""\
# Recipes

<!-- Printed by `jaxcnn configs --markdown`. -->

A recipe says how a net is trained on a data set, apart from the net. `{SPELT}` is the name of a config:

```bash
jaxcnn train --config=train:cifar10,resnet20,paper --workdir=runs/resnet20
jaxcnn train --config=train:digits,lenet5 --workdir=runs/digits --config.num_seeds=3
jaxcnn configs train:cifar10,resnet20,paper
```

DATA is a data set of `jaxcnn datasets`. MODEL is a model of `jaxcnn models`, or a path `package.module:name` to one of
your own. Without RECIPE it is `{DEFAULT}`. Settings are changed as ever, `--config.key=value`. The last command prints
what a recipe sets, and where it is from. In Python, `jaxcnn.recipe("cifar10", "resnet20", "paper")` is the config."""
_SENSELESS = """\
A combination that makes no sense is refused in one line that says why: a net for images of 64 pixels or fewer on
photographs; a net for images of 300 pixels or more on small images; `paper` for a net whose paper trains on no such
images; `lab` for a net that no lab trains. Nets that are made for photographs see small images through
`model.stem = "small"`."""
_REACHED = """\
*Published* is what the source of a recipe reports, where it trains that net on these data. A *test accuracy* is that of
a run of the command. [benchmarks/recipes](../benchmarks/recipes) says how an entry is made."""
_DATA = """\
What recipes know of the data sets. A mirrored digit is another one, or none, so digits are not flipped."""
_PAPERS = """\
The first pattern that a net's name matches is its training. Weight decay is that of kernels alone, as in all our
trainings; some of the papers' programs also decay biases and norms. In a run with other batches, change the rate as
well: `optimizer.reference_batch_size` does so by itself."""

_CHECKED = """\
*Checked with* is what the numbers of a row were compared with. Where it is empty they were not. What a source does not
tell, *what differs* says."""


def told_lines(name: str) -> list[str]:
    """Returns what a recipe is, in lines for a terminal; raises `UserError` for one that makes no sense."""
    words = words_of(name)
    found, entry = training(*words), reached(*words)
    seeds = f", n = {len(entry.accuracy)}, of {entry.examples:,} test images" if entry.accuracy else ""
    checked = ", ".join(WITNESSES[word] for word in found.witnesses)
    facts = {"source": found.source, "departs": found.departs, "checked": checked, "reached": entry.said + seeds}
    facts["published"] = f"{entry.published:g} %" if entry.published is not None else ""
    facts["measured"] = f"{time_span(entry.seconds)} on {entry.machine}" if entry.accuracy else ""
    facts["remark"] = entry.remark
    return [
        name_of(*words),
        *aligned((f"  {key}", value) for key, value in facts.items() if value),
        "",
        "It sets",
        *(f"  --config.{key}={_plain(value)}" for key, value in _set(found.changes).items()),
        "",
        f"Train it: {entry.command}",
    ]


def page() -> str:
    """Returns docs/recipes.md, without its last line break."""
    recipes = markdown_table(("recipe", "what it is"), ((f"`{name}`", about) for name, about in RECIPES.items()))
    results = markdown_table(
        (*RESULTS, "test images", "epochs", "time", "command beyond `--config` and `--workdir`; remarks"),
        ((f"`{entry.name}`", *result_cells(entry)[1:], *_further_cells(entry)) for entry in listed()),
    )
    return "\n\n".join(
        [
            _INTRODUCTION,
            recipes,
            _SENSELESS,
            "## What was reached",
            _REACHED,
            results,
            conditions(),
            "## Data sets",
            _DATA,
            _data_table(),
            "## Papers",
            _PAPERS,
            _CHECKED,
            "\n".join(f"- `{word}`: {about}" for word, about in WITNESSES.items()),
            "On small images:",
            _papers_table(SMALL),
            "On SVHN otherwise:",
            _papers_table(SVHN),
            "On ImageNet:",
            _papers_table(IMAGENET),
            f"The labs have {_lab_sentence()}.",
        ]
    )


def _further_cells(entry: Reached) -> tuple[str, ...]:
    """Returns the cells that only the page has room for."""
    if not entry.accuracy:
        return "", f"{training(*words_of(entry.name)).changes['total_epochs']:g}", "", ""
    told = "; ".join(filter(None, [f"`{entry.options}`" if entry.options else "", entry.remark]))
    return f"{entry.examples:,}", f"{entry.epochs:g}", time_span(entry.seconds), told


def _data_table() -> str:
    header = ("data set", "images move by", "in `modern`", "batch", "epochs of `modern`", "of `budget`")
    rows = (
        (
            f"`{name}`",
            f"`{facts.moves}`",
            f"`{facts.strong}`",
            str(facts.batch_size),
            f"{facts.long:g}",
            f"{facts.short:g}",
        )
        for name, facts in FACTS.items()
    )
    return markdown_table(header, rows)


def _papers_table(table: Mapping[str, Training]) -> str:
    descent, length = ("optimizer", "rate", "decay"), ("batch", "epochs", "schedule")
    header = ("nets", "source", *descent, *length, "what differs", "checked with")
    return markdown_table(header, (_paper_row(pattern, found) for pattern, found in table.items()))


def _paper_row(pattern: str, found: Training) -> tuple[str, ...]:
    changes = found.changes
    descent = (str(changes[f"optimizer.{key}"]) for key in ("name", "learning_rate", "weight_decay"))
    length = f"{changes['batch_size']:,}", f"{changes['total_epochs']:g}"
    return f"`{pattern}`", found.source, *descent, *length, _schedule(changes), found.departs, found.checked


def _schedule(changes: Changes) -> str:
    """Returns the schedule in words."""
    factor, name = changes.get("schedule.factor"), changes["schedule.name"]
    if name == "multistep":
        return f"times {factor:.4g} at {changes['schedule.boundaries']}"
    return f"times {factor:.4g} every {changes['schedule.every']}" if name == "step" else name


def _lab_sentence() -> str:
    return ", ".join(f"`{model}` on {data}" for model, (data, _) in LABS.items())


def _set(changes: Changes) -> Changes:
    """Returns the changes without those to the default, in the order of the table of settings."""
    defaults = base_config()
    order = {key: place for place, key in enumerate(SETTINGS)}
    kept = {
        key: value for key, value in changes.items() if key not in SETTINGS or SETTINGS[key].value(defaults) != value
    }
    return dict(sorted(kept.items(), key=lambda item: order.get(item[0], order["model.fields"])))


def _plain(value: object) -> str:
    """Returns a value as a shell reads it."""
    text = str(value)
    return f'"{text}"' if set(text) & set(" ()") else text
