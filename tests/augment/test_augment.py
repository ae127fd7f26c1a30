import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxcnn.augment import Draw, alternating_flip, chain, flip, make_augment, parse_augment, parse_calls, shift
from jaxcnn.errors import UserError


@pytest.fixture(autouse=True)
def strict():
    with jax.numpy_dtype_promotion("strict"):
        yield


DRAW = Draw.of(jax.random.key(0), 40)
LABELS = jnp.arange(40, dtype=jnp.int32)


def images(height=9, width=8, channels=3, dtype=np.float32) -> np.ndarray:
    return np.random.RandomState(0).randint(1, 256, (40, height, width, channels)).astype(dtype)


def bounced(place: int, size: int) -> int:
    return -place if place < 0 else min(place, 2 * (size - 1) - place)


def shifted(image: np.ndarray, down: int, right: int, fill: str) -> np.ndarray:
    """Plain reference: moves one image, pixel by pixel."""
    height, width, _ = image.shape
    moved = np.zeros_like(image)
    for y in range(height):
        for x in range(width):
            from_y, from_x = y - down, x - right
            if fill == "edge":
                from_y, from_x = np.clip(from_y, 0, height - 1), np.clip(from_x, 0, width - 1)
            if fill == "reflect":
                from_y, from_x = bounced(from_y, height), bounced(from_x, width)
            if 0 <= from_y < height and 0 <= from_x < width:
                moved[y, x] = image[from_y, from_x]
    return moved


@pytest.mark.parametrize(("fill", "dtype"), [("zero", np.float32), ("edge", np.uint8), ("reflect", np.float32)])
def test_shift_is_a_translation_by_at_most_that_many_pixels(fill, dtype):
    before = images(dtype=dtype)
    after, labels = jax.jit(shift(2, fill))(DRAW, before, LABELS)
    assert after.dtype == dtype
    np.testing.assert_array_equal(labels, LABELS)
    moves = [(down, right) for down in range(-2, 3) for right in range(-2, 3)]
    seen = set()
    for old, new in zip(before, np.asarray(after), strict=True):
        matches = [move for move in moves if np.array_equal(shifted(old, *move, fill), new)]
        assert len(matches) == 1
        seen.update(matches)
    assert len(seen) > 12
    assert {down for down, _ in seen} == {right for _, right in seen} == set(range(-2, 3))


def test_shift_by_nothing():
    np.testing.assert_array_equal(jax.jit(shift(0))(DRAW, images(), LABELS)[0], images())


def test_a_shift_out_of_the_image_is_refused():
    assert jax.eval_shape(shift(3), DRAW, images(4, 4, 1), LABELS)[0].shape == (40, 4, 4, 1)
    with pytest.raises(UserError, match="pixels is 4: the image has 4, so at most 3"):
        jax.eval_shape(shift(4), DRAW, images(4, 4, 1), LABELS)


def test_moves_are_equally_likely():
    count = 5000
    row = jnp.tile(jnp.arange(1, 8, dtype=jnp.int32)[None, :, None, None], (count, 1, 3, 1))
    draw = Draw.of(jax.random.key(1), count)
    corner = np.asarray(jax.jit(shift(2, "edge"))(draw, row, jnp.zeros(count, jnp.int32))[0])[:, 3, 0, 0]
    counts = np.bincount(corner, minlength=7)[2:7]
    assert np.abs(counts - count / 5).max() < 5 * np.sqrt(count * 0.16)


def test_pad_and_crop_is_another_name_of_shift():
    one, other = (parse_calls(text)[0] for text in ("shift(2)", "pad_and_crop(2)"))
    assert one.factory is other.factory
    assert one.arguments == other.arguments == {"pixels": 2, "fill": "zero"}


def test_flip_mirrors_every_other_image():
    before = images()
    after, labels = jax.jit(flip())(DRAW, before, LABELS)
    np.testing.assert_array_equal(labels, LABELS)
    mirrored = [np.array_equal(new, old[:, ::-1]) for old, new in zip(before, after, strict=True)]
    kept = [np.array_equal(new, old) for old, new in zip(before, after, strict=True)]
    assert np.all(np.logical_xor(mirrored, kept))
    assert 10 < sum(mirrored) < 30


def test_alternating_flip_shows_both_sides_in_any_two_epochs():
    before = images()
    see = jax.jit(alternating_flip())
    epochs = [see(DRAW._replace(epoch=jnp.full(40, epoch, jnp.uint32)), before, LABELS)[0] for epoch in range(3)]
    np.testing.assert_array_equal(epochs[0], epochs[2])
    np.testing.assert_array_equal(epochs[0], np.asarray(epochs[1])[:, :, ::-1])
    mirrored = sum(np.array_equal(new, old[:, ::-1]) for old, new in zip(before, epochs[0], strict=True))
    assert 10 < mirrored < 30
    other_keys = DRAW._replace(key=Draw.of(jax.random.key(9), 40).key)
    np.testing.assert_array_equal(see(other_keys, before, LABELS)[0], epochs[0])


