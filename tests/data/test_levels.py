"""Images of more than 8 bits: the same grey at last, whatever holds it, and all images of a set alike."""

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.read.decode import UnreadableError, decode, decode_fast
from jaxcnn.data.read.levels import Range, range_of
from jaxcnn.data.read.sources import open_dataset
from jaxcnn.errors import UserError
from tests.data.photos import encoded, picture

GREY = [picture(number)[..., 0] for number in range(8)]


def write(root, images, ending):
    """Writes eight files, or arrays, into two classes."""
    for number, image in enumerate(images):
        place = root / ("ant", "bee")[number % 2]
        place.mkdir(exist_ok=True)
        content = image if isinstance(image, bytes) else encoded(image, {"tif": "TIFF"}.get(ending, ending.upper()))
        (place / f"{number}.{ending}").write_bytes(content)


def opened(root):
    dataset = open_dataset("folder", data_dir=root, test=2, validation=2)
    sources = dataset.sources.values()
    return dataset, {Path(source.name(i)).stem: source[i] for source in sources for i in range(len(source.labels))}


def read(root):
    """The images by the numbers of their files, and the remarks of the data set."""
    dataset, data = opened(root)
    for each in data.values():
        np.testing.assert_array_equal(np.asarray(decode(each, 3)), decode_fast(each, 3, lambda height, width: 1)[0])
    return [np.asarray(decode(data[str(number)], 1)) for number in range(len(data))], dataset.remarks


@pytest.mark.parametrize(
    ("made", "ending", "white"),
    [
        (lambda grey: grey.astype(np.int32), "tif", 256),
        (lambda grey: grey.astype(np.int32) * 16, "tif", 4096),
        (lambda grey: grey.astype(np.int32) * 2**16, "tif", 2**24),
        (lambda grey: grey.astype(np.uint16), "tif", 256),
        (lambda grey: grey.astype(np.uint16), "png", 256),
        (lambda grey: grey.astype(np.uint16) * 16, "png", 4096),
        (lambda grey: grey.astype(np.uint16) * 16, "tif", 4096),
        (lambda grey: grey.astype(np.uint16) * 64, "tif", 16384),
        (lambda grey: grey.astype(np.float32), "tif", 256),
        (lambda grey: grey.astype(np.float32) / 256, "tif", 1),
        (lambda grey: grey.astype(np.float32) / 2**14, "tif", 1 / 64),
    ],
)
def test_deep_images_keep_their_levels(made, ending, white, tmp_path):
    write(tmp_path, map(made, GREY), ending)
    images, (remark,) = read(tmp_path)
    np.testing.assert_array_equal(images, GREY)
    assert f" images 0 is black and {white:,.10g} white, for all alike: 8 of them reach from " in remark


def test_sixteen_bits_that_are_filled_stay_as_they_are_declared(tmp_path):
    write(tmp_path, [grey.astype(np.uint16) * 257 for grey in GREY], "png")
    images, remarks = read(tmp_path)
    np.testing.assert_array_equal(images, GREY)
    assert remarks == ()


@pytest.mark.parametrize("ending", ["png", "tiff"])
@pytest.mark.parametrize("factor", [16, 257])
def test_deep_colours_keep_their_levels(factor, ending, tmp_path):
    colours = [picture(number) for number in range(8)]
    files = [
        cv2.imencode(f".{ending}", colour[..., ::-1].astype(np.uint16) * factor)[1].tobytes() for colour in colours
    ]
    write(tmp_path, files, ending)
    _, data = opened(tmp_path)
    for number, colour in enumerate(colours):
        np.testing.assert_array_equal(np.asarray(decode(data[str(number)], 3)), colour)


