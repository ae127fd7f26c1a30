"""How a recipe is written where a config is named: train:DATA,MODEL,RECIPE. It imports nothing that takes time."""

from jaxcnn.errors import UserError

PREFIX = "train:"
DEFAULT = "modern"
"""The recipe of a name without one: it has a training for every net that is for the images."""
RECIPES = {
    "paper": "as in the paper of the net, whose section it cites",
    "modern": "today's habits: cosine schedule, label smoothing, stronger augmentation",
    "budget": "short: one cycle of the learning rate",
    "lab": "as in the labs of CS5242 (NUS): plain SGD, no augmentation, no decay",
}
"""Name -> what it is. Each is a file of this room."""
SPELT = f"{PREFIX}DATA,MODEL,RECIPE"


def is_recipe(place: str) -> bool:
    """Returns whether the name of a config is that of a recipe."""
    return place.startswith(PREFIX)


def words_of(place: str) -> tuple[str, str, str]:
    """Returns data set, model and recipe of the name of a config.

    Raises:
        UserError: for a text that is no such name.
    """
    words = [word.strip() for word in place.removeprefix(PREFIX).split(",")]
    if len(words) not in (2, 3) or not all(words):
        raise UserError(f"{place!r} is no recipe: write {SPELT}, as {PREFIX}cifar10,resnet20,paper")
    return words[0], words[1], words[2] if len(words) == 3 else DEFAULT


def name_of(data: str, model: str, recipe: str) -> str:
    """Returns the name of a recipe."""
    return f"{PREFIX}{data},{model},{recipe}"
