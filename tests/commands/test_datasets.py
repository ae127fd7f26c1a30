import pytest

from jaxcnn.commands import datasets
from jaxcnn.data import catalog
from jaxcnn.data.sets.builders import prepare
from jaxcnn.errors import UserError
from tests.data.archives import tiny_catalog, write_archive


def lines(capsys) -> dict[str, str]:
    """The rows by name, runs of blanks as one."""
    return {line.split()[0]: " ".join(line.split()) for line in capsys.readouterr().out.splitlines()}


def test_all_are_listed(tmp_path, capsys):
    assert datasets.main(["--data-dir", str(tmp_path)]) == 0
    rows = lines(capsys)
    assert set(rows) >= set(catalog.CATALOG)
    cifar = "cifar10 CIFAR-10 small colour photographs 32x32x3 50,000 10,000 10 not stated no"
    assert rows["cifar10"] == cifar
    assert "any x3 1,281,167 50,000 1000 non-commercial research and education no" in rows["imagenet"]
    assert rows["digits"].endswith("in scikit-learn")


def test_what_is_prepared_where(monkeypatch, tmp_path, capsys):
    infos = {name: tiny_catalog(monkeypatch, name) for name in ("mnist", "fashion_mnist", "svhn", "imagenet")}
    for name, info in infos.items():
        write_archive(info, tmp_path / name, without="train" if name == "imagenet" else "extra")
        form = "tfrecord" if name == "svhn" else "array_record"
        prepare(name, source=tmp_path / name, data_dir=tmp_path, allow_partial=True, form=form)
    (tmp_path / "fashion_mnist" / "3.0.1" / "dataset_info.json").write_text("{")
    assert datasets.main(["--data-dir", str(tmp_path), "--markdown"]) == 0
    ends = {row.split("`")[1]: row.split("| ")[-1] for row in capsys.readouterr().out.splitlines()[2:]}
    assert ends["mnist"] == f"{tmp_path}/mnist/3.0.1 |"
    assert ends["fashion_mnist"] == f"damaged: {tmp_path}/fashion_mnist |"
    assert ends["svhn"] == f"{tmp_path}/svhn_cropped/3.1.0 (as tfrecord) |"
    assert ends["imagenet"] == f"{tmp_path}/imagenet2012/5.1.0 (partial, 0 of 40 train, 20 validation) |"
    assert ends["cifar10"] == "no |"


def test_a_pattern(tmp_path, capsys):
    assert datasets.main(["cifar100*", "--data-dir", str(tmp_path), "--markdown"]) == 0
    names = [row.split("`")[1] for row in capsys.readouterr().out.splitlines()[2:]]
    assert names == ["cifar100", "cifar100_coarse"]


def test_a_pattern_without_a_match_names_the_nearest():
    with pytest.raises(UserError, match=r"^unknown data set 'cifar': did you mean cifar10"):
        datasets.main(["cifar"])
