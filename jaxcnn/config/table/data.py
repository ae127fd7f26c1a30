"""The settings of the data: which images, how they are split, cropped, augmented and read."""

from jaxcnn.config.kinds import NUMBER, NUMBERS, TEXT, WHOLE
from jaxcnn.config.setting import Setting, Words
from jaxcnn.config.table.run import SEEDS
from jaxcnn.ranges import PIXELS, Range, at_least

DATA = (
    Setting(
        key="data.name",
        kind=TEXT,
        default="digits",
        about="The data set: one of `jaxcnn datasets`, `folder` for images of your own, or any that "
        "tensorflow-datasets has prepared.",
        aliases="dataset ds data_set dataset_name",
    ),
    Setting(
        key="data.dir",
        kind=TEXT,
        default=None,
        none="~/tensorflow_datasets",
        about="Where prepared data sets lie. Of `folder`: the folder of images, as train/CLASS/* or CLASS/*. "
        "On this machine or in a bucket, as gs://BUCKET/data.",
        resumable=True,
        aliases="data_dir data_path dataset_dir root path folder imagefolder",
    ),
    Setting(
        key="data.image_size",
        kind=WHOLE,
        default=None,
        none="that of the weights in `init_from`, else the data's own size, and of photographs the size that the "
        "model is made for",
        about="The side of the square that the model sees.",
        unit="pixels",
        within=PIXELS,
        aliases="img_size imgsz size input_size resolution crop_size",
    ),
    Setting(
        key="data.fit",
        kind=TEXT,
        default="crop",
        about="How an image that is no square becomes one. `crop` keeps the middle, `pad` adds black bars, `stretch` "
        "makes the sides equal.",
        words=Words("data.fit", "jaxcnn.data.read.crops:FITS"),
    ),
    Setting(
        key="data.validation",
        kind=NUMBER,
        default=None,
        none="the data's own validation split",
        about="How much of the training split becomes the validation split: below 1 a fraction, else a number of "
        "examples.",
        within=at_least(0),
        aliases="val val_split validation_split val_size val_fraction",
    ),
    Setting(
        key="data.split_seed",
        kind=WHOLE,
        default=None,
        none="`seed`",
        about="The seed that decides which examples become the validation split.",
        within=SEEDS,
    ),
    Setting(
        key="data.test",
        kind=NUMBER,
        default=None,
        none="the data's own test split",
        about="How much of the training split becomes the test split, of data that have none. It is the same for "
        "every seed.",
        within=at_least(0),
        aliases="test_split test_size",
    ),
    Setting(
        key="data.augment",
        kind=TEXT,
        default="",
        about='Augmentations of the training images, applied in turn, as "shift(2), flip()". Empty: none.',
        aliases="aug augs augmentation augmentations transform transforms mixup cutmix cutout auto_augment "
        "rand_augment random_crop flip hflip",
    ),
    Setting(
        key="data.repeats",
        kind=WHOLE,
        default=1,
        about="An image comes so many times in a row, each time augmented anew. An epoch has as many images as ever.",
        within=Range(1, 64),
    ),
    Setting(
        key="data.crop_fraction",
        kind=NUMBER,
        default=None,
        none="that of the weights in `init_from`, else 0.875 of photographs that are cropped, else 1",
        about="Evaluation makes the short side of an image `data.image_size` / this and keeps the middle. Under `pad` "
        "it is the long side, under `stretch` both.",
        within=Range(0.1, 1),
    ),
    Setting(
        key="data.filter",
        kind=TEXT,
        default=None,
        none="that of the weights in `init_from`, else bilinear",
        about="The filter by which evaluation resizes images, antialiased.",
        words=Words("data.filter", "jaxcnn.data.read.crops:RESAMPLINGS"),
        aliases="interpolation resample resampling",
    ),
    Setting(
        key="data.channels",
        kind=WHOLE,
        default=None,
        none="the data's own; photographs are read as the weights of `init_from` need them, else as RGB",
        about="How images are read: 1 is grey, 3 is RGB.",
        unit="channels",
        within=Range(1, 3),
        aliases="in_chans in_channels num_channels input_channels",
    ),
    Setting(
        key="data.mean",
        kind=NUMBERS,
        default=(),
        about="What is subtracted from each channel, where white is 1. Empty: the mean of the weights in `init_from`, "
        "else that of the data.",
        within=Range(-1, 1),
        aliases="normalize_mean pixel_mean image_mean",
    ),
    Setting(
        key="data.std",
        kind=NUMBERS,
        default=(),
        about="What each channel is then divided by. Empty: the deviation of the weights in `init_from`, else that of "
        "the data.",
        within=Range(0, 1, without_low=True),
        aliases="normalize_std pixel_std image_std",
    ),
    Setting(
        key="data.placement",
        kind=TEXT,
        default="auto",
        about="Where decoded images are. `device`: all on the device. `stream`: they go to it batch by batch. `auto`: "
        "on the device up to 2 GiB, unless photographs are cropped anew.",
        words=Words("data.placement", ("auto", "device", "stream")),
    ),
    Setting(
        key="data.decoder",
        kind=TEXT,
        default="simplejpeg",
        about="What decodes crops that are streamed. `simplejpeg` does not antialias, `pil` takes twice as long.",
        words=Words("data.decoder", "jaxcnn.data.read.crops:DECODERS"),
    ),
    Setting(
        key="data.workers",
        kind=WHOLE,
        default=0,
        about="The processes that decode training images. 0: threads of this process.",
        unit="processes",
        within=Range(0, 256),
        resumable=True,
        aliases="num_workers n_workers loader_workers processes threads",
    ),
    Setting(
        key="data.on_error",
        kind=TEXT,
        default="raise",
        about="What to do with an image that cannot be read. `raise`: end the run. `skip`: leave it out, and count it "
        "in the run card.",
        words=Words("data.on_error", ("raise", "skip")),
    ),
)
