import io
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from jaxcnn.data.read.crops import DRAWS, RandomResizedCrop, ToSquare
from jaxcnn.data.read.decode import Photograph, UnreadableError, decode, decode_fast
from jaxcnn.data.read.heads import orientation, without_metadata
from jaxcnn.data.read.transforms import to_array
from tests.data.photos import cropped, encoded, picture

PICTURE = picture(1)
GREY = PICTURE[..., 0]


def whole(height, width):
    return 1


def both(data, channels=3):
    slow, (fast, size) = to_array(decode(data, channels)), decode_fast(data, channels, whole)
    assert slow.shape == fast.shape == (*size, channels)
    return slow, fast


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 60}])
def test_both_decoders_agree_on_jpeg(options):
    slow, fast = both(encoded(PICTURE, **options))
    np.testing.assert_allclose(slow.astype(int), fast, atol=2)
    np.testing.assert_allclose(slow.astype(int), PICTURE, atol=12)


@pytest.mark.parametrize("channels", [1, 3])
def test_grey_files_and_grey_nets(channels):
    for data in (encoded(GREY), encoded(GREY, "PNG")):
        for image in both(data, channels):
            np.testing.assert_allclose(image.astype(int), np.repeat(GREY[..., None], channels, -1), atol=4)
    luminance = PICTURE @ [0.299, 0.587, 0.114]
    for image in both(encoded(PICTURE), 1):
        np.testing.assert_allclose(image[..., 0], luminance, atol=8)


def test_alpha_is_dropped_and_palettes_are_looked_up():
    alpha = np.dstack([PICTURE, np.arange(GREY.size).reshape(GREY.shape).astype(np.uint8)])
    np.testing.assert_array_equal(both(encoded(alpha, "PNG"))[0], PICTURE)
    few = (PICTURE // 128) * 128
    palette = np.asarray(Image.fromarray(few).quantize(8).convert("RGB"))
    for options in ({}, {"transparency": 0}):
        np.testing.assert_array_equal(both(encoded(Image.fromarray(few).quantize(8), "PNG", **options))[0], palette)


def test_sixteen_bits_keep_their_upper_eight():
    deep = GREY.astype(np.uint16) * 257
    for channels in (1, 3):
        found = both(encoded(deep, "PNG"), channels)[0]
        np.testing.assert_array_equal(found, np.repeat(GREY[..., None], channels, -1))


def test_cmyk_is_converted_as_pillow_does():
    for image in both(encoded(Image.fromarray(PICTURE).convert("CMYK"), quality=95)):
        np.testing.assert_allclose(image.astype(int), PICTURE, atol=12)


def turned_by_exif(orientation: object, format: str = "JPEG", image: np.ndarray = PICTURE, **options) -> bytes:
    exif = Image.Exif()
    exif[0x0110] = "a camera"
    exif[0x0112] = orientation
    return encoded(image, format, exif=exif, **options)


def test_orientation_is_not_applied_to_what_is_no_photograph():
    assert both(turned_by_exif(6))[0].shape == PICTURE.shape


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_upright_by_both_decoders(orientation, format):
    data = turned_by_exif(orientation, format, **({"lossless": True} if format == "WEBP" else {}))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert expected.shape == (PICTURE.shape if orientation < 5 else (*PICTURE.shape[1::-1], 3))
    for image in both(Photograph(data)):
        np.testing.assert_allclose(image.astype(int), expected, atol=2)
    np.testing.assert_array_equal(both(Photograph(data), 1)[0].shape[:2], expected.shape[:2])


def test_what_exif_does_not_say_turns_nothing():
    for data in (encoded(PICTURE), encoded(PICTURE, "PNG"), *(turned_by_exif(value) for value in (0, 1, 9, 65535))):
        assert orientation(data) == 1
    marked = turned_by_exif(6)
    start = marked.index(b"Exif")
    for end in range(start, start + 80):
        assert orientation(marked[:end]) in (1, 6)
    assert orientation(marked) == 6
    after_others = b"\xff\xd8" + 3 * (b"\xff\xe2" + (70).to_bytes(2) + bytes(68)) + marked[2:]
    assert orientation(after_others) == 6


@pytest.mark.parametrize("orientation", [1, 2, 6, 7])
def test_boxes_are_of_the_upright_image(orientation):
    large = picture(3, 400, 600)
    data = Photograph(turned_by_exif(orientation, image=large, quality=95, subsampling=0))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data.content))))
    for seed, size in ((1, 32), (2, 32), (3, 200)):
        uniform = np.random.RandomState(seed).uniform(size=DRAWS).tolist()
        for decoder in ("pil", "simplejpeg"):
            crop = RandomResizedCrop(size, 3, decoder=decoder)
            difference = cropped(crop, data, uniform).astype(int) - cropped(crop, expected, uniform)
            assert np.abs(difference).mean() < 2
    difference = cropped(ToSquare(64, 3, 0.875), data).astype(int) - cropped(ToSquare(64, 3, 0.875), expected)
    assert np.abs(difference).max() <= 2


def chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)


