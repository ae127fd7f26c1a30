"""Verdicts on the values of each stage."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.data.read.dataset import Dataset
from jaxcnn.evaluation.channels import Channels, channels_of, dead_share, together
from jaxcnn.evaluation.data import few
from jaxcnn.evaluation.doctor.verdict import Verdict
from jaxcnn.evaluation.forward import batches_of
from jaxcnn.evaluation.subject import Subject
from jaxcnn.layers.variables import stage_outputs
from jaxcnn.train.run import Run
from jaxcnn.types import Array, Variables

DEAD = 0.1
"""Largest share of a stage's channels that may be 0 for all images."""
SATURATED = 0.5
"""Largest share of a stage's values that may be at an end of the activation."""
MOST = 512
"""Most images that are looked at."""
_ENDS = {"tanh": (-1.0, 1.0), "scaled_tanh": (-1.7159, 1.7159), "sigmoid": (0.0, 1.0), "hard_tanh": (-1.0, 1.0)}
"""Ends of bounded activations."""
_UNSOWN = "the net shows no stages: a module of your own does by self.sow('intermediates', 'NAME', x)"
_NEAR = 0.01
"""How near to an end a value counts as saturated, as a fraction of the range."""


def verdicts(run: Run, subject: Subject) -> Iterator[Verdict]:
    """Yields the verdicts; those that cannot be asked of a net that sows no stages say so."""
    assert isinstance(run.dataset, Dataset)
    source = few(run.dataset.sources["train"], MOST)
    ends = _ENDS.get(str(getattr(run.model, "act", "")))
    size = min(64, len(source.labels))

    @jax.jit
    def look(variables: Variables, image: Array) -> dict[str, tuple[Channels, Array]]:
        _, sown = subject.model.apply(variables, subject.whitened(image), train=False, mutable=["intermediates"])
        return {name: (channels_of(each), _at_ends(each, ends)) for name, each in stage_outputs(sown).items()}

    looked = False
    alive: dict[str, list[Channels]] = {}
    near: dict[str, list[float]] = {}
    for batch in batches_of(source, subject.square, size, what="stages"):
        if batch["mask"].all():
            looked = True
            for name, (channels, share) in jax.device_get(look(subject.members[0], batch["image"])).items():
                alive.setdefault(name, []).append(channels)
                near.setdefault(name, []).append(float(share))
    if alive:
        yield _of_dead({name: dead_share(together(each)) for name, each in alive.items()}, len(source.labels))
    elif looked:
        yield Verdict("dead units", None, f"{_UNSOWN}; `jaxcnn norms` shows the dead channels of each layer")
        yield Verdict("saturated units", None, _UNSOWN)
    if alive and ends:
        yield _of_saturated({name: float(np.mean(shares)) for name, shares in near.items()})


def _at_ends(output: Array, ends: tuple[float, float] | None) -> Array:
    """Returns the share of values that are at an end."""
    if ends is None:
        return jnp.zeros(())
    margin = _NEAR * (ends[1] - ends[0])
    return jnp.mean((output <= ends[0] + margin) | (output >= ends[1] - margin))


def _of_dead(shares: dict[str, float], images: int) -> Verdict:
    told = f"of the channels are 0 for all of {images:,} images"
    mend = "a lower --config.optimizer.learning_rate or a longer warm-up, or --config.model.act=leaky_relu"
    return _of_worst("dead units", shares, DEAD, told, mend)


def _of_saturated(shares: dict[str, float]) -> Verdict:
    mend = "a lower --config.optimizer.learning_rate, a norm, or --config.model.act=relu"
    return _of_worst("saturated units", shares, SATURATED, "of the values are at an end of the activation", mend)


def _of_worst(question: str, shares: dict[str, float], most: float, told: str, mend: str) -> Verdict:
    """Returns the verdict on the stage with the largest share.

    Args:
        question: that it answers.
        shares: by stage.
        most: the largest share that is good.
        told: what it is a share of.
        mend: what mends it.
    """
    worst = max(shares, key=shares.__getitem__)
    good = shares[worst] <= most
    return Verdict(question, good, f"in {worst}, {shares[worst]:.1%} {told}", "" if good else mend)
