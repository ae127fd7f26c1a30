"""The settings of the learning rate over time, and of averages of states."""

from jaxcnn.config.kinds import DICTIONARY, NUMBER, TEXT, TIME, TIMES, WHOLE
from jaxcnn.config.setting import Setting, Words
from jaxcnn.ranges import Range, above, at_least, below

SCHEDULE = (
    Setting(
        key="schedule.name",
        kind=TEXT,
        default="cosine",
        about="How the learning rate changes. A schedule of optax goes by its own name, as "
        "`polynomial_schedule`; it starts from the peak, ends with the training, and has `schedule.options`.",
        words=Words(
            "schedule",
            "jaxcnn.train.parts.schedules:SCHEDULES",
            further="jaxcnn.train.parts.of_optax:OPTAX_SCHEDULES",
            further_said="a schedule of optax",
            path=True,
        ),
        aliases="scheduler sched lr_schedule lr_scheduler lr_policy cosine onecycle sgdr restarts",
    ),
    Setting(
        key="schedule.warmup",
        kind=TIME,
        default="0 steps",
        about="The time at the start in which the learning rate rises in a line from 0 to its peak.",
        aliases="warmup_epochs warmup_steps lr_warmup",
    ),
    Setting(
        key="schedule.every",
        kind=TIME,
        default="30 epochs",
        about="Of step and exponential: the time in which the learning rate is multiplied by `schedule.factor` once. "
        "Of cosine_restarts: the time of the first cosine.",
        aliases="step_size decay_epochs decay_every",
    ),
    Setting(
        key="schedule.boundaries",
        kind=TIMES,
        default="",
        about='Of multistep: the times at which the learning rate is multiplied by `schedule.factor`, as "10, 14, 18 '
        'epochs".',
        aliases="milestones lr_steps decay_steps",
    ),
    Setting(
        key="schedule.factor",
        kind=NUMBER,
        default=0.1,
        about="Of step, multistep and exponential: what the learning rate is multiplied by. Of optax's piecewise "
        "schedules: likewise.",
        within=above(0),
        aliases="gamma lr_gamma decay_rate decay_factor",
    ),
    Setting(
        key="schedule.end_factor",
        kind=NUMBER,
        default=0.0,
        about="Of cosine, linear and cosine_restarts: the last learning rate, as a share of the peak. Of a schedule of "
        "optax with an `end_value`: likewise.",
        within=at_least(0),
        aliases="min_lr end_lr final_lr",
    ),
    Setting(
        key="schedule.growth",
        kind=WHOLE,
        default=1,
        about="Of cosine_restarts: how many times as long each cosine is as the one before.",
        within=Range(1, 16),
        aliases="t_mult restart_multiplier",
    ),
    Setting(
        key="schedule.options",
        kind=DICTIONARY,
        default={},
        about="Further arguments of one_cycle or of a schedule of optax. One is set as `schedule.options.NAME`, as "
        "`schedule.options.pct_start=0.2`. What is not set has optax's default.",
        aliases="pct_start div_factor final_div_factor power scheduler_kwargs",
    ),
    Setting(
        key="ema.decay",
        kind=NUMBER,
        default=None,
        none="no average is kept",
        about="Evaluation takes a moving average of parameters and statistics, in which this is the weight of the old "
        "value.",
        within=below(1),
        aliases="ema model_ema ema_decay",
    ),
    Setting(
        key="swa.start",
        kind=TIME,
        default=None,
        none="no average is kept",
        about="Stochastic weight averaging: from this time on the mean of the parameters is kept. At the end it is "
        "evaluated beside the last ones.",
        aliases="swa swa_start swa_epoch_start start_swa",
    ),
    Setting(
        key="swa.every",
        kind=TIME,
        default="1 epoch",
        about="The time between two states whose parameters are averaged. The first is that at `swa.start`.",
        aliases="swa_every swa_freq swa_c_epochs cycle_length",
    ),
    Setting(
        key="swa.learning_rate",
        kind=NUMBER,
        default=None,
        none="as `schedule` says",
        about="The learning rate from `swa.start` on, constant unless `swa.end_factor` is below 1. It is scaled as "
        "`optimizer.learning_rate` is.",
        within=above(0),
        aliases="swa_lr swa_lrs swa_learning_rate",
    ),
    Setting(
        key="swa.end_factor",
        kind=NUMBER,
        default=1.0,
        about="Within each `swa.every` the learning rate falls in a line from `swa.learning_rate` to this share of it. "
        "1: it is constant.",
        within=Range(0, 1),
        aliases="swa_end_factor cyclic_lr",
    ),
)
