"""The settings of the model and of its norms."""

from jaxcnn.config.kinds import DICTIONARY, NUMBER, SWITCH, TEXT, WHOLE
from jaxcnn.config.setting import Setting, Words
from jaxcnn.ranges import above, at_least, below

_NORM = "the norm's own"

MODEL = (
    Setting(
        key="model.name",
        kind=TEXT,
        default="lenet5",
        about="The model, as `python -m jaxcnn models` lists them.",
        words=Words("model", "jaxcnn.models:MODELS"),
        aliases="arch architecture net network backbone model_name",
    ),
    Setting(
        key="model.num_classes",
        kind=WHOLE,
        default=None,
        none="as many as the data have classes",
        about="The outputs of the model, at least as many as the data have classes.",
        unit="classes",
        within=at_least(1),
        aliases="classes n_classes nb_classes num_labels",
    ),
    Setting(
        key="model.norm",
        kind=TEXT,
        default=None,
        none="the norm of the paper",
        about="The normalisation. In a net without any in its paper, it follows each convolution.",
        words=Words("norm", "jaxcnn.layers.norm:NORMS"),
        aliases="normalization normalisation norm_layer norm_type bn batch_norm batchnorm group_norm",
    ),
    Setting(
        key="model.act",
        kind=TEXT,
        default=None,
        none="the activation of the paper",
        about="The activation.",
        words=Words("activation", "jaxcnn.layers.activation:ACTIVATIONS"),
        aliases="activation activation_fn act_layer nonlinearity relu",
    ),
    Setting(
        key="model.stem",
        kind=TEXT,
        default=None,
        none="the first layers of the paper",
        about="The first layers. `small` is for images of 28 to 64 pixels: a 3x3 convolution of stride 1, no pooling.",
        words=Words("stem", "jaxcnn.models.registry:STEMS"),
    ),
    Setting(
        key="model.dropout_rate",
        kind=NUMBER,
        default=None,
        none="the rate of the paper",
        about="The probability with which a feature is dropped before the classifier, or where the paper drops it.",
        within=below(1),
        aliases="dropout drop drop_rate",
    ),
    Setting(
        key="model.remat",
        kind=SWITCH,
        default=False,
        about="Whether to compute each block again for its gradient. This takes less memory and more time, and the "
        "results are the same.",
        aliases="checkpointing grad_checkpointing gradient_checkpointing rematerialize",
    ),
    Setting(
        key="model.fields",
        kind=DICTIONARY,
        default={},
        about="Further fields of the model's class. One is set as `model.fields.NAME`.",
        aliases="kwargs model_kwargs width depth",
    ),
    Setting(
        key="model.norm_options.epsilon",
        kind=NUMBER,
        default=None,
        none=_NORM,
        about="What is added to the variance.",
        within=above(0),
        aliases="eps bn_eps norm_eps",
    ),
    Setting(
        key="model.norm_options.momentum",
        kind=NUMBER,
        default=None,
        none=_NORM,
        about="Of batch norm: the weight of the old value in a running mean.",
        within=below(1),
        aliases="bn_momentum",
    ),
    Setting(
        key="model.norm_options.examples",
        kind=WHOLE,
        default=None,
        none="all examples of a step",
        about="Of batch norm: how many examples share statistics.",
        unit="examples",
        within=at_least(1),
    ),
    Setting(
        key="model.norm_options.unbiased",
        kind=SWITCH,
        default=None,
        none=_NORM,
        about="Of batch norm: whether the running variance divides by n - 1, as PyTorch's does, and not by n.",
    ),
    Setting(
        key="model.norm_options.num_groups",
        kind=WHOLE,
        default=None,
        none=_NORM,
        about="Of group norm: how many groups the channels are divided into.",
        unit="groups",
        within=at_least(1),
        aliases="groups",
    ),
)
