import json

import pytest

from jaxcnn.commands import verify
from jaxcnn.errors import UserError
from jaxcnn.train.loop import train_and_evaluate
from tests.train.test_loop import config
from tests.train.test_reliability import flip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "run"
    train_and_evaluate(config(eval_every="2 steps", total_steps=4), workdir)
    return workdir


def test_a_run_as_it_was_is_found_good_and_a_changed_one_is_not(run, capsys):
    capsys.readouterr()
    assert verify.main([str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0].strip() for line in lines] == ["ok"] * 5  # two checkpoints, two val, one test
    assert sum("as recorded" in line for line in lines) == 3

    metrics = (run / "metrics.jsonl").read_text().splitlines()
    last = json.loads(metrics[-1])
    changed = json.dumps(last | {"test/accuracy": last["test/accuracy"] + 1 / 360})
    (run / "metrics.jsonl").write_text("\n".join([*metrics[:-1], changed]) + "\n")
    flip(max((run / "checkpoints" / "2" / "state" / "d").iterdir(), key=lambda path: path.stat().st_size))
    assert verify.main([str(run)]) == 1
    wrong = [line for line in capsys.readouterr().out.splitlines() if line.startswith("WRONG")]
    assert len(wrong) == 2
    assert "checkpoints/2" in wrong[0]
    assert "was recorded" in wrong[1]


def test_a_folder_without_a_run_is_one_line(tmp_path):
    with pytest.raises(UserError, match="holds no run"):
        verify.main([str(tmp_path)])
