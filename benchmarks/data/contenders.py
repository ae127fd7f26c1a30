"""The contenders. Each is a function of the folder of photographs, and returns (endless batches, ahead, count).

A batch is the number of its images, which are made meanwhile. `ahead` is the number of batches that can be ready before
a turn, and `count` the number that a turn measures. All photographs are read from their files, decoded, cropped to a
random box of 8 to 100 % of the area, and resized to 224 x 224 x 3 uint8, bilinear, in batches of 64. All small images,
28 x 28 in memory, are shifted by up to 2 pixels, mirrored or not, and whitened to float32, or only whitened, in batches
of 128.

jaxcnn runs with the process settings that its entry points make. The others run without, except those with jaxcnn's
malloc.
"""

import io
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

SIZE, BATCH, TURN = 224, 64, 8
SMALL_SIZE, SMALL_BATCH, SMALL_COUNT, SHIFT, MEAN, STD = 28, 128, 60_000, 2, 0.286, 0.353
AUGMENT = "shift(2), flip()"
Contender = Callable[[Path], tuple[Iterator[int], int, int]]


def _files(folder: Path) -> list[tuple[Path, int]]:
    paths = sorted(folder.glob("train/*/*.jpg"))
    names = sorted({path.parent.name for path in paths})
    return [(path, names.index(path.parent.name)) for path in paths]


def _box(height: int, width: int, random: np.random.Generator) -> tuple[int, int, int, int]:
    """Returns (top, left, height, width) of a box with random area, aspect and place, for all loaders."""
    for _ in range(10):
        area, aspect = (
            height * width * random.uniform(0.08, 1),
            math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3))),
        )
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return int(random.integers(height - h + 1)), int(random.integers(width - w + 1)), h, w
    return 0, 0, height, width


def _with_pillow(data: bytes, random: np.random.Generator) -> np.ndarray:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    top, left, h, w = _box(image.height, image.width, random)
    return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=(left, top, left + w, top + h)))


def _with_opencv(data: bytes, random: np.random.Generator) -> np.ndarray:
    import cv2

    image = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    top, left, h, w = _box(*image.shape[:2], random)
    return cv2.resize(image[top : top + h, left : left + w], (SIZE, SIZE))


def _with_simplejpeg(data: bytes, random: np.random.Generator) -> np.ndarray:
    import cv2
    import simplejpeg

    image = simplejpeg.decode_jpeg(data)
    top, left, h, w = _box(*image.shape[:2], random)
    return cv2.resize(image[top : top + h, left : left + w], (SIZE, SIZE))


def configure() -> None:
    """Makes jaxcnn's process settings. Call it before JAX is imported."""
    from jaxcnn import runtime

    runtime.configure()


def _configured(contender: Contender) -> Contender:
    """Returns a contender with jaxcnn's process settings. Of these, only malloc's affect other libraries than JAX."""

    def make(folder: Path) -> tuple[Iterator[int], int, int]:
        configure()
        return contender(folder)

    return make


def _loop(read: Callable[[bytes, np.random.Generator], np.ndarray]) -> Contender:
    """A plain loop: one thread that does only the work, into one batch that is reused."""

    def make(folder: Path) -> tuple[Iterator[int], int, int]:
        import cv2

        cv2.setNumThreads(0)

        def batches() -> Iterator[int]:
            files, random = _files(folder), np.random.default_rng(0)
            image, label = np.empty((BATCH, SIZE, SIZE, 3), np.uint8), np.empty(BATCH, np.int32)
            while True:
                for row, number in enumerate(random.integers(len(files), size=BATCH)):
                    path, label[row] = files[number]
                    image[row] = read(path.read_bytes(), random)
                yield BATCH

        return batches(), 0, TURN

    return make


class _Photos:
    """A data set for torch.utils.data with Pillow, as is usual."""

    def __init__(self, folder: Path) -> None:
        self.files, self.random = _files(folder), np.random.default_rng()

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int):
        import torch

        path, label = self.files[index]
        return torch.from_numpy(_with_pillow(path.read_bytes(), self.random).copy()), label


class _Small:
    """The same for small images in memory."""

    def __init__(self, *, augmented: bool) -> None:
        self.images, self.random, self.augmented = _small_images(), np.random.default_rng(), augmented

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        import torch

        image = Image.fromarray(self.images[index])
        if self.augmented:
            image = self._augment(image)
        pixels = torch.from_numpy(np.asarray(image).copy())[None].to(torch.float32).div(255)
        return pixels.sub(MEAN).div(STD), index % 10

    def _augment(self, image: Image.Image) -> Image.Image:
        left, top = self.random.integers(2 * SHIFT + 1, size=2).tolist()
        image = ImageOps.expand(image, SHIFT).crop((left, top, left + SMALL_SIZE, top + SMALL_SIZE))
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if self.random.random() < 0.5 else image


def _small_images() -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(SMALL_COUNT, SMALL_SIZE, SMALL_SIZE), dtype=np.uint8)


def _torch(make_data: Callable[[Path], object], batch: int, workers: int, count: int) -> Contender:
    def make(folder: Path) -> tuple[Iterator[int], int, int]:
        import torch
        from torch.utils.data import DataLoader, RandomSampler

        torch.set_num_threads(1)
        data = make_data(folder)
        sampler = RandomSampler(data, replacement=True, num_samples=10**9)
        loader = DataLoader(data, batch_size=batch, sampler=sampler, num_workers=workers)
        return (len(label) for _, label in loader), 2 * workers, count

    return make


