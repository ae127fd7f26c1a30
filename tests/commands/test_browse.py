import numpy as np
import pytest
from PIL import Image

from jaxcnn.commands import browse
from jaxcnn.config import base_config
from jaxcnn.data.read.sources import load_splits
from jaxcnn.errors import UserError
from jaxcnn.pictures.tiles import contact_sheet
from jaxcnn.train.setup import make_run

CONFIG = "configs/digits_lenet5.py"
STILL = ["--config.data.augment=", "--config.data.image_size=32", "--config.batch_size=16"]


def test_a_sheet_magnifies_by_whole_factors_and_stands_the_text_below():
    images = np.arange(3 * 2 * 2, dtype=np.uint8).reshape(3, 2, 2, 1) * 20
    sheet = np.asarray(contact_sheet(images, [["one"], ["two", "lines"], ["three"]], "title"))
    top, left = 15 + 2 * 8, 8  # below the title
    for number, image in enumerate(images):
        shown = sheet[top : top + 128, left + number * 136 :][:, :128, 0]
        np.testing.assert_array_equal(shown, np.kron(image[..., 0], np.ones((64, 64), np.uint8)))
    below = sheet[top + 128 :]
    assert (below[:15] < 128).any()
    assert (below[15:, 136:272] < 128).any()
    assert not (below[15:, :136] < 128).any()


def test_large_images_keep_their_size_and_long_names_are_cut_off():
    images = np.zeros((2, 200, 150, 3), np.uint8)
    sheet = contact_sheet(images, [["x" * 500], ["y"]], "")
    assert sheet.width == 2 * (150 + 8) + 8


def test_the_sheet_shows_the_very_pixels_of_the_batch(tmp_path, capsys):
    file = tmp_path / "val.png"
    assert browse.main([CONFIG, *STILL, "--split=val", "--step=1", "--count=3", f"--output={file}"]) == 0
    assert f"3 images of the val batch 1 are in {file}" in capsys.readouterr().out
    sheet = np.asarray(Image.open(file))
    stored = load_splits("digits", image_size=32)["val"].image
    for number in range(3):
        shown = sheet[31:, 8 + number * 136 :][: 4 * 32 : 4, : 4 * 32 : 4, 0]
        np.testing.assert_array_equal(shown, stored[16 + number, ..., 0])


def test_the_batch_is_the_one_that_is_trained_on():
    config = base_config()
    config.batch_size, config.data.image_size, config.data.augment = 16, 32, "shift(2)"
    run = make_run(config)
    batch = browse._batch(run, "train", 3)
    trained_on = run.pipeline.train_batch(run.pipeline.feed(3), np.int32(3))
    np.testing.assert_allclose(batch["image"], trained_on["image"], atol=1e-6)
    np.testing.assert_array_equal(batch["label"], trained_on["label"])


def test_the_last_batch_is_without_its_padding():
    config = base_config()
    config.batch_size, config.data.image_size = 128, 32
    run = make_run(config)
    size = run.pipeline.sizes["val"]
    assert size % 128
    assert len(browse._batch(run, "val", size // 128)["image"]) == size % 128


def test_mixed_labels_name_both_classes():
    names = ["ant", "bee", "cat"]
    assert browse._caption(np.int32(2), names) == ["cat"]
    assert browse._caption(np.float32([0.3, 0, 0.7]), names) == ["0.70 cat", "0.30 ant"]
    assert browse._caption(np.float32([0, 1, 0]), names) == ["1.00 bee"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--step=4000"], r"--step is 4000: train has batches 0 to \d+$"),
        (["--split=val", "--step=-1"], "--step is -1: val has batches 0 to "),
        (["--count=0"], "--count is 0: it must be a whole number in"),
        (["--output=/no/such/place.png"], "^--output: there is no folder /no/such; usage: jaxcnn browse"),
        (["--output=picture.nonsense"], "--output picture.nonsense cannot be written: unknown file extension"),
        (["--config.batch_siz=3"], r"did you mean batch_size\?"),
        (["--config.data.augment=flap()"], "unknown augmentation 'flap': did you mean flip"),
        (["stray"], "unrecognized arguments: stray; usage: jaxcnn browse "),
    ],
)
def test_a_wrong_command_line_is_one_line(arguments, says):
    with pytest.raises(UserError, match=says) as caught:
        browse.main([CONFIG, *STILL, *arguments])
    assert "\n" not in str(caught.value)
