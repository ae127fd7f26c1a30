"""Finds the folders of the splits, in many spellings, and those of the classes."""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from jaxcnn.data.read.tree import Entry, images, listing, refuse_lost_links, subfolders
from jaxcnn.errors import UserError

_WORDS = {
    "train": "train|training|trn|trainval",
    "val": "val|valid|validation|validate|validating|dev|devel|development",
    "test": "test|tests|testing|tst",
    "eval": "eval|evaluation|evaluating|holdout",  # the test split, or the validation split where there is a test split
}
_INNER = re.compile(r"images?|imgs?|pictures?|pics?|photos?|data|files|classes")
"""Name of a folder in a split that contains the classes."""
_WITH = "(?:set|split|subset|data|dataset|images?|imgs?|pictures?|pics?|photos?|samples?|examples?|files?|folder|dir)"
_SPLITS = {split: re.compile(rf"\d*{_WITH}*(?:{words}){_WITH}*(?:v?\d+(?:x\d+)?)?") for split, words in _WORDS.items()}
_ASIDE = re.compile(
    r"(?:un|non)?labell?ed|unlabell?|unsup(?:ervised)?|extra|pred(?:iction)?s?|submissions?|annotations?"
)
"""Folders beside splits that are not classes."""
_KNOWN = "train (training), val (valid, validation, dev) and test (testing, eval), in any case, as in Train_set"
_FEW = 5
"""Most names that are listed."""
_MOST_SPLITS = 10
"""Most folders that may be splits, as of a cross-validation."""


class Layout(NamedTuple):
    """The folders that contain each split's classes."""

    places: dict[str, Entry]
    """By split, "train" and any of "val" and "test", or the needed split alone."""
    remarks: tuple[str, ...]


def find_splits(root: Entry, needed: str = "train") -> Layout:
    """Returns the folders of the splits: those with a split's name that contain folders, or else all as "train".

    If a folder contains only a single folder of folders, as in archives, that folder is used. Without a test split, the
    validation split is the test split.

    Args:
        root: the folder.
        needed: the split that there must be. If it is there, and "train" is not, it is the only one that is returned.

    Raises:
        UserError: for two folders of one split, splits without "train" and the needed one, splits without folders of
            classes, a broken link in place of a split, and folders that look like splits, by name or content, but are
            not known.
    """
    place, remarks = _innermost(root)
    entries = listing(place)
    folders = subfolders(place, entries)
    splits = {entry.path: split for entry in entries if entry.kind != "file" and (split := _split(entry.name))}
    refuse_lost_links([entry for entry in entries if entry.path in splits])
    named = [entry for entry in folders if entry.path in splits]
    divided = [entry for entry in named if "folder" in _holds(entry)]
    flat = [entry for entry in named if _holds(entry) == {"image"}]
    if not divided:
        _refuse_flat(place, folders, flat)
        refuse_lost_links(entries)
        _refuse_lookalikes(folders)
        _refuse_same_inside(folders)
        return Layout({"train": place}, remarks)
    places = _settle(place, {entry: splits[entry.path] for entry in divided}, needed)
    beside = [entry for entry in folders if entry not in divided and entry not in flat]
    _refuse_among_classes(places, [entry for entry in beside if _may_be_class(entry) and _holds(entry)])
    left = [f"left out, since images without folders of classes have no labels: {_names(flat)}"] if flat else []
    left += [f"left out beside the splits: {_names(beside)}"] if beside else []
    return Layout(places, (*remarks, *_within(place, places), *left, *_one_folder(places.items())))


def class_folders(place: Entry) -> list[Entry]:
    """Returns the folders of the classes of a split, sorted by name.

    Raises:
        UserError: for a broken or circular link, which would change labels; for two names that differ only in their
            Unicode form; for a class that contains splits, which would be mixed.
    """
    entries = listing(place)
    refuse_lost_links(entries)
    classes = subfolders(place, entries)
    for one, other in itertools.pairwise(classes):
        if one.name == other.name:
            raise UserError(f"{place.path} holds {one.name}/ twice, in two spellings of Unicode: rename one of them")
    names = {entry.name for entry in classes}
    for entry in classes:
        if _split(entry.name) and names & {each.name for each in _inner(entry)}:
            raise UserError(
                f"{entry.path} would be a class, and holds classes of {place.path}: splits are beside each other"
            )
        below = {split: each for each in _inner(entry) if (split := _split(each.name))}
        if "train" in below and len(below) > 1:
            raise UserError(
                f"{entry.path} would be a class, and holds {_names(below.values())}: the splits must be above the "
                f"classes, as train/CLASS; if these are the splits, give --config.data.dir={entry.path}"
            )
    return classes


def alike(classes: list[Entry]) -> list[str]:
    """Returns remarks about classes that are the same folder."""
    return _one_folder((entry.name, entry) for entry in classes)


def _inner(entry: Entry) -> list[Entry]:
    return [each for each in listing(entry) if each.kind == "folder"]


def _split(name: str) -> str | None:
    """Returns the split that a folder's name means, or None."""
    squeezed = re.sub(r"[\W_]+", "", name.casefold())
    return next((split for split, pattern in _SPLITS.items() if pattern.fullmatch(squeezed)), None)


def _innermost(root: Entry) -> tuple[Entry, tuple[str, ...]]:
    """Returns the first folder from `root` down that contains more than a folder of folders, and a remark."""
    place = root
    while (inner := _only_folder(place)) and not _split(inner.name) and _holds(inner) == {"folder"}:
        place = inner
    return place, () if place == root else (f"the data is in {place.below(root)}/, all that the folder holds",)


