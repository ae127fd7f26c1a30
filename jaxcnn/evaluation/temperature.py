"""Temperature scaling (Guo et al., arXiv:1706.04599, section 4.2): one number that logits are divided by."""

import numpy as np
from scipy import optimize

from jaxcnn.errors import UserError
from jaxcnn.evaluation.scores import nll, predicted

LOWEST, HIGHEST = 0.05, 20.0
"""Range of temperatures."""


def fit_temperature(logits: np.ndarray, label: np.ndarray) -> float:
    """Returns the temperature with the least negative log-likelihood. Fit it on validation examples, never on the test.

    Args:
        logits: (examples, classes).
        label: (examples,) int.

    Raises:
        UserError: if a logit is not finite, all predictions are right (then a lower temperature is always better), or
            the best temperature is at an end of its range.
    """
    if not np.isfinite(logits).all():
        raise UserError("no temperature can be fitted: there are logits that are not finite")
    scaled = np.asarray(logits, np.float64)
    found = optimize.minimize_scalar(
        lambda power: nll(scaled / np.exp(power), label),
        bounds=(np.log(LOWEST), np.log(HIGHEST)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    temperature = float(np.exp(found.x))
    all_right = bool((predicted(logits) == label).all())
    if all_right or not LOWEST * 1.01 < temperature < HIGHEST / 1.01:
        why = "all of them are right" if all_right else "too few of them are wrong, or the net has learnt nothing"
        raise UserError(
            f"no temperature between {LOWEST:g} and {HIGHEST:g} is the best of the {len(label)} validation examples: "
            f"{why}"
        )
    return temperature
