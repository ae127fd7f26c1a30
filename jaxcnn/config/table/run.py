"""The settings at the top of a config: how long, how much at once, how often something is written."""

from jaxcnn.config.kinds import NUMBER, SWITCH, TEXT, WHOLE
from jaxcnn.config.setting import Setting, Words
from jaxcnn.ranges import Range, at_least

SEEDS = Range(0, 2**32 - 1)

RUN = (
    Setting(
        key="seed",
        kind=WHOLE,
        default=0,
        about="The seed of initialisation, order, augmentation and dropout.",
        within=SEEDS,
        aliases="random_seed rng_seed rng",
    ),
    Setting(
        key="num_seeds",
        kind=WHOLE,
        default=1,
        about="So many nets are trained at once, from the seeds `seed`, `seed` + 1 and so on. They share one "
        "validation split.",
        unit="nets",
        within=Range(1, 1024),
        aliases="seeds n_seeds repeats runs",
    ),
    Setting(
        key="batch_size",
        kind=WHOLE,
        default=128,
        about="The examples in one training step, over all devices.",
        unit="examples",
        within=at_least(1),
        aliases="bs batch train_batch_size batchsize per_device_batch_size",
    ),
    Setting(
        key="eval_batch_size",
        kind=WHOLE,
        default=512,
        about="The examples in one evaluation step, over all devices. It changes no result.",
        unit="examples",
        within=at_least(1),
        resumable=True,
        aliases="val_batch_size test_batch_size",
    ),
    Setting(
        key="eval_views",
        kind=TEXT,
        default="",
        about='Views of each image over which evaluation averages, as "flip", "ten_crop(224)" or "scales(224, 256)". '
        "Empty: the image itself.",
        aliases="tta test_time_augmentation views ten_crop",
    ),
    Setting(
        key="total_epochs",
        kind=NUMBER,
        default=10.0,
        about="How long to train, in passes over the training split.",
        unit="epochs",
        within=at_least(0),
        resumable=True,
        aliases="epochs epoch num_epochs n_epochs max_epochs nb_epochs train_epochs",
    ),
    Setting(
        key="total_steps",
        kind=WHOLE,
        default=None,
        none="as `total_epochs` says",
        about="How long to train, in steps. It wins over `total_epochs`.",
        unit="steps",
        resumable=True,
        aliases="steps num_steps max_steps train_steps iterations iters max_iters num_iterations",
    ),
    Setting(
        key="precision",
        kind=TEXT,
        default="float32",
        about="The type of the computation. Parameters and statistics are float32 in any case.",
        words=Words("precision", "jaxcnn.train.checks:PRECISIONS"),
        aliases="dtype amp fp16 bf16 half mixed_precision",
    ),
    Setting(
        key="parallel",
        kind=TEXT,
        default="jit",
        about="How a step is spread over devices. `jit`: the compiler splits it. `pmap`: each device has its part, and "
        "batch norm the statistics of that part.",
        words=Words("parallel", ("jit", "pmap")),
        aliases="distributed_strategy strategy pmap",
    ),
    Setting(
        key="accumulate_steps",
        kind=WHOLE,
        default=1,
        about="A batch is computed in so many parts, one after the other, and their gradients are averaged. Batch norm "
        "sees one part at a time.",
        unit="parts",
        within=at_least(1),
        aliases="grad_accum accum_steps accumulation accumulation_steps gradient_accumulation_steps",
    ),
    Setting(
        key="steps_per_dispatch",
        kind=WHOLE,
        default=None,
        none="1 on a CPU and where images are streamed, else 10",
        about="The training steps in one compiled call. Where something is due earlier, single steps are called.",
        unit="steps",
        within=at_least(1),
    ),
    Setting(
        key="log_every",
        kind=TEXT,
        default="50 steps",
        about="The time between two rows of training metrics.",
        resumable=True,
        aliases="log_interval log_freq print_freq log_steps logging_steps",
    ),
    Setting(
        key="eval_every",
        kind=TEXT,
        default="1 epoch",
        about="The time between two evaluations on the validation split.",
        resumable=True,
        aliases="eval_interval eval_freq eval_steps val_every val_interval validate_every test_every",
    ),
    Setting(
        key="checkpoint_every",
        kind=TEXT,
        default="1 epoch",
        about="The time between two checkpoints. The latest one is kept, and the best one on the validation split.",
        resumable=True,
        aliases="save_every save_interval save_freq save_steps checkpoint_interval ckpt_every",
    ),
    Setting(
        key="on_nonfinite",
        kind=TEXT,
        default="stop",
        about="What to do where the loss or the gradient is not finite. `stop`: end the run. `skip`: leave the step "
        "out and count it.",
        words=Words("on_nonfinite", ("stop", "skip")),
    ),
    Setting(
        key="preempted_status",
        kind=WHOLE,
        default=0,
        about="The exit status after SIGTERM or SIGINT, once the state is saved. Some schedulers expect 143.",
        within=Range(0, 255),
        resumable=True,
    ),
    Setting(
        key="progress",
        kind=SWITCH,
        default=True,
        about="Whether to show a progress bar where the output is a terminal.",
        resumable=True,
        aliases="progress_bar bar tqdm verbose",
    ),
    Setting(
        key="tensorboard",
        kind=SWITCH,
        default=True,
        about="Whether to write TensorBoard events beside metrics.jsonl.",
        resumable=True,
        aliases="tb",
    ),
)
