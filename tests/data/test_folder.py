import numpy as np
import pytest

from jaxcnn.data.read.folder import open_folder
from jaxcnn.data.read.sources import load_splits, open_dataset
from jaxcnn.errors import UserError
from tests.data.photos import picture, write_folder

BOTH = {"train/bee": 6, "train/ant": 4, "test/ant": 2, "test/bee": 3}


def test_splits_and_classes_by_name(tmp_path):
    write_folder(tmp_path, BOTH)
    (tmp_path / "train" / "ant" / ".hidden").write_text("")
    sources, names, remarks = open_folder(tmp_path)
    assert remarks == ()
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
        ({"train/ant/train": 2, "train/ant/test": 2, "train/bee": 2}, "ant would be a class, and holds test/, train/"),
        ({"images/train/ant": 2, "images/val/ant": 2, "masks/a": 2}, "images would be a class.*data.dir=[^ ]*images"),
        ({"train": 2, "test": 2}, "holds test/, train/ with images but no folders of classes, as test/CLASS"),
        ({"train": 2, "unlabeled": 2}, "holds train/ with images but no folders of classes"),
        ({"test/ant": 2, "val/ant": 2}, "holds test/, val/, but no train/.*/test itself can be named"),
        ({"train/ant": 2, "Train/ant": 2}, "holds Train/, train/, which all mean the split train"),
        ({"train/ant": 2, "val/ant": 2, "valid_set/ant": 2}, "val/, valid_set/, which all mean the split val"),
        ({"train/ant": 2, "test/ant": 2, "dev/ant": 2, "eval/ant": 2}, "dev/, eval/, which all mean the split val"),
        (
            {"seg_train/ant": 2, "seg_train/bee": 2, "seg_test": 2},
            "seg_test/, seg_train/ look like splits.*known names",
        ),
        ({"Trainingsdaten/ant": 2, "Testdaten/ant": 2}, "Testdaten/, Trainingsdaten/ look like splits"),
        ({"train/ant": 2, "train/bee": 2, "train/val/ant": 2}, "val would be a class, and holds classes of [^ ]*train"),
        (
            {"train/old": 2, "train/new": 2, "car/old": 2, "plane": 2},
            "train may be the training .* class as car/, plane/",
        ),
        ({"trainA": 2, "trainB": 2, "testA": 2, "testB": 2}, "look like splits"),
        ({}, "holds 0 folders of images"),
    ],
)
def test_a_folder_that_will_not_do_is_one_line(tmp_path, counts, says):
    write_folder(tmp_path, counts)
    with pytest.raises(UserError, match=f"^[^\n]*{says}[^\n]*$"):
        open_dataset("folder", data_dir=tmp_path)


def test_without_train_there_is_the_split_that_is_needed(tmp_path):
    write_folder(tmp_path, {"val/ant": 2, "val/bee": 3, "test/wasp": 1})
    found = open_folder(tmp_path, "val")
    assert found.class_names == ("ant", "bee")
    assert {split: source.labels.tolist() for split, source in found.splits.items()} == {"val": [0, 0, 1, 1, 1]}
    write_folder(tmp_path, {"wasp": 1, "fly": 1})
    with pytest.raises(UserError, match="val may be the validation split, or a class as fly/, wasp/"):
        open_folder(tmp_path, "val")


def test_where_the_folder_is():
    with pytest.raises(UserError, match=r"data\.dir must say which"):
        open_dataset("folder")
    with pytest.raises(UserError, match=r"^data\.dir is /no/such: there is no such folder$"):
        open_dataset("folder", data_dir="/no/such")
    with pytest.raises(UserError, match=r"test_folder.py: it is a file: unpack it$"):
        open_dataset("folder", data_dir=__file__)


def test_a_test_split_is_not_cut_twice(tmp_path):
    write_folder(tmp_path, BOTH)
    with pytest.raises(UserError, match=r"^data.test is 0.2: folder has a test split"):
        open_dataset("folder", data_dir=tmp_path, test=0.2)


def test_a_file_that_should_be_an_image_is_named_and_others_are_left_out(tmp_path):
    write_folder(tmp_path, BOTH)
    (tmp_path / "train" / "ant" / "notes.txt").write_text("ants")
    (tmp_path / "train" / "ant" / "010.jpg").rename(tmp_path / "train" / "ant" / "no_ending")
    (tmp_path / "train" / "loose.png").write_text("")
    (tmp_path / "train" / "list.csv").write_text("")
    (tmp_path / "train" / "wasp.zip").write_text("")
    dataset = open_dataset("folder", data_dir=tmp_path, validation=2)
    assert dataset.sizes == {"train": 8, "val": 2, "test": 5}
    left_out = (
        "3 files that are no images of a class are left out: train/loose.png, train/wasp.zip, train/ant/notes.txt"
    )
    assert dataset.remarks == (left_out,)
    (tmp_path / "train" / "ant" / "spoilt.JPG").write_text("ants")
    with pytest.raises(UserError, match=r"^[^\n]*spoilt.JPG cannot be read: no image"):
        load_splits("folder", data_dir=tmp_path)


