import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn.data.feed.feistel import HostOrder
from jaxcnn.data.feed.order import augmentation_keys, example_at, fixed_keys, round_keys


@pytest.fixture(autouse=True)
def strict():
    with jax.numpy_dtype_promotion("strict"):
        yield


@functools.partial(jax.jit, static_argnames=("first", "count", "size", "repeats"))
def stretch(seed, *, first=0, count, size, repeats=1):
    return example_at(seed, np.uint32(first) + jnp.arange(count, dtype=jnp.uint32), size, repeats)


def on_the_host(seed: int, count: int, size: int, repeats: int = 1) -> tuple[np.ndarray, ...]:
    """The same stretch from 0 on, which needs no compiling for each size."""
    keys = round_keys(seed, jnp.arange(count // (size * repeats) + 1, dtype=jnp.uint32))
    return HostOrder(np.asarray(keys), size, repeats).example_at(np.arange(count, dtype=np.uint32))


def epochs(seed: int, count: int, size: int) -> np.ndarray:
    """The first epochs, (count, size)."""
    return on_the_host(seed, count * size, size)[2].reshape(count, size).astype(np.int64)


@pytest.mark.parametrize(("size", "repeats"), [(1, 1), (2, 2), (7, 1), (1000, 3)])
def test_the_host_counts_as_the_device_does(size, repeats):
    count = 5 * size * repeats // 2 + 3
    expected = stretch(7, count=count, size=size, repeats=repeats)
    for one, other in zip(on_the_host(7, count, size, repeats), expected, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype == np.uint32


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 64, 65, 1257, 4096, 55_000])
def test_every_epoch_is_a_permutation(size):
    for epoch in epochs(0, 2, size):
        np.testing.assert_array_equal(np.sort(epoch), np.arange(size))


def test_epoch_and_index_count_positions():
    epoch, index, _ = stretch(0, first=25, count=10, size=10)
    np.testing.assert_array_equal(epoch, [2] * 5 + [3] * 5)
    np.testing.assert_array_equal(index, [5, 6, 7, 8, 9, 0, 1, 2, 3, 4])


def test_positions_near_the_end_of_uint32():
    epoch, index, example = map(np.asarray, stretch(0, first=2**32 - 8, count=8, size=1000))
    np.testing.assert_array_equal(epoch.astype(np.int64) * 1000 + index, np.arange(2**32 - 8, 2**32))
    assert len(set(example.tolist())) == 8


def test_epochs_and_seeds_are_unlike():
    size, count = 1257, 60
    orders = np.concatenate([epochs(seed, count, size) for seed in (0, 1)])
    agreeing = (orders[1:] == orders[:-1]).sum(axis=1)  # of two random permutations: Poisson, mean 1
    assert 0.6 < agreeing.mean() < 1.5
    assert agreeing.max() < 10
    rank = (orders - orders.mean()) / orders.std()
    correlation = rank @ rank.T / size
    np.fill_diagonal(correlation, 0)
    assert np.abs(correlation).max() < 6 / np.sqrt(size)


@pytest.mark.parametrize("size", [10, 100])
def test_every_place_is_equally_likely(size):
    count = 2000
    orders = epochs(3, count, size)
    cells = np.bincount((np.arange(size) * size + orders).ravel(), minlength=size**2)
    chi2 = ((cells - count / size) ** 2).sum() / (count / size)
    freedom = (size - 1) ** 2
    assert abs(chi2 * (size - 1) / size - freedom) < 4 * np.sqrt(2 * freedom)
    following = np.bincount(((orders[:, 1:] - orders[:, :-1]) % size).ravel(), minlength=size)[1:]
    chi2 = ((following - following.mean()) ** 2).sum() / following.mean()
    assert chi2 - (size - 2) < 5 * np.sqrt(2 * size)


@pytest.mark.parametrize("size", [3, 5])
def test_small_sizes_reach_all_permutations_equally(size):
    _, counts = np.unique(epochs(0, 6000, size), axis=0, return_counts=True)
    assert len(counts) == {3: 6, 5: 120}[size]
    assert ((counts - counts.mean()) ** 2).sum() / counts.mean() < len(counts) + 5 * np.sqrt(2 * len(counts))


def test_seed_may_be_traced():
    together = jax.vmap(lambda seed: stretch(seed, count=20, size=10)[2])(jnp.arange(3))
    for seed in range(3):
        np.testing.assert_array_equal(together[seed], on_the_host(seed, 20, 10)[2])


def test_augmentation_keys_differ():
    epoch, index = jnp.meshgrid(jnp.arange(8, dtype=jnp.uint32), jnp.arange(50, dtype=jnp.uint32))
    keys = jax.jit(lambda seed: augmentation_keys(seed, epoch.ravel(), index.ravel()))
    data = np.concatenate([jax.random.key_data(keys(seed)) for seed in (0, 1)])
    assert len(np.unique(data, axis=0)) == len(data) == 800


def test_fixed_keys_are_of_the_seed_and_the_example():
    example = jnp.arange(400, dtype=jnp.uint32)
    data = np.concatenate([jax.random.key_data(fixed_keys(seed, example)) for seed in (0, 1)])
    epoch = jnp.zeros_like(example)
    moving = jax.random.key_data(augmentation_keys(0, epoch, example))
    assert len(np.unique(np.concatenate([data, moving]), axis=0)) == 1200
    np.testing.assert_array_equal(jax.random.key_data(fixed_keys(0, example[7:9])), data[7:9])
