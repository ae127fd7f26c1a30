import numpy as np
import pytest

from jaxcnn.data.folder import open_folder
from jaxcnn.data.sources import load_splits, open_dataset
from jaxcnn.errors import UserError
from tests.data.photos import picture, write_folder

BOTH = {"train/bee": 6, "train/ant": 4, "test/ant": 2, "test/bee": 3}


def test_splits_and_classes_by_name(tmp_path):
    write_folder(tmp_path, BOTH)
    (tmp_path / "train" / "ant" / ".hidden").write_text("")
    sources, names = open_folder(tmp_path)
    assert names == ("ant", "bee")
    assert sources["train"].labels.tolist() == [0] * 4 + [1] * 6
    assert sources["test"].labels.tolist() == [0] * 2 + [1] * 3
    assert sources["train"].name(0) == str(tmp_path / "train" / "ant" / "007.jpg")
    dataset = open_dataset("folder", data_dir=tmp_path, validation=2)
    assert dataset.sizes == {"train": 8, "val": 2, "test": 5}
    assert sorted(dataset.sources["val"].labels) == [0, 1]


def test_a_link_that_leads_back_adds_no_images(tmp_path):
    write_folder(tmp_path, BOTH)
    (tmp_path / "train" / "ant" / "again").symlink_to(tmp_path / "train" / "ant")
    assert open_folder(tmp_path)[0]["train"].labels.tolist() == [0] * 4 + [1] * 6


def test_images_are_the_middle_of_the_files(tmp_path):
    write_folder(tmp_path, BOTH)
    image = load_splits("folder", data_dir=tmp_path, image_size=16)["test"].image
    assert image.shape == (5, 16, 16, 3)
    assert np.abs(image[0].mean((0, 1)) - picture(11)[10:-10, 10:-10].mean((0, 1))).max() < 15


def test_a_folder_of_classes_takes_a_stated_part_for_the_test(tmp_path):
    write_folder(tmp_path, {"ant": 10, "bee": 20})
    with pytest.raises(UserError, match=r"^folder has no test split: data.test must say how much of train to take"):
        open_dataset("folder", data_dir=tmp_path)
    one, other = (open_dataset("folder", data_dir=tmp_path, test=0.2, seed=seed) for seed in (0, 1))
    assert one.sizes == {"train": 22, "val": 2, "test": 6}
    assert one.sources["test"].labels.tolist() == [0, 0, 1, 1, 1, 1]
    names = [{split: {s.name(i) for i in range(len(s.labels))} for split, s in d.sources.items()} for d in (one, other)]
    assert names[0]["test"] == names[1]["test"]
    assert names[0]["val"] != names[1]["val"]
    assert len(set.union(*names[0].values())) == 30


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({"val": 4}, {"train": 9, "val": 1, "test": 4}),
        ({"validation": 4, "test": 6}, {"train": 10, "val": 4, "test": 6}),
    ],
)
def test_a_validation_split_of_its_own(tmp_path, extra, expected):
    counts = {f"{split}/{name}": count // 2 for split, count in extra.items() for name in ("ant", "bee")}
    write_folder(tmp_path, {"train/ant": 5, "train/bee": 5, **counts})
    assert open_dataset("folder", data_dir=tmp_path).sizes == expected


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ({"train/ant": 2, "train/bee": 0}, "bee holds no images: every class needs some"),
        ({"train/ant": 2, "train/bee": 2, "test/wasp": 1}, "wasp is a class that train does not have"),
        ({"train/ant": 2}, "train holds 1 folders of images"),
        ({}, "holds 0 folders of images"),
    ],
)
def test_a_folder_that_will_not_do_is_one_line(tmp_path, counts, says):
    write_folder(tmp_path, counts)
    with pytest.raises(UserError, match=f"^[^\n]*{says}[^\n]*$"):
        open_dataset("folder", data_dir=tmp_path)


def test_where_the_folder_is():
    with pytest.raises(UserError, match=r"data\.dir must say which"):
        open_dataset("folder")
    with pytest.raises(UserError, match=r"^data\.dir is /no/such: there is no such folder$"):
        open_dataset("folder", data_dir="/no/such")


def test_a_test_split_is_not_cut_twice(tmp_path):
    write_folder(tmp_path, BOTH)
    with pytest.raises(UserError, match=r"^data.test is 0.2: folder has a test split"):
        open_dataset("folder", data_dir=tmp_path, test=0.2)


def test_a_file_that_is_no_image_is_named(tmp_path):
    write_folder(tmp_path, BOTH)
    (tmp_path / "train" / "ant" / "notes.txt").write_text("ants")
    with pytest.raises(UserError, match=r"^[^\n]*notes.txt cannot be read: no image"):
        load_splits("folder", data_dir=tmp_path)
