"""Every setting of a run, once, with its default.

`configs/*.py` start from `base_config()` and override; the command line overrides both (`--config.key=value`). A value
of None means: what the paper, the data set or the platform says. A length of time is a text, "500 steps", "2.5 epochs"
or a bare number of steps, and becomes a number of steps only after all overrides (jaxcnn.train.setup).
"""

from collections.abc import Iterator

from ml_collections import ConfigDict, config_dict

placeholder = config_dict.placeholder


def base_config() -> ConfigDict:
    """Returns the settings of a run, all of them, with their defaults."""
    config = ConfigDict()
    config.seed = 0  # of initialisation, order, augmentation and dropout
    config.num_seeds = 1  # train so many nets at once, from seeds `seed`, `seed` + 1, ...; on the same validation split
    config.batch_size = 128  # examples in one training step, over all devices
    config.eval_batch_size = 512  # examples in one evaluation step, over all devices; changes no result
    config.eval_views = ""  # looks at each image that are averaged, as "flip", "ten_crop(224)" or "scales(224, 256)"
    config.total_epochs = 10.0  # passes over the training split
    config.total_steps = placeholder(int)  # wins over total_epochs where set
    config.precision = "float32"  # of the computation: float32 or bfloat16; parameters and statistics are float32
    config.parallel = (
        "jit"  # how a step is spread over devices: jit (the compiler splits it) or pmap (each has its part)
    )
    config.accumulate_steps = 1  # take a batch in so many parts, their gradients averaged; batch norm sees a part
    # training steps in one compiled call, single ones where something is due earlier; None: 1 on CPU, 10 elsewhere
    config.steps_per_dispatch = placeholder(int)
    config.log_every = "50 steps"  # training metrics
    config.eval_every = "1 epoch"  # validation metrics
    config.checkpoint_every = "1 epoch"  # the latest and the best on validation are kept
    config.on_nonfinite = "stop"  # where loss or gradient is not finite: stop, or skip the step and count it
    config.preempted_status = 0  # exit status after SIGTERM or SIGINT, once saved; 143 where a scheduler expects it
    config.progress = True  # show a progress bar where the output is a terminal
    config.tensorboard = True  # write TensorBoard events beside metrics.jsonl

    config.model = ConfigDict()
    config.model.name = "lenet5"
    config.model.num_classes = placeholder(int)  # outputs, at least the data's classes; None: as many
    config.model.norm = placeholder(str)  # batch, layer, channel_layer, instance, group, local_response, none
    config.model.act = placeholder(str)  # relu, tanh, gelu, ...
    config.model.stem = placeholder(str)  # imagenet, or small for 28-64 px images
    config.model.dropout_rate = placeholder(float)
    config.model.remat = False  # compute each block again for its gradient: less memory, more time, the same results
    config.model.fields = ConfigDict()  # further fields of the model's class

    config.model.norm_options = ConfigDict()
    config.model.norm_options.epsilon = placeholder(float)  # added to the variance
    config.model.norm_options.momentum = placeholder(float)  # batch: weight of the old running value
    config.model.norm_options.examples = placeholder(int)  # batch: how many share statistics; None: the global batch
    config.model.norm_options.unbiased = placeholder(bool)  # batch: running variance divides by n - 1, as PyTorch's
    config.model.norm_options.num_groups = placeholder(int)  # group

    config.data = ConfigDict()
    config.data.name = "digits"  # of the catalog, folder, or any that tensorflow-datasets prepared
    # where prepared data sets lie, None: ~/tensorflow_datasets; the folder of images, train/CLASS/* or CLASS/*
    config.data.dir = placeholder(str)
    # side of the square a net sees, in pixels; None: the data's own, and of photographs the size the model is made for
    config.data.image_size = placeholder(int)
    # images that are not square: crop (keep the middle), pad (black bars) or stretch (equal sides), to see all of them
    config.data.fit = "crop"
    config.data.validation = placeholder(float)  # cut from train, never empty: a fraction below 1, else a number
    config.data.split_seed = placeholder(int)  # of what is cut off; None: `seed`
    config.data.test = placeholder(float)  # likewise, always the same, of a data set that has no test split
    config.data.augment = ""  # applied in turn, as "shift(2), flip()"
    config.data.repeats = 1  # times in a row that an image comes, each time augmented anew; an epoch is as long as ever
    # evaluation makes the short side image_size / this and cuts the middle out (pad: the long side, stretch: both);
    # None: 0.875 of photographs that are cropped, else 1
    config.data.crop_fraction = placeholder(float)
    # decoded images live on the device, or stream to it; auto: on it up to 2 GiB, unless photographs are cropped anew
    config.data.placement = "auto"
    config.data.decoder = "simplejpeg"  # of crops that stream: simplejpeg, not antialiased, or pil, half as fast
    config.data.workers = 0  # processes that decode what is trained on; 0: threads of this one
    config.data.on_error = "raise"  # images that cannot be read: raise, or skip, counted in the run card

    config.loss = ConfigDict()
    config.loss.name = "softmax"  # softmax or binary cross-entropy
    config.loss.label_smoothing = 0.0
    config.loss.aux_weight = 0.3  # of the loss of each auxiliary head, in nets that have them

    config.optimizer = ConfigDict()
    config.optimizer.name = "sgd"  # sgd, rmsprop, adam, adamw, adadelta, lamb
    config.optimizer.learning_rate = 0.1  # peak
    config.optimizer.reference_batch_size = placeholder(int)  # scale learning_rate by batch_size / this; None: do not
    config.optimizer.momentum = 0.9  # sgd, rmsprop
    config.optimizer.nesterov = False  # sgd, rmsprop
    config.optimizer.beta1 = 0.9  # adam, adamw, lamb
    config.optimizer.beta2 = 0.999  # adam, adamw, lamb
    config.optimizer.decay = 0.9  # rmsprop, adadelta: of the mean square
    config.optimizer.epsilon = 1e-8
    config.optimizer.weight_decay = 0.0  # decoupled in adamw and lamb, added to the gradient in the others
    config.optimizer.decay_all = False  # decay biases and norm parameters as well
    config.optimizer.clip_norm = placeholder(float)  # clip the gradient's global norm

    config.schedule = ConfigDict()
    config.schedule.name = "cosine"  # constant, step, multistep, cosine, linear, exponential
    config.schedule.warmup = "0 steps"  # linear, from 0 to the peak
    config.schedule.every = "30 epochs"  # step, exponential: multiply by `factor` each time
    config.schedule.boundaries = ""  # multistep: multiply by `factor` at each, as "10, 14, 18 epochs"
    config.schedule.factor = 0.1  # step, multistep, exponential
    config.schedule.end_factor = 0.0  # cosine, linear: last learning rate as a share of the peak

    config.ema = ConfigDict()
    config.ema.decay = placeholder(float)  # evaluate a moving average of parameters and statistics; None: do not
    config.lock()
    config.model.fields.unlock()
    return config


def kinds_of(config: ConfigDict, prefix: str = "") -> Iterator[tuple[str, type, bool]]:
    """Yields every key by its full name but `model.fields`, the type of its values, and whether it may be None."""
    for key, value in config.items():
        if prefix + key == "model.fields":
            continue
        if isinstance(value, ConfigDict):
            yield from kinds_of(value, f"{prefix}{key}.")
        else:
            yield prefix + key, config.get_type(key), value is None


def groups_of(config: ConfigDict, prefix: str = "") -> Iterator[str]:
    """Yields the full name of every group of keys."""
    for key, value in config.items():
        if isinstance(value, ConfigDict):
            yield prefix + key
            yield from groups_of(value, f"{prefix}{key}.")
