import pytest

from jaxcnn.commands import models
from jaxcnn.errors import UserError


@pytest.mark.parametrize(("options", "cost"), [([], ""), (["--operations"], " 0.4 M")])
def test_a_row_has_paper_size_and_cost(options, cost, capsys):
    assert models.main(["lenet5", *options]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("lenet5")]
    assert " ".join(line.split()) == "lenet5 1998 LeCun et al., Proc. IEEE 1998 32x32x1 61,706 none" + cost


def test_markdown_is_a_table(capsys):
    assert models.main(["mlp*", "--markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.count("|") for line in lines] == [7] * 4
    assert lines[2].startswith("| `mlp1` | 2021 |")


def test_a_pattern_without_a_match_names_the_nearest():
    with pytest.raises(UserError, match="unknown model 'lenot5': did you mean lenet5"):
        models.main(["lenot5"])
