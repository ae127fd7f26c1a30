"""What is wrong with a trained run: verdicts with figures, and what mends each."""

import dataclasses
import os
from collections.abc import Iterator, Sequence

from jaxcnn.data.read.dataset import Dataset
from jaxcnn.errors import UserError
from jaxcnn.evaluation.doctor import norms, record, units, updates
from jaxcnn.evaluation.doctor.verdict import Verdict
from jaxcnn.evaluation.restored import restored
from jaxcnn.evaluation.subject import Subject, open_subject
from jaxcnn.json_file import read_json
from jaxcnn.train.files.fetch import run_here
from jaxcnn.train.files.folder import RunFolder, read_lines
from jaxcnn.train.load import holds_run
from jaxcnn.train.run import Run
from jaxcnn.train.state import TrainState

__all__ = ["Verdict", "doctor"]


def doctor(run: str | os.PathLike[str], *, data_dir: str | os.PathLike[str] | None = None) -> list[Verdict]:
    """Returns what was found, a verdict for each question; one that cannot be asked of the run says why.

    | question | a run is ill if |
    |---|---|
    | running statistics | a layer's running variance is off by more than 1.5 times from that of the training images |
    | statistics and accuracy | new statistics gain over a percentage point on the validation split, more than chance |
    | dead units | more than a tenth of a stage's channels are 0 for all images |
    | saturated units | more than half of a stage's values are at an end of a bounded activation |
    | updates | a layer's update is more than 0.1 or less than 1e-6 of its weights |
    | validation split | its 95 % interval is wider than 4 percentage points |
    | data | training waited for them more than a tenth of its time |
    | learning rate | it ends at more than a tenth of its peak, and `swa.learning_rate` does not hold it |
    | generalisation | training accuracy is more than 10 percentage points above validation accuracy |

    Args:
        run: the run folder, here or at gs:// or s3://. Of several seeds the first net is examined, and
            the verdicts say so; those on what the run has logged are of the mean of all nets.
        data_dir: where its data lie now, if not where they were.

    Raises:
        UserError: for a folder without a run, a run that was given parts in Python, or data that cannot be read.
    """
    if not holds_run(run):
        raise UserError(f"{run} is no run: of imported weights nothing is recorded")
    with run_here(run) as place:
        subject = open_subject(run, place=place, splits=("val",))
        folder = RunFolder(run, make=False, copy=place)
        card, rows = read_json(folder.card), read_lines(folder.metrics)
        found = list(record.verdicts(subject, card, rows))
        if not card.get("given"):  # else the config alone does not make the run again
            assert subject.step is not None
            with restored(folder, subject.step, data_dir=data_dir) as (made, state):
                found += _measured(made, subject, state)
        else:
            why = f"the run was given {', '.join(card['given'])} in Python: its config alone does not make it again"
            found.append(Verdict("statistics, units and updates", None, why))
    return [_of_first(verdict, subject.seeds) for verdict in _after_statistics(found)]


def _measured(run: Run, subject: Subject, state: TrainState) -> Iterator[Verdict]:
    assert isinstance(run.dataset, Dataset)
    yield from norms.verdicts(run, subject)
    yield from units.verdicts(run, subject)
    yield from updates.verdicts(run, state)


def _after_statistics(found: Sequence[Verdict]) -> list[Verdict]:
    """Returns verdicts of which none blames overfitting for what wrong statistics of batch norms do to validation."""
    statistics = next((each for each in found if each.question == norms.ACCURACY), None)
    if statistics is None or statistics.good:
        return list(found)
    why = f"which tells nothing before the statistics are mended: see {norms.ACCURACY}"
    return [
        dataclasses.replace(each, good=None, figures=f"{each.figures}, {why}", mend="")
        if each.question == record.GENERALISATION and not each.good
        else each
        for each in found
    ]


def _of_first(verdict: Verdict, seeds: Sequence[int]) -> Verdict:
    """Returns a verdict that says, where a run has several nets, whether it is of the first one alone."""
    if len(seeds) < 2 or verdict.question in record.OF_ALL:
        return verdict
    return dataclasses.replace(verdict, figures=f"of seed {seeds[0]}, the first of {len(seeds)}: {verdict.figures}")