@pytest.mark.parametrize(
    "metadata",
    [
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**21))),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(2**21))),
        chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(2**26))),
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**20))) * 70,
        chunk(b"tEXt", b"Comment\0" + b"x" * 2**21),
        chunk(b"tEXt", b"Comment\0damaged")[:-1] + b"?",
        chunk(b"eXIf", bytes(2**21)),
        chunk(b"zzZz", b"unknown"),
    ],
    ids=["zTXt", "iTXt", "iCCP", "many", "tEXt", "checksum", "eXIf", "unknown"],
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_metadata_of_any_size_is_left_packed(metadata, place):
    plain = encoded(PICTURE, "PNG")
    at = 33 if place == "before" else plain.rindex(b"IEND") - 4
    data = plain[:at] + metadata + plain[at:]
    tracemalloc.start()
    np.testing.assert_array_equal(both(Photograph(data))[0], PICTURE)
    assert tracemalloc.get_traced_memory()[1] < 2**20 + 5 * len(data)
    tracemalloc.stop()


def test_the_rest_of_a_png_file_stays():
    plain, palette = encoded(PICTURE, "PNG"), encoded(Image.fromarray(PICTURE).quantize(8), "PNG", transparency=0)
    assert without_metadata(plain) is plain
    assert without_metadata(palette) is palette
    assert without_metadata(plain[:33] + chunk(b"tEXt", b"a\0b") + plain[33:]) == plain
    for cut in range(8, len(plain), 97):
        assert without_metadata(plain[:cut]) == plain[:cut]


def test_decoding_smaller():
    large = picture(2, 400, 600)
    small, size = decode_fast(encoded(large, quality=95), 3, lambda height, width: 4)
    assert size == (400, 600)
    assert small.shape == (100, 150, 3)
    np.testing.assert_allclose(small.astype(int), large.reshape(100, 4, 150, 4, 3).mean((1, 3)), atol=6)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not an image",
        b"\xff\xd8 nor this",
        encoded(PICTURE)[:-400],
        encoded(PICTURE, "PNG")[:-40],
        encoded(PICTURE)[:30],
        encoded(PICTURE.astype(np.float32)[..., 0], "TIFF"),
    ],
)
def test_what_cannot_be_read_says_so_in_a_line(data):
    for read in (lambda: decode(data, 3), lambda: decode_fast(data, 3, whole)):
        with pytest.raises(UnreadableError, match=r"^[^\n]+$"):
            read()


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (bytes(4) + b"ftypheic", "it is HEIC, AVIF or a film: save it as JPEG or PNG"),
        (bytes(128) + b"DICM", "it is DICOM: save it as PNG"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "it is JPEG 2000 or OpenEXR: save it as PNG"),
        (b"v/1\x01\x02", "it is JPEG 2000 or OpenEXR: save it as PNG"),
        (b"II*\0" + bytes(40), "it is TIFF of a kind that is not read: save it with 8 or 16 bits, in grey or RGB"),
    ],
)
def test_images_of_other_kinds_are_told_what_to_be(head, says):
    with pytest.raises(UnreadableError, match=f"^{says}$"):
        decode(head + bytes(64), 3)


def promising(height: int, width: int, format: str) -> bytes:
    """A small file whose head says that its image has other sides."""
    data = bytearray(encoded(PICTURE, format))
    if format == "JPEG":
        sides = data.index(b"\xff\xc0") + 5
        data[sides : sides + 4] = height.to_bytes(2) + width.to_bytes(2)
    else:
        data[16:24] = width.to_bytes(4) + height.to_bytes(4)
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
    return bytes(data)


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_more_pixels_than_fit_in_memory_are_not_decoded(format):
    data = promising(9000, 9000, format)
    for read in (lambda: decode(data, 3), lambda: decode_fast(data, 3, whole)):
        with pytest.raises(UnreadableError, match=r"^9,000 x 9,000 pixels are more than 67,108,864$"):
            read()
    with pytest.raises(UnreadableError, match=r"^[^\n]+$"):
        decode(promising(65_000, 65_000, format), 3)


@pytest.mark.parametrize(("format", "width"), [("JPEG", 65_500), ("PNG", 10_000_000)])
def test_a_thread_of_pixels_is_not_made_a_rope(format, width):
    data, out = encoded(Image.new("L", (width, 1), 77), format), np.zeros((224, 224, 1), np.uint8)
    with pytest.raises(UnreadableError, match=rf"^{width:,} x 1 pixels are too long to be resized$"):
        ToSquare(224, 1, 0.875)(data, (), out)
    for decoder in ("pil", "simplejpeg"):
        RandomResizedCrop(224, 1, decoder=decoder)(data, [0.5] * DRAWS, out)
        np.testing.assert_allclose(out, 77, atol=1)


def test_a_programs_own_pixels_pass():
    np.testing.assert_array_equal(both(PICTURE)[1], PICTURE)
    assert decode_fast(PICTURE, 3, whole)[0] is PICTURE
    np.testing.assert_array_equal(both(GREY[..., None], 3)[0][..., 2], GREY)


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_may_be_written_in_either_byte_order(order):
    exif = Image.Exif()
    exif.endian, exif[0x0112] = order, 6
    data = encoded(PICTURE, exif=exif)
    assert (b"II*\0" in data) == (order == "<")
    assert orientation(data) == 6