@pytest.mark.parametrize(
    "text",
    [
        "shift(2), flip(), shift(3, fill='edge')",
        "alternating_flip, random_resized_crop, cutout(3, 'zero')",
        "color_jitter(0.4, 0.4, 0.4, 0.1), pca_color, random_erasing",
        "rand_augment(2, 9), trivial_augment",
    ],
)
def test_independent_of_the_rest_of_the_batch(text):
    augment = jax.jit(parse_augment(text))
    whole, _ = augment(DRAW, images(), LABELS)
    others = np.random.RandomState(0).randint(0, 40, 40)  # in other places, beside others, and some twice
    among, _ = augment(jax.tree.map(lambda part: part[others], DRAW), images()[others], LABELS[others])
    np.testing.assert_allclose(among, whole[others], atol=1e-3)


def test_links_of_a_chain_draw_on_their_own():
    mirrored = []
    for augment in (chain(flip()), chain(chain(), flip())):
        after = np.asarray(jax.jit(augment)(DRAW, images(), LABELS)[0])
        mirrored.append([np.array_equal(new, old[:, ::-1]) for old, new in zip(images(), after, strict=True)])
    assert mirrored[0] != mirrored[1]


def test_devices_need_nothing_of_each_other():
    text = "random_resized_crop, color_jitter(0.1, 0.1, 0.1, 0.1), trivial_augment, random_erasing, cutout(3, 'zero')"
    mesh = jax.make_mesh((8,), ("batch",), axis_types=(AxisType.Auto,))
    over_batch = NamedSharding(mesh, PartitionSpec("batch"))
    batch = jax.device_put((DRAW, images(), LABELS), over_batch)
    program = jax.jit(parse_augment(text), out_shardings=over_batch).lower(*batch).compile().as_text()
    for word in ("all-reduce", "all-gather", "all-to-all", "collective-permute"):
        assert word not in program


def test_bytes_stay_bytes_while_pixels_only_move():
    for text, dtype in (("shift(1), alternating_flip()", np.uint8), ("flip(), cutout(2, fill='zero')", np.float32)):
        augment = jax.jit(parse_augment(text))
        found, expected = (augment(DRAW, images(dtype=given), LABELS)[0] for given in (np.uint8, np.float32))
        assert found.dtype == dtype
        np.testing.assert_array_equal(found.astype(np.float32), expected)


@pytest.mark.parametrize("text", ["", "  "])
def test_no_augmentation(text):
    after, labels = parse_augment(text)(DRAW, images(), LABELS)
    np.testing.assert_array_equal(after, images())
    assert labels is LABELS


@pytest.mark.parametrize(
    "text", ["shift(2), flip()", "shift(pixels=2),flip(),", "shift(2), flip", " shift( 2 , fill='zero') , flip() "]
)
def test_ways_of_writing(text):
    named = [(call.name, dict(call.arguments)) for call in parse_calls(text)]
    assert named == [("shift", {"pixels": 2, "fill": "zero"}), ("flip", {})]


