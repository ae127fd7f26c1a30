import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxcnn.augment import Draw, chain, cutmix, mixup, mixup_cutmix
from jaxcnn.errors import UserError


@pytest.fixture(autouse=True)
def strict():
    with jax.numpy_dtype_promotion("strict"):
        yield


COUNT, CLASSES = 2001, 5
DRAW = Draw.of(jax.random.key(0), COUNT)
LABELS = jnp.asarray(np.arange(COUNT) % CLASSES, jnp.int32)
HARD = np.eye(CLASSES, dtype=np.float32)[np.asarray(LABELS)]
BEFORE = np.random.RandomState(0).randint(0, 256, (COUNT, 6, 5, 1)).astype(np.float32)
UNLIKE = np.asarray(LABELS) != np.asarray(LABELS)[::-1]  # examples whose partner is of another class


def own_share(labels: np.ndarray) -> np.ndarray:
    """Checks that labels are means of the two; returns the own label's weight of examples unlike their partners."""
    assert labels.shape == (COUNT, CLASSES)
    assert labels.dtype == np.float32
    own = np.sum(labels * HARD, axis=1)
    own[~UNLIKE] = 0.5
    np.testing.assert_allclose(labels, own[:, None] * HARD + (1 - own[:, None]) * HARD[::-1], atol=1e-6)
    return own[UNLIKE]


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_mixup_is_a_mean_of_partners(alpha):
    after, labels = map(np.asarray, jax.jit(mixup(alpha, num_classes=CLASSES))(DRAW, BEFORE, LABELS))
    own = own_share(labels)
    weight = own[:, None, None, None]
    expected = weight * BEFORE[UNLIKE] + (1 - weight) * BEFORE[::-1][UNLIKE]
    np.testing.assert_allclose(after[UNLIKE], expected, atol=1e-2)
    np.testing.assert_allclose(after[COUNT // 2], BEFORE[COUNT // 2], atol=1e-3)
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(own.mean() - 0.5) < 5 * np.sqrt(variance / len(own))
    np.testing.assert_allclose(own.var(), variance, rtol=0.1)
    reached = scipy.stats.beta(alpha, alpha).cdf(np.sort(own))
    assert np.abs(reached - np.linspace(0, 1, len(own))).max() < 1.95 / np.sqrt(len(own))  # one in a thousand


def test_partners_have_weights_of_their_own():
    _, labels = jax.jit(mixup(1.0, num_classes=COUNT))(DRAW, BEFORE, jnp.arange(COUNT, dtype=jnp.int32))
    own = np.diag(np.asarray(labels))
    half = COUNT // 2
    assert abs(np.corrcoef(own[:half], own[::-1][:half])[0, 1]) < 5 / np.sqrt(half)


def test_cutmix_is_a_rectangle_of_the_partner():
    before = np.stack([np.zeros((6, 5, 1)), np.full((6, 5, 1), 255)]).repeat(1000, axis=0).astype(np.float32)
    labels = jnp.asarray(np.arange(2).repeat(1000), jnp.int32)
    draw = Draw.of(jax.random.key(0), 2000)
    after, soft = map(np.asarray, jax.jit(cutmix(num_classes=2))(draw, before, labels))
    changed = np.any(after != before, axis=-1)
    np.testing.assert_allclose(soft[np.arange(2000), labels], 1 - changed.mean(axis=(1, 2)), atol=1e-6)
    np.testing.assert_allclose(soft.sum(axis=1), 1, atol=1e-6)
    rows, columns = changed.any(axis=2), changed.any(axis=1)
    np.testing.assert_array_equal(changed, rows[:, :, None] & columns[:, None, :])
    for line in np.concatenate([rows, np.pad(columns, ((0, 0), (0, 1)))]):
        assert np.sum(np.diff(np.pad(line.astype(int), 1)) == 1) <= 1  # no gaps
    reference = cut_sizes(np.random.RandomState(0), 20_000, 6, 5)
    mean, spread = changed.mean(axis=(1, 2)).mean(), reference.std()
    assert abs(mean - reference.mean()) < 5 * spread / np.sqrt(2000)
    for corner in (changed[:, 0, 0], changed[:, -1, -1], changed[:, 3, 2]):
        assert corner.mean() > 0.05


def cut_sizes(random: np.random.RandomState, count, height, width) -> np.ndarray:
    """Plain reference of the share that CutMix replaces (Yun et al., 2019, algorithm 1)."""
    shares = []
    for _ in range(count):
        part = np.sqrt(1 - random.beta(1, 1))
        high, wide = int(height * part), int(width * part)
        y, x = random.randint(height), random.randint(width)
        rows = np.clip([y - high // 2, y - high // 2 + high], 0, height)
        columns = np.clip([x - wide // 2, x - wide // 2 + wide], 0, width)
        shares.append(np.diff(rows)[0] * np.diff(columns)[0] / (height * width))
    return np.array(shares)


def either(alpha, p, *, num_classes):
    return mixup_cutmix(alpha, alpha, p=p, num_classes=num_classes)


@pytest.mark.parametrize("make", [mixup, cutmix, either])
def test_some_are_not_mixed(make):
    after, labels = map(np.asarray, jax.jit(make(1.0, 0.3, num_classes=CLASSES))(DRAW, BEFORE, LABELS))
    mixed = own_share(labels) < 1
    assert abs(mixed.mean() - 0.3) < 0.06
    np.testing.assert_array_equal(after[UNLIKE][~mixed], BEFORE[UNLIKE][~mixed])


def test_mixup_cutmix_is_one_of_them():
    augment = jax.jit(mixup_cutmix(switch=0.25, num_classes=CLASSES))
    after, labels = map(np.asarray, augment(DRAW, BEFORE, LABELS))
    own_share(labels)
    pasted = np.all((after == BEFORE) | (after == BEFORE[::-1]), axis=(1, 2, 3))
    assert abs(pasted.mean() - 0.25) < 0.06


def test_it_depends_on_the_partner_alone():
    first = np.random.RandomState(0).randint(0, COUNT, COUNT // 2)
    pairs = np.concatenate([first, [COUNT // 2], COUNT - 1 - first[::-1]])  # in other places, and some twice
    augment = jax.jit(mixup_cutmix(num_classes=CLASSES))
    whole, soft = map(np.asarray, augment(DRAW, BEFORE, LABELS))
    moved, moved_soft = augment(jax.tree.map(lambda part: part[pairs], DRAW), BEFORE[pairs], LABELS[pairs])
    np.testing.assert_allclose(moved, whole[pairs], atol=1e-3)
    np.testing.assert_allclose(moved_soft, soft[pairs], atol=1e-6)


def test_soft_labels_can_be_mixed_again():
    twice = chain(mixup(1.0, num_classes=CLASSES), cutmix())
    _, labels = jax.jit(twice)(DRAW, BEFORE, LABELS)
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-5)
    with pytest.raises(UserError, match="augmentation cutmix: it needs num_classes"):
        cutmix()(DRAW, BEFORE, LABELS)


@pytest.mark.parametrize(("alphas", "expected"), [((100, 0.01), 0.5), ((0.01, 100), 0.0)])
def test_the_cuts_of_mixup_cutmix_have_an_alpha_of_their_own(alphas, expected):
    """Of an alpha near 0 every other cut is of nothing, of a large one none is."""
    augment = jax.jit(mixup_cutmix(*alphas, switch=1.0, num_classes=CLASSES))
    own = own_share(np.array(augment(DRAW, BEFORE, LABELS)[1]))
    assert abs((own == 1).mean() - expected) < 0.06