def test_what_is_hidden_is_passed_over_at_every_depth(tmp_path):
    hidden = [".ipynb_checkpoints", "__MACOSX", "@eaDir", "$RECYCLE.BIN", "lost+found", ".thumbnails"]
    write_folder(tmp_path, BOTH)
    for place in ("", "train", "train/ant", "train/ant/deeper"):
        for name in hidden:
            write_folder(tmp_path / place / name, {"ant": 2})
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._001.jpg"):
        (tmp_path / "train" / "bee" / name).write_text("")
    sources, names, remarks = open_folder(tmp_path)
    assert (names, remarks) == (("ant", "bee"), ())
    assert sources["train"].labels.tolist() == [0] * 4 + [1] * 6


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("Train", "Validation", "Test"),
        ("TRAIN", "VALID", "TESTING"),
        ("training_set", "dev set", "test_set"),
        ("1_train", "2-val", "3 test"),
        ("train-images_64x64", "val_images_64x64", "testImages64x64"),
        ("train2017", "val2017", "test2017"),
        ("trainset", "validset", "testset"),
        ("train_v2", "val_2", "hold-out"),
        ("train", "eval", "test"),
        ("train", "val", "eval"),
    ],
)
def test_splits_however_people_write_them(tmp_path, train, val, test):
    counts = {train: 4, val: 2, test: 3}
    write_folder(tmp_path, {f"{split}/{name}": counts[split] for split in counts for name in ("ant", "bee")})
    dataset = open_dataset("folder", data_dir=tmp_path)
    assert dataset.class_names == ("ant", "bee")
    assert dataset.sizes == {"train": 8, "val": 4, "test": 6}
    assert dataset.remarks == ()


@pytest.mark.parametrize(
    ("counts", "names", "remarks"),
    [
        ({"train": 2, "car": 2, "plane": 2}, ("car", "plane", "train"), ()),
        ({"test": 2, "control": 2}, ("control", "test"), ()),
        (
            {"pets/train/ant": 2, "pets/train/bee": 2},
            ("ant", "bee"),
            ("the data is in pets/, all that the folder holds",),
        ),
        ({"a/a/ant": 2, "a/a/bee": 2}, ("ant", "bee"), ("the data is in a/a/, all that the folder holds",)),
        ({"left/2019": 2, "left/2020": 2, "right/2019": 2, "right/2021": 2}, ("left", "right"), ()),
        ({"left": 2, "left/old": 2, "left/new": 2, "right/old": 2, "right/new": 2}, ("left", "right"), ()),
        ({"train/train/ant": 2, "train/train/bee": 2}, ("ant", "bee"), ()),
        (
            {"train/ant": 2, "train/bee": 2, "test": 2, "unlabeled": 2, "val/.x": 0},
            ("ant", "bee"),
            (
                "left out, since images without folders of classes have no labels: test/",
                "left out beside the splits: unlabeled/, val/",
            ),
        ),
    ],
)
def test_what_the_classes_are(tmp_path, counts, names, remarks):
    write_folder(tmp_path, counts)
    found = open_folder(tmp_path)
    assert found.class_names == names
    assert list(found.splits) == ["train"]
    assert found.remarks == remarks


def test_classes_that_look_like_splits_are_classes_below_train(tmp_path):
    classes = {"test_tube": 2, "train_station/old": 2, "tree": 2}
    write_folder(tmp_path / "one", classes)
    with pytest.raises(
        UserError, match=r"test_tube/, train_station/ look like splits.* put them into a folder called train$"
    ):
        open_folder(tmp_path / "one")
    write_folder(tmp_path / "train", classes)
    assert open_folder(tmp_path).class_names == ("test_tube", "train_station", "tree")


@pytest.mark.parametrize("names", [("entrainement", "essai"), ("imagesTr", "imagesTs"), ("fold1", "fold2", "fold3")])
def test_a_few_folders_with_the_same_folders_inside_may_be_splits(tmp_path, names):
    counts = {f"{name}/{inner}": 2 for name in names for inner in ("ant", "bee")}
    write_folder(tmp_path / "one", counts | {f"{names[0]}/cat": 1})
    with pytest.raises(
        UserError, match=rf"^{names[0]}/, .* hold the same folders, ant, bee, .* put them into a folder called train$"
    ):
        open_folder(tmp_path / "one")
    write_folder(tmp_path / "train", counts)
    assert open_folder(tmp_path).class_names == names