def test_all_images_are_treated_alike(tmp_path):
    """A dark one stays dark, 8 bits stay what they are, and signs shift black."""
    write(tmp_path, [(grey // (1 + number)).astype(np.uint16) * 16 for number, grey in enumerate(GREY[:7])], "tif")
    (tmp_path / "bee" / "7.tif").write_bytes(encoded(GREY[7], "TIFF"))
    images, _ = read(tmp_path)
    np.testing.assert_array_equal(images, [*(grey // (1 + number) for number, grey in enumerate(GREY[:7])), GREY[7]])


def test_values_below_zero(tmp_path):
    write(tmp_path, [grey.astype(np.float32) / 128 - 1 for grey in GREY], "tif")
    images, (remark,) = read(tmp_path)
    np.testing.assert_array_equal(images, GREY)
    assert "in floating-point images -1 is black and 1 white" in remark


def test_what_is_white_at_0_is_turned_round(tmp_path):
    files = []
    for grey in GREY:
        file = io.BytesIO()
        Image.fromarray((255 - grey).astype(np.uint16) * 16).save(file, "TIFF", tiffinfo={262: 0})
        files.append(file.getvalue())
    write(tmp_path, files, "tif")
    np.testing.assert_array_equal(read(tmp_path)[0], GREY)


def test_one_value_that_would_make_all_the_rest_black_is_refused(tmp_path):
    images = [grey.astype(np.int32) for grey in GREY]
    images[3][0, 0] = 2**31 - 1
    write(tmp_path, images, "tif")
    with pytest.raises(
        UserError,
        match=r"^32-bit images reach .*bee/3.tif\), which would leave [12] of their \d+ different values: save",
    ):
        read(tmp_path)


def test_an_image_beyond_the_range_of_the_others_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxcnn.data.read.probe.SAMPLE", 3)
    images = [grey.astype(np.int32) for grey in GREY]
    images[0] *= 100
    write(tmp_path, images, "tif")
    with pytest.raises(
        UnreadableError, match=r"^its values reach from [\d,]+ to [\d,]+, where those of its data set are 0 to 256$"
    ):
        read(tmp_path)


def test_without_a_data_set_of_ones_own_what_is_not_declared_is_refused():
    for deep in (GREY[0].astype(np.int32), GREY[0].astype(np.float32)):
        with pytest.raises(UnreadableError, match=r"nothing says which value is white: save it with 8 or 16 bits$"):
            decode(encoded(deep, "TIFF"), 1)


def test_pixels_that_are_no_numbers(tmp_path):
    images = [grey.astype(np.float32) for grey in GREY]
    images[2][1, 1] = np.nan
    write(tmp_path, images, "tif")
    with pytest.raises(UnreadableError, match=r"^some of its pixels are infinite or no numbers$"):
        read(tmp_path)
    with pytest.raises(UnreadableError, match=r"^some of its pixels are infinite or no numbers$"):
        decode(encoded(images[2], "TIFF"), 1)  # whatever is known of its data set


@pytest.mark.parametrize(("format", "ending"), [("GIF", "gif"), ("TIFF", "tif"), ("PNG", "png")])
def test_of_several_frames_the_first_is_read_and_that_is_said(format, ending, tmp_path):
    deep = [grey.astype(np.uint16) * 16 if format == "TIFF" else grey for grey in GREY]
    frames = [Image.fromarray(grey) for grey in deep[:2]]
    files = [encoded(deep[number], format) for number in range(1, 8)]
    write(tmp_path, [encoded(frames[0], format, save_all=True, append_images=frames[1:]), *files], ending)
    images, remarks = read(tmp_path)
    np.testing.assert_array_equal(images[0], GREY[0])
    assert remarks[-1] == f"of several frames or pages, as in {tmp_path}/ant/0.{ending}, the first is read"


@pytest.mark.parametrize(
    ("low", "high", "whole", "expected"),
    [
        (0, 0, True, (0, 256)),
        (0, 255, True, (0, 256)),
        (0, 256, True, (0, 1024)),
        (7, 4095, True, (0, 4096)),
        (-1024, 3071, True, (-1024, 4096)),
        (-5, -2, True, (-16, 0)),
        (0, 2**32 - 1, True, (0, 2**32)),
        (0, 1, False, (0, 1)),
        (0, 1.5, False, (0, 4)),
        (0, 255, False, (0, 256)),
        (0, 0, False, (0, 1)),
        (-0.5, 0.5, False, (-1, 1)),
    ],
)
def test_ranges(low, high, whole, expected):
    assert range_of(low, high, whole=whole) == Range(*expected)


def tiff(values, **others):
    """A TIFF of numbers of any kind and byte order, as Pillow does not write all of them; `others` are tags."""
    order = ">" if values.dtype.byteorder == ">" else "<"
    height, width = values.shape[-2:]
    tags = {256: width, 257: height, 258: 8 * values.itemsize, 259: 1, 262: 1, 273: 0, 277: 1, 278: height}
    tags |= {279: values.nbytes, 339: 2 if values.dtype.kind == "i" else 1}
    tags |= {int(tag.removeprefix("tag")): value for tag, value in others.items()}
    tags = {tag: value for tag, value in sorted(tags.items()) if value is not None}
    tags[273] = 14 + 12 * len(tags)
    head = (b"MM" if order == ">" else b"II") + struct.pack(order + "HIH", 42, 8, len(tags))
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in tags.items())
    return head + entries + bytes(4) + values.tobytes()


@pytest.mark.parametrize(
    ("dtype", "kind", "black", "step"),
    [
        ("<i2", "signed 16-bit", -(2**14), 2**7),
        (">i2", "signed 16-bit", -(2**14), 2**7),
        ("<u4", "32-bit", 0, 2**24),
    ],
)
def test_numbers_with_and_without_signs_in_either_byte_order(dtype, kind, black, step, tmp_path):
    write(tmp_path, [tiff((grey.astype(np.int64) * step + black).astype(dtype)) for grey in GREY], "tif")
    images, (remark,) = read(tmp_path)
    np.testing.assert_array_equal(images, GREY)
    assert remark.startswith(f"in {kind} images {black:,} is black and {black + 256 * step:,} white")


def test_numbers_are_unsigned_where_the_file_does_not_say(tmp_path):
    write(tmp_path, [tiff(grey.astype("<u4") << 24, tag339=None) for grey in GREY], "tif")
    for grey, image in zip(GREY, read(tmp_path)[0], strict=True):
        np.testing.assert_array_equal(image, grey)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (tiff(GREY[0].view(np.int8)), "its numbers are of 8 bits and signed"),
        (tiff(np.stack(GREY[:3]).astype("<u2"), tag262=2, tag277=3, tag284=2), "its 16-bit colours lie in planes"),
    ],
)
def test_what_pillow_takes_for_something_else_is_refused(data, says):
    for read_it in (lambda: decode(data, 1), lambda: decode_fast(data, 3, lambda height, width: 1)):
        with pytest.raises(UnreadableError, match=f"^{says}.*, which is not read: save it as PNG$"):
            read_it()


def test_deep_images_with_a_name_of_jpeg_keep_their_levels(tmp_path):
    files = [encoded(grey.astype(np.uint16), "PNG") if number else encoded(grey) for number, grey in enumerate(GREY)]
    write(tmp_path, files, "jpg")
    images, remarks = read(tmp_path)
    for grey, image in zip(GREY[1:], images[1:], strict=True):
        np.testing.assert_array_equal(image, grey)
    assert [remark.partition(":")[0] for remark in remarks] == [
        "in 16-bit grey images 0 is black and 256 white, for all alike"
    ]