def _only_folder(place: Entry) -> Entry | None:
    """Returns the only folder in `place`, if nothing else there could be an image, or None."""
    entries = listing(place)
    inner = subfolders(place, entries)
    return inner[0] if len(inner) == 1 and "image" not in _kinds(entries) else None


def _holds(folder: Entry) -> set[str]:
    return _kinds(listing(folder))


def _kinds(entries: Sequence[Entry]) -> set[str]:
    """Returns which of "folder" and "image" are among the entries. To be fast, it stops at the first image."""
    found = {"folder" for entry in entries if entry.kind == "folder"}
    others = (entry for entry in entries if entry.kind != "folder")
    return found | ({"image"} if next(images(others), None) else set())


def _settle(place: Entry, found: Mapping[Entry, str], needed: str) -> dict[str, Entry]:
    """Returns the folder of each split, from the folders with a split's name."""
    by_split: dict[str, list[Entry]] = {}
    for entry, split in found.items():
        by_split.setdefault(split, []).append(entry)
    if "eval" in by_split:
        by_split.setdefault("val" if "test" in by_split else "test", []).extend(by_split.pop("eval"))
    for split, entries in by_split.items():
        if len(entries) > 1:
            raise UserError(f"{place.path} holds {_names(entries)}, which all mean the split {split}: keep one of them")
    used = ("train", "val", "test") if "train" in by_split else (needed,)
    if not by_split.keys() & {"train", needed}:
        raise UserError(
            f"{place.path} holds {_names(found)}, but no train/ that holds folders of classes: known names are "
            f"{_KNOWN}; {next(iter(found)).path} itself can be named, whose folders are the classes"
        )
    return {split: _doubled(by_split[split][0]) for split in used if split in by_split}


def _doubled(split: Entry) -> Entry:
    """Returns the folder of a split's classes, which may be train/train in archives, or train/images."""
    while (inner := _only_folder(split)) and (
        inner.name.casefold() == split.name.casefold()
        or (_INNER.fullmatch(inner.name.casefold()) and _holds(inner) == {"folder"})
    ):
        split = inner
    return split


def _within(place: Entry, places: Mapping[str, Entry]) -> list[str]:
    """Returns a remark if the classes are in a folder with another name than the split's."""
    found = [f"{inner.below(place)}/" for inner in places.values() if _INNER.fullmatch(inner.name.casefold())]
    return [f"the classes are the folders in {' and '.join(found)}"] if found else []


def _refuse_flat(place: Entry, folders: list[Entry], flat: list[Entry]) -> None:
    """Refuses split folders without class folders, unless they may be classes, as "train" beside "car" and "plane"."""
    classes = [entry for entry in folders if _may_be_class(entry)]
    if flat and (not classes or len({_split(entry.name) for entry in flat}) > 1):
        raise UserError(
            f"{place.path} holds {_names(flat)} with images but no folders of classes, as {flat[0].name}/CLASS"
        )


def _refuse_among_classes(places: Mapping[str, Entry], others: list[Entry]) -> None:
    """Refuses "train" beside several folders if it is the only split: it may be a class, beside "car" and "plane"."""
    if len(places) == 1 and len(others) > 1:
        [(split, place)] = places.items()
        kind = {"train": "training", "val": "validation"}.get(split, split)
        raise UserError(
            f"{place.path} may be the {kind} split, or a class as {_names(others)}: if it is the split, "
            "move the others away; if it is a class, put all into a folder called train"
        )


def _may_be_class(entry: Entry) -> bool:
    return not _split(entry.name) and not _ASIDE.fullmatch(entry.name.casefold())


def _refuse_lookalikes(folders: list[Entry]) -> None:
    """Refuses class folders whose names contain a split's name: a net would learn to distinguish train from test."""
    alike = {entry: split for entry in folders if (split := _word_within(entry.name))}
    divided = [entry for entry, split in alike.items() if split == "train" and "folder" in _holds(entry)]
    if len(set(alike.values())) > 1 and (divided or len(alike) == len(folders)):
        raise UserError(
            f"{_names(alike)} look like splits, not like classes: known names are {_KNOWN}; if they are classes, put "
            "them into a folder called train"
        )


def _refuse_same_inside(folders: list[Entry]) -> None:
    """Refuses folders that contain equal folders and no images: they may be splits, and those the classes."""
    if not 1 < len(folders) <= _MOST_SPLITS or "image" in _holds(folders[0]):
        return
    shared = set.intersection(*({each.name for each in _inner(entry)} for entry in folders))
    if len(shared) > 1 and not any(
        _split(name) for name in shared
    ):  # else the error about classes with splits is better
        raise UserError(
            f"{_names(folders)} hold the same folders, {_listed(sorted(shared))}, as splits do: known "
            f"names of splits are {_KNOWN}; if they are classes, put them into a folder called train"
        )


def _word_within(name: str) -> str | None:
    """Returns the split whose name is one word of a name, or its beginning."""
    words = re.split(r"[\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).casefold())
    begun = {split: any(word.startswith(split) for word in words) for split in ("train", "test", "val")}
    found = {split for word in words if (split := _split(word))} | {split for split, begins in begun.items() if begins}
    return found.pop() if len(found) == 1 else None


def _one_folder(places: Iterable[tuple[str, Entry]]) -> list[str]:
    """Returns a remark about names that links lead to the same folder."""
    by_real: dict[str, list[str]] = {}
    for name, place in places:
        by_real.setdefault(place.place.real(place.path), []).append(name)
    return [f"{' and '.join(names)} are the same folder" for names in by_real.values() if len(names) > 1]


def _names(entries: Iterable[Entry]) -> str:
    return _listed([f"{entry.name}/" for entry in entries])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_FEW]) + (f" and {len(names) - _FEW} more" if names[_FEW:] else "")