def stream_run(folder: Path, decoder: str, workers: int):
    """Returns the run that streams the photographs."""
    from jaxcnn.config import base_config
    from jaxcnn.train.setup import make_run

    config = base_config()
    config.batch_size, config.total_steps = BATCH, 10**6
    config.model.name = "resnet18"
    config.data.update(name="folder", dir=str(folder), test=0.01, validation=0.01, augment="random_resized_crop()")
    config.data.update(decoder=decoder, workers=workers)
    return make_run(config)


def _stream(decoder: str, workers: int, *, pinned: bool = False, stock: bool = False) -> Contender:
    def make(folder: Path) -> tuple[Iterator[int], int, int]:
        import itertools

        if pinned:
            one_core()
        if not stock:
            configure()

        from jaxcnn.data.feed.reader import AHEAD

        pipeline = stream_run(folder, decoder, workers).pipeline
        batches = (len(pipeline.feed(step)["label"]) for step in itertools.count())
        return batches, AHEAD + (8 * workers or 2 * (os.cpu_count() or 1)), TURN

    return make


def small_pipeline(augment: str, batch: int):
    """Returns the pipeline of the small images."""
    import jax

    from jaxcnn.augment import parse_augment
    from jaxcnn.data.feed.pipeline import DevicePipeline, Recipe

    split = {"image": _small_images()[..., None], "label": np.arange(SMALL_COUNT, dtype=np.int32) % 10}
    recipe = Recipe(
        batch_size=batch,
        seed=0,
        examples=SMALL_COUNT,
        augment=parse_augment(augment),
        mean=np.float32([MEAN]),
        std=np.float32([STD]),
    )
    return DevicePipeline(arrays=jax.device_put({"train": split}), recipe=recipe)


def one_core() -> None:
    """Keeps this process on one core. Call it before JAX starts its threads, one for every core that it may use."""
    os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])


def _device(augment: str, batch: int = SMALL_BATCH, *, steps: int = 1, pinned: bool = True) -> Contender:
    """Images on the device: everything from the permutation to whitening is one compiled function.

    As in training, the number of the step is on the device, too, and a call can make the batches of several steps.

    Args:
        augment: the augmentations, as in a config.
        batch: size of a batch.
        steps: in one call.
        pinned: whether the process is kept on one core.
    """

    def make(folder: Path) -> tuple[Iterator[int], int, int]:  # noqa: ARG001
        if pinned:
            one_core()
        configure()

        import jax
        import jax.numpy as jnp

        from jaxcnn.accel.batches import accelerate_batches

        pipeline = small_pipeline(augment, batch)
        train_batch = accelerate_batches(pipeline.train_batch)

        @jax.jit
        def make_batches(feed, step):
            return [train_batch(feed, step + number) for number in range(steps)], step + steps

        def batches() -> Iterator[int]:
            step = jnp.int32(0)
            while True:
                made, step = jax.block_until_ready(make_batches(pipeline.feed(0), step))
                yield sum(len(each["label"]) for each in made)

        return batches(), 10, 64_000 // (batch * steps)

    return make


PHOTOS: dict[str, Contender] = {
    "loop, PIL": _loop(_with_pillow),
    "loop, cv2": _loop(_with_opencv),
    "loop, simplejpeg + cv2": _loop(_with_simplejpeg),
    "loop, simplejpeg + cv2, jaxcnn's malloc": _configured(_loop(_with_simplejpeg)),
    "torch.utils.data + PIL": _torch(_Photos, BATCH, 0, TURN),
    "torch.utils.data + PIL, jaxcnn's malloc": _configured(_torch(_Photos, BATCH, 0, TURN)),
    "torch.utils.data + PIL, 2 workers": _torch(_Photos, BATCH, 2, TURN),
    "jaxcnn stream": _stream("simplejpeg", 0),
    "jaxcnn stream, one core": _stream("simplejpeg", 0, pinned=True),
    "jaxcnn stream, without its settings": _stream("simplejpeg", 0, stock=True),
    "jaxcnn stream, 2 workers": _stream("simplejpeg", 2),
    "jaxcnn stream, decoder pil": _stream("pil", 0),
}
SMALL: dict[str, Contender] = {
    "torch.utils.data + PIL, 28 x 28": _torch(lambda _: _Small(augmented=True), SMALL_BATCH, 0, 40),
    "torch.utils.data + PIL, 28 x 28, not augmented": _torch(lambda _: _Small(augmented=False), SMALL_BATCH, 0, 40),
    "jaxcnn device": _device(AUGMENT),
    "jaxcnn device, 8 steps a call": _device(AUGMENT, steps=8),
    "jaxcnn device, batches of 1024": _device(AUGMENT, 1024),
    "jaxcnn device, not augmented": _device(""),
    "jaxcnn device, not augmented, 8 steps a call": _device("", steps=8),
    "jaxcnn device, not augmented, batches of 1024": _device("", 1024),
    "jaxcnn device, both cores": _device(AUGMENT, pinned=False),
    "jaxcnn device, both cores, batches of 1024": _device(AUGMENT, 1024, pinned=False),
}
