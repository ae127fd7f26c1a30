"""Configs that come with jaxcnn go by their names, from anywhere."""

import pytest

from jaxcnn import main, shipped
from jaxcnn.commands import configs
from jaxcnn.errors import UserError


def test_all_are_listed(capsys):
    assert configs.main([]) == 0
    *rows, _, how, where = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows[1:]] == list(shipped.config_files())
    assert " ".join(rows[1].split()).startswith(
        "digits_lenet5 lenet5 digits 40 epochs LeNet-5 on the 1,797 handwritten"
    )
    assert "jaxcnn train --config=digits_lenet5 " in how
    assert str(shipped.config_files()["digits_lenet5"].parent) in where


def test_some_are_listed_in_markdown(capsys):
    assert configs.main(["*resnet*", "--markdown"]) == 0
    names = [line.split("`")[1] for line in capsys.readouterr().out.splitlines()[2:]]
    assert names == ["fashion_mnist_resnet20", "imagenet_resnet50"]


def test_a_pattern_that_none_matches():
    with pytest.raises(UserError, match=r"^unknown config 'digits_lenet': did you mean digits_lenet5"):
        configs.main(["digits_lenet"])


@pytest.mark.parametrize("name", shipped.config_files())
def test_a_name_is_a_config_from_any_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    by_name, by_path = (
        main.parse([f"--config={place}", "--workdir=w"]).config for place in (name, shipped.config_files()[name])
    )
    assert by_name == by_path


def test_a_file_goes_before_a_name_and_a_name_before_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "digits_lenet5"
    place.mkdir()
    assert main.parse(["--config=digits_lenet5", "--workdir=w"]).config.model.name == "lenet5"
    place.rmdir()
    place.write_text(shipped.config_files()["fashion_mnist_resnet20"].read_text())
    assert main.parse(["--config=digits_lenet5", "--workdir=w"]).config.model.name == "resnet20"


def test_within_an_installed_package_they_lie_inside_of_it(tmp_path, monkeypatch):
    inside = tmp_path / "site-packages" / "jaxcnn"
    for folder in (inside / "configs", inside.parent / "configs"):  # the second is somebody else's
        folder.mkdir(parents=True)
        (folder / f"of_{folder.parent.name}.py").touch()
    monkeypatch.setattr(shipped, "_PACKAGE", inside)
    assert list(shipped.config_files()) == ["of_jaxcnn"]
