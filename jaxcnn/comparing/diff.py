"""What differs between two nets, or between two runs."""

import os
from pathlib import Path
from typing import Any, TypeGuard, Unpack

from jaxcnn.addresses import bucket_address
from jaxcnn.comparing.nets import Nets, diff_nets
from jaxcnn.comparing.page import write
from jaxcnn.comparing.runs import SPLITS, Runs, between
from jaxcnn.errors import UserError, check_word
from jaxcnn.inside.opened import NetOptions
from jaxcnn.inside.summary import Summary
from jaxcnn.models import MODELS
from jaxcnn.ranges import at_least, check_whole
from jaxcnn.reporting.files import check_packages
from jaxcnn.reporting.recorded import recorded

MOST = 10
"""Images that only one run gets which are shown, if nothing else is said."""


def diff(
    first: Summary | Any,
    second: Summary | Any,
    *,
    split: str | None = None,
    depth: int | None = None,
    output: str | os.PathLike[str] | None = None,
    most: int = MOST,
    **net: Unpack[NetOptions],
) -> Nets | Runs:
    """Returns what differs between two nets, layer by layer, or between two runs.

    Of two run folders these are the settings, the nets where they are others, and how the runs do on the same examples,
    by the predictions that they kept: McNemar's exact test, the interval of the paired difference, every class, and
    the images that only one of them gets. A run and a model are compared as nets.

    Args:
        first: as of `jaxcnn.summary`, or what that returned.
        second: likewise.
        split: of two runs, "test" or "val"; None for "test" if both are finished, else "val".
        depth: as of `jaxcnn.summary`.
        output: of two runs, the file of a page: their report, with all that is found here and pictures of the images.
        most: images of each run that the page shows.
        **net: as of `jaxcnn.summary`, for both; not for two runs.

    Raises:
        UserError: as of `jaxcnn.summary` and `jaxcnn.report`, and for runs on other data.
    """
    check_whole("most", most, at_least(0))
    if not is_run(first) or not is_run(second):
        for name, value in {"split": split, "output": output}.items():
            if value is not None:
                raise UserError(f"{name} is {value}: that is for two runs, and {_net_of(first, second)} is none")
        return diff_nets(first, second, depth=depth, **net)
    if changed := [name for name, value in net.items() if value]:
        raise UserError(f"{first} and {second} have their nets: name models to see them with another {changed[0]}")
    if split is not None:
        check_word("split", split, SPLITS)
    if output is not None:
        check_packages("a page")
    with recorded([first, second]) as (one, two):
        found = between(one, two, split=split, depth=depth)
        if output is not None:
            write(output, found, (one, two), most=most)
    return found


def is_run(what: Any) -> TypeGuard[str | os.PathLike[str]]:
    """Returns whether something names a run folder."""
    if not isinstance(what, str | os.PathLike) or what in MODELS:
        return False
    return bool(bucket_address("RUN", what)) or (Path(what).expanduser() / "config.json").is_file()


def _net_of(first: Any, second: Any) -> str:
    other = first if not is_run(first) else second
    return other.name if isinstance(other, Summary) else str(other)