def test_links_are_followed_by_their_own_names(tmp_path):
    write_folder(tmp_path, {"ants": 3, "data/train/bee": 2, "data/train/wasp": 2, "tests/ant": 1})
    (tmp_path / "data" / "train" / "ant").symlink_to(tmp_path / "ants")
    (tmp_path / "data" / "Test").symlink_to(tmp_path / "tests")
    (tmp_path / "data" / "train" / "bee" / "up").symlink_to("../..")
    (tmp_path / "data" / "README").symlink_to("nowhere")
    found = open_folder(tmp_path / "data")
    assert found.class_names == ("ant", "bee", "wasp")
    assert found.splits["train"].labels.tolist() == [0] * 3 + [1] * 2 + [2] * 2
    assert found.splits["test"].labels.tolist() == [0]


def test_shortcuts_and_links_that_were_unpacked_as_text_are_named(tmp_path):
    write_folder(tmp_path, {"ant": 2, "bee": 2})
    contents = {
        "cat": "../animals/cat",
        "dog.lnk": "L",
        "README": "of pets/animals\n",
        "eel": "a/" * 600,
        "LICENSE": "MIT",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    assert open_folder(tmp_path).remarks == ("2 files that are no images of a class are left out: cat, dog.lnk",)


@pytest.mark.parametrize("link", ["train/cat", "val", "Testing"])
def test_a_link_to_nowhere_moves_no_label(tmp_path, link):
    write_folder(tmp_path, BOTH)
    (tmp_path / link).symlink_to("/no/where")
    with pytest.raises(
        UserError, match=rf"^[^\n]*{link} is a link to /no/where, where nothing is: mend the link or rem"
    ):
        open_folder(tmp_path)


@pytest.mark.parametrize(("link", "target"), [("train/again", "."), ("train/again", "../.."), ("again", ".")])
def test_a_class_that_is_a_link_back_is_refused(tmp_path, link, target):
    write_folder(tmp_path, BOTH)
    (tmp_path / link).symlink_to(target)
    with pytest.raises(UserError, match=rf"^[^\n]*{link} is a link back to [^\n]*, which holds it: remove it$"):
        open_folder(tmp_path)


def test_a_link_in_circles_and_an_image_that_a_link_has_lost(tmp_path):
    write_folder(tmp_path, BOTH)
    (tmp_path / "train" / "bee" / "gone.jpg").symlink_to("/no/where.jpg")
    with pytest.raises(UserError, match=r"gone.jpg cannot be read: it is a link to nowhere \(data.on_error"):
        load_splits("folder", data_dir=tmp_path)
    (tmp_path / "train" / "bee" / "gone.jpg").unlink()
    (tmp_path / "val").symlink_to("train")
    (tmp_path / "train" / "formica").symlink_to("ant")
    assert {"train and val are the same folder", "ant and formica are the same folder"} <= {
        *open_folder(tmp_path).remarks
    }
    (tmp_path / "train" / "cat").symlink_to("cat")
    with pytest.raises(UserError, match=r"cat is a link to cat, where nothing is"):
        open_folder(tmp_path)


def test_an_accent_however_it_is_spelt(tmp_path):
    one, other = "cafe\u0301", "caf\u00e9"
    write_folder(tmp_path, {f"train/{one}": 2, "train/bee": 2, f"test/{other}": 1})
    found = open_folder(tmp_path)
    assert found.class_names == ("bee", other)
    assert found.splits["test"].labels.tolist() == [1]
    write_folder(tmp_path, {f"train/{other}": 1})
    with pytest.raises(UserError, match="in two spellings of Unicode"):
        open_folder(tmp_path)


def test_classes_in_a_folder_of_the_split_are_found_and_it_is_said(tmp_path):
    counts = {"train/images/ant": 4, "train/images/bee": 5, "test/images/ant": 2, "test/images/bee": 1}
    write_folder(tmp_path, counts)
    (tmp_path / "train" / "labels.csv").write_text("")
    sources, names, remarks = open_folder(tmp_path)
    assert names == ("ant", "bee")
    assert remarks == ("the classes are the folders in train/images/ and test/images/",)
    assert sources["train"].labels.tolist() == [0] * 4 + [1] * 5
    write_folder(tmp_path / "other", {"train/ant/old": 2, "train/ant/new": 2, "test/ant/old": 2})
    with pytest.raises(UserError, match=r"train holds 1 folders of images"):  # years are no classes
        open_folder(tmp_path / "other")