def test_a_text_makes_a_chain_of_what_it_names():
    both = (parse_augment("shift(2), flip"), chain(shift(2), flip()))
    found, expected = (jax.jit(each)(DRAW, images(), LABELS)[0] for each in both)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("shfit(2)", "unknown augmentation 'shfit': did you mean shift"),
        ("shift", "missing a required argument: 'pixels'"),
        ("shift(2), flip.flip", r"cannot read augmentation 'shift\(2\), flip.flip': write it as"),
        ("flip; flip", "cannot read augmentation"),
        ("shift(2", "cannot read augmentation"),
        ("shift(2)), (flip()", "cannot read augmentation"),
        ("1 + 2", "cannot read augmentation"),
        ("os.system('true')", "cannot read augmentation"),
        ("shift(open('x'))", "its arguments must be plain values"),
        ("shift()", r"augmentation shift\(.*\): missing a required argument: 'pixels'"),
        ("shift(1, 'zero', 3)", "too many positional arguments"),
        ("flip(p=1)", r"augmentation flip\(\): got an unexpected keyword argument 'p'"),
        ("shift(-1)", "pixels is -1: it must be a whole number in"),
        ("shift(1.5)", "pixels is 1.5"),
        ("shift('2')", "pixels is '2'"),
        ("shift(2, 'mirror')", "unknown fill of augmentation shift 'mirror'"),
        ("shift(2, [])", "unknown fill"),
        ("shift(True)", "pixels is True"),
        ("random_resized_crop(0.5)", r"scale is 0.5: it must be a pair \(a, b\) with 0.0001 <= a <= b <= 1"),
        ("random_resized_crop((0.5, 2))", "scale is"),
        ("random_resized_crop(ratio=(2, 1))", "ratio is"),
        ("random_resized_crop(ratio=(1, 1e999))", "ratio is \\(1, inf\\)"),
        ("random_resized_crop(ratio=(5e-324, 1))", r"ratio is .* with 0.01 <= a <= b <= 100"),
        ("random_resized_crop((1e999 - 1e999, 1))", "its arguments must be plain values"),
        ("random_resized_crop(size=0)", "size is 0"),
        ("random_resized_crop(size=100000)", "size is 100000: it must be a whole number in"),
        ("color_jitter(-1)", "brightness is -1"),
        ("color_jitter(1e999)", r"brightness is inf: it must be a number in \[0, 10\]"),
        ("color_jitter(0, 1e38)", "contrast is 1e\\+38"),
        ("shift(100000)", "pixels is 100000"),
        ("pca_color(1e999)", "sigma is inf"),
        ("pca_color(0.1, (1, 1e999, 0))", "spread must be 3 numbers"),
        ("cutout(100000)", "size is 100000"),
        ("cutout(4, mean=(1e999, 0, 0))", r"mean must be 3 numbers in \[0, 1\]"),
        ("random_erasing(mean='white')", "mean must be 1 numbers"),
        ("random_erasing(ratio=(0.3, 1e999))", "ratio is"),
        ("rand_augment(1000000000)", "n is 1000000000: it must be a whole number in"),
        ("mixup(1e999)", "alpha is inf"),
        ("mixup_cutmix(0.5, 1e-9)", "cutmix_alpha is 1e-09"),
        ("color_jitter(hue=0.6)", r"hue is 0.6: it must be a number in \[0, 0.5\]"),
        ("pca_color(spread=(1, 2))", r"spread must be 3 numbers in \[0, 1\], not \(1, 2\)"),
        ("pca_color('a')", "sigma is 'a'"),
        ("pca_color(0.1, ('a', 'b', 'c'))", "spread must be 3 numbers"),
        ("pca_color(axes=((1, 2), (3,)))", r"axes must be 3 x 3 numbers in \[-1, 1\]"),
        ("cutout(0)", "size is 0"),
        ("cutout(4, 'maen')", "unknown fill of augmentation cutout 'maen': did you mean mean"),
        ("random_erasing(p=1.5)", "p is 1.5"),
        ("random_erasing(scale=(0, 1))", "scale is"),
        ("rand_augment(0)", "n is 0"),
        ("rand_augment(2, 31)", r"m is 31: it must be a number in \[0, 30\]"),
        ("trivial_augment(fill=256)", "fill is 256"),
        ("mixup(0)", r"alpha is 0: it must be a number in \[0.01, 100\]"),
        ("cutmix(1, p=-1)", "p is -1"),
        ("mixup_cutmix(switch=2)", "switch is 2"),
    ],
)
def test_mistakes_are_answered_in_one_line(text, match):
    with pytest.raises(UserError, match=r"\A[^\n]*" + match + r"[^\n]*\Z"):
        parse_augment(text)


def test_calls_hold_all_arguments():
    crop, mirror = parse_calls("random_resized_crop(size=5), flip")
    assert (crop.name, mirror.name) == ("random_resized_crop", "flip")
    assert crop.arguments == {"scale": (0.08, 1.0), "ratio": (3 / 4, 4 / 3), "size": 5}
    assert dict(mirror.arguments) == {}
    alone = jax.eval_shape(make_augment([crop]), DRAW, images(), LABELS)[0]
    assert alone.shape == (40, 5, 5, 3)


def test_what_a_text_does_not_say_comes_from_the_data():
    context = {"num_classes": 40, "mean": (0.5, 0.5, 0.5)}
    before = jnp.zeros((40, 4, 4, 3))
    after, labels = jax.jit(parse_augment("cutout(9), mixup", **context))(DRAW, before, LABELS)
    np.testing.assert_allclose(after, 127.5, atol=1e-4)
    assert labels.shape == (40, 40)
    after, _ = jax.jit(parse_augment("cutout(9, mean=(0, 0, 1))", **context))(DRAW, before, LABELS)
    np.testing.assert_array_equal(after[0, 0, 0], [0, 0, 255])
    for text, match in (("cutout(9)", "fill is 'mean': it needs a mean of 3 numbers"), ("mixup", "needs num_classes")):
        with pytest.raises(UserError, match=match):
            jax.eval_shape(parse_augment(text), DRAW, before, LABELS)


def test_half_of_all_images_are_mirrored():
    """Of 5,000, to five standard deviations."""
    ramp = jnp.broadcast_to(jnp.arange(2.0)[:, None], (5000, 1, 2, 1))
    after, _ = jax.jit(flip())(Draw.of(jax.random.key(0), 5000), ramp, jnp.zeros(5000, jnp.int32))
    assert abs(float(after[:, 0, 0, 0].mean()) - 0.5) < 0.035
