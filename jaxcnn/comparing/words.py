"""What differs between two runs in words: rows of tables, for a terminal and for a page."""

from collections.abc import Sequence

from jaxcnn.comparing.paired import Class, Comparison, Image
from jaxcnn.comparing.runs import Runs
from jaxcnn.comparing.statistics import PairedDifference
from jaxcnn.evaluation.words import MOST_CLASSES, share

MOST_CHANGED = 10
"""Classes of many that are shown: those whose accuracies are farthest apart."""


def settings(runs: Runs) -> list[tuple[str, str, str]]:
    """Returns a row for each setting that differs, and for what else does: its key and both values."""
    return [(each.key, each.values[0], each.values[1]) for each in (*runs.settings, *runs.made)]


def accuracy_header(runs: Runs) -> tuple[str, ...]:
    """Returns the names of the columns of `accuracies`."""
    one, two = runs.labels
    return ("seed", one, two, "difference", "95 % interval", f"only {one}", f"only {two}", "p")


def accuracies(found: Comparison) -> list[tuple[str, ...]]:
    """Returns a row for each pair of nets, and for several their mean: accuracies, difference in points, counts, p."""
    rows = [
        (
            _seeds(pair.seeds),
            *map(share, pair.accuracy),
            points(pair.counts.difference),
            _interval(pair.counts.low, pair.counts.high),
            f"{pair.counts.only_first:,}",
            f"{pair.counts.only_second:,}",
            chance(pair.counts.p),
        )
        for pair in found.pairs
    ]
    return rows if found.over_seeds is None else [*rows, _mean(found, found.over_seeds)]


def _mean(found: Comparison, over: PairedDifference) -> tuple[str, ...]:
    means = [sum(pair.accuracy[side] for pair in found.pairs) / over.n for side in (0, 1)]
    interval = "" if over.low is None or over.high is None else _interval(over.low, over.high)
    return ("mean", *map(share, means), points(over.mean), interval, "", "", chance(over.p))


def notes(runs: Runs, found: Comparison) -> list[str]:
    """Returns what the numbers of `accuracies` mean."""
    one, two = runs.labels
    told = [f"difference: {two} - {one}, in percentage points, on the same {found.examples:,} {runs.split} examples"]
    told += [f"left out: {found.left_out:,} examples that only one run could read"] if found.left_out else []
    told.append("p of a pair: McNemar's exact test; below 0.05, other examples would show a difference, too")
    if over := found.over_seeds:
        spread = points(over.std or 0.0, sign=False)
        told.append(f"p of the mean: paired t test over {over.n} seeds; below 0.05, other seeds would show it, too")
        told.append(f"sample deviation of the differences of the seeds: {spread}")
    else:
        told.append("one pair of nets: whether other seeds would show it, several seeds tell (num_seeds)")
    return told


def classes(found: Comparison) -> list[tuple[str, ...]]:
    """Returns a row for each class, of many those that differ most: its name, n, both accuracies, the difference."""
    shown: Sequence[Class] = found.classes
    if len(shown) > MOST_CLASSES:
        shown = sorted((each for each in shown if each.accuracy), key=lambda each: -abs(_gap(each)))[:MOST_CHANGED]
    return [
        (each.name, f"{each.n:,}", *map(share, each.accuracy or (None, None)), points(_gap(each)) if each.n else "-")
        for each in shown
    ]


def _gap(row: Class) -> float:
    one, two = row.accuracy or (0.0, 0.0)
    return two - one


def images(found: Comparison, number: int, most: int) -> list[tuple[str, ...]]:
    """Returns a row for each image that the first (0) or second (1) run gets: its name, class, and both predictions.

    Of several seeds the predictions are those of all nets together, and how many of them are right stands behind.
    """
    return [(place(image), image.label, *_guesses(image, len(found.pairs))) for image in found.only(number)[:most]]


def only(found: Comparison, number: int, label: str) -> str:
    """Returns what the images are that a run gets: "only group is right (23 images)"."""
    count, nets = len(found.only(number)), len(found.pairs)
    images = f"{count:,} image{'s' if count != 1 else ''}"
    if nets == 1:
        return f"only {label} is right ({images})"
    clear = sum(image.right[number] == nets and not image.right[1 - number] for image in found.images)
    return f"more nets of {label} are right ({images}; of {clear:,} all {nets}, and none of the other)"


def place(image: Image) -> str:
    """Returns the file of an image, or its place in the split."""
    return image.file or f"image {image.index:,}"


def _guesses(image: Image, nets: int) -> tuple[str, str]:
    one, two = image.predicted
    if nets == 1:
        return one, two
    return f"{one} ({image.right[0]} of {nets})", f"{two} ({image.right[1]} of {nets})"


def points(value: float, *, sign: bool = True) -> str:
    """Returns a share in percentage points, "-0.35"."""
    return f"{100 * value:+.2f}" if sign else f"{100 * value:.2f}"


def chance(p: float | None) -> str:
    """Returns a p-value."""
    return "" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def _interval(low: float, high: float) -> str:
    return f"{points(low)} to {points(high)}"


def _seeds(seeds: tuple[int, int]) -> str:
    return str(seeds[0]) if seeds[0] == seeds[1] else f"{seeds[0]}, {seeds[1]}"
