"""The settings of the loss, of the optimizer, and of what is trained."""

from jaxcnn.config.kinds import DICTIONARY, MULTIPLIERS, NUMBER, NUMBERS, SWITCH, TEXT, WHOLE
from jaxcnn.config.setting import Setting, Words
from jaxcnn.ranges import SHARE, above, at_least, below

LEARNING = (
    Setting(
        key="loss.name",
        kind=TEXT,
        default="softmax",
        about="The loss. `softmax`: the cross-entropy of a softmax over the classes. `binary`: that of one sigmoid "
        "a class.",
        words=Words("loss", "jaxcnn.train.parts.losses:LOSSES", path=True),
        aliases="criterion loss_fn loss_function",
    ),
    Setting(
        key="loss.label_smoothing",
        kind=NUMBER,
        default=0.0,
        about="The share of each training label that is spread evenly over all classes.",
        within=below(1),
        aliases="smoothing",
    ),
    Setting(
        key="loss.class_weights",
        kind=NUMBERS,
        default=(),
        about="In training, the factor of each class for the loss of its examples. A batch is still averaged over its "
        "examples. Empty: 1 for each class.",
        within=at_least(0),
        aliases="class_weight weights weight pos_weight",
    ),
    Setting(
        key="loss.aux_weight",
        kind=NUMBER,
        default=0.3,
        about="The weight of the loss of each auxiliary classifier, in models that have them.",
        within=at_least(0),
    ),
    Setting(
        key="optimizer.name",
        kind=TEXT,
        default="sgd",
        about="The optimizer. One of optax goes by its own name, as `lion` or `muon`, and has `optimizer.options`.",
        words=Words(
            "optimizer",
            "jaxcnn.train.parts.optimizers:OPTIMIZERS",
            further="jaxcnn.train.parts.of_optax:NAMES_OF_OPTIMIZERS",
            further_said="an optimizer of optax or optax.contrib",
            path=True,
        ),
        aliases="optim opt solver optimiser",
    ),
    Setting(
        key="optimizer.learning_rate",
        kind=NUMBER,
        default=0.1,
        about="The highest learning rate, which the schedule starts from.",
        within=at_least(0),
        aliases="lr base_lr max_lr peak_lr init_lr initial_lr eta learningrate rate step_size",
    ),
    Setting(
        key="optimizer.options",
        kind=DICTIONARY,
        default={},
        about="Further arguments of an optimizer of optax, or of one of your own. One is set as "
        "`optimizer.options.NAME`, as `optimizer.options.b2=0.95`. What is not set has optax's default.",
        aliases="optimizer_kwargs optim_args opt_args",
    ),
    Setting(
        key="optimizer.reference_batch_size",
        kind=WHOLE,
        default=None,
        none="the learning rate is not scaled",
        about="The learning rate is multiplied by `batch_size` / this.",
        unit="examples",
        within=at_least(1),
    ),
    Setting(
        key="optimizer.momentum",
        kind=NUMBER,
        default=0.9,
        about="Of sgd and rmsprop: the share of the last update that goes into the next one.",
        within=below(1),
        aliases="mom",
    ),
    Setting(
        key="optimizer.nesterov",
        kind=SWITCH,
        default=False,
        about="Of sgd and rmsprop: whether to take Nesterov's momentum.",
    ),
    Setting(
        key="optimizer.beta1",
        kind=NUMBER,
        default=0.9,
        about="Of adam, adamw and lamb: the weight of the old value in the running mean of gradients.",
        within=below(1),
        aliases="betas b1 adam_beta1",
    ),
    Setting(
        key="optimizer.beta2",
        kind=NUMBER,
        default=0.999,
        about="Of adam, adamw and lamb: the weight of the old value in the running mean of squared gradients.",
        within=below(1),
        aliases="betas b2 adam_beta2",
    ),
    Setting(
        key="optimizer.decay",
        kind=NUMBER,
        default=0.9,
        about="Of rmsprop and adadelta: the weight of the old value in the running mean of squared gradients.",
        within=below(1),
    ),
    Setting(
        key="optimizer.epsilon",
        kind=NUMBER,
        default=1e-8,
        about="What is added to the root that an update is divided by.",
        within=at_least(0),
        aliases="eps adam_eps",
    ),
    Setting(
        key="optimizer.weight_decay",
        kind=NUMBER,
        default=0.0,
        about="The weight decay: decoupled from the gradient in adamw, lamb and those of optax that have one, added to "
        "it in the others.",
        within=at_least(0),
        aliases="wd decay l2 regularization weightdecay",
    ),
    Setting(
        key="optimizer.decay_all",
        kind=SWITCH,
        default=False,
        about="Whether biases and the parameters of norms decay as well.",
    ),
    Setting(
        key="optimizer.clip_norm",
        kind=NUMBER,
        default=None,
        none="gradients are not clipped",
        about="The largest global norm of a gradient. A larger gradient is scaled down to it.",
        within=above(0),
        aliases="clip clip_grad grad_clip gradient_clip max_grad_norm clip_value",
    ),
    Setting(
        key="optimizer.multipliers",
        kind=MULTIPLIERS,
        default=(),
        about="For the parameters that a pattern matches, what the learning rate is multiplied by, and behind a colon "
        'the weight decay: "classifier=10, stem=0.1:0", in Python `(("classifier", 10), ("stem", 0.1, 0))`. Patterns '
        "are those of `train.freeze`. A parameter that two of them match is an error.",
        aliases="lr_mult lr_multiplier lr_multipliers param_groups parameter_groups paramwise_cfg head_lr backbone_lr",
    ),
    Setting(
        key="optimizer.layer_decay",
        kind=NUMBER,
        default=None,
        none="the learning rate does not depend on the depth",
        about="The learning rate of depth l is multiplied by this to the power of L - l, where L is the depth of the "
        "classifier. A depth is a layer or a block of the net, in the order of computation.",
        within=SHARE,
        aliases="llrd layerwise_decay layer_wise_decay layerwise_lr_decay lr_layer_decay layer_lr_decay",
    ),
    Setting(
        key="train.freeze",
        kind=TEXT,
        default="",
        about='A pattern of the parameters that are not trained, as "stem|stage[12]": a regular expression that '
        "matches from the start of a parameter's path, as `stage1_block1/conv1/kernel`, to the end of a word or a "
        "number in it. Empty: all are trained.",
        aliases="frozen freeze_layers freeze_backbone freeze_at frozen_stages trainable requires_grad",
    ),
    Setting(
        key="train.freeze_norms",
        kind=TEXT,
        default="eval",
        about="How norms compute whose parameters are all frozen. `eval`: by their statistics, which stay as they are. "
        "`train`: by the batch, and their statistics follow.",
        words=Words("freeze_norms", ("eval", "train")),
        aliases="freeze_bn bn_eval norm_eval frozen_bn",
    ),
)
