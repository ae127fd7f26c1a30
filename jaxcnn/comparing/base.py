"""What the cells of a grid begin from: one config, or the recipe of each net."""

import dataclasses
from typing import Any

from jaxcnn.config.file import load
from jaxcnn.errors import UserError
from jaxcnn.recipes.name import DEFAULT, is_recipe, name_of, words_of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Base:
    """A config by name, or data and recipe with which each net has one."""

    place: str | None
    """Of a config; None for a recipe."""
    data: str = ""
    recipe: str = ""
    model: str = ""
    """That is trained where no models are named."""

    def of(self, model: str) -> str:
        """Returns what `--config` names for a model."""
        return self.place or name_of(self.data, model, self.recipe)


def base_of(place: str | None, *, data: str | None, recipe: str | None, model: str | None) -> Base:
    """Returns what cells begin from.

    Args:
        place: a config, or a recipe as train:DATA,MODEL,RECIPE.
        data: a data set.
        recipe: the name of a recipe.
        model: the first one that is named, or None.

    Raises:
        UserError: for a config with a recipe, or too little of a recipe.
    """
    if place and not is_recipe(place):
        if recipe:
            raise UserError("a config has its recipe: give --config or --recipe, not both")
        return Base(place=place, model=model or str(config_of(place).model.name))
    own = words_of(place) if place else (None, None, None)
    found = dict(zip(("data", "model", "recipe"), (data or own[0], model or own[1], recipe or own[2]), strict=True))
    for name in ("data", "model"):
        if not found[name]:
            missing = f"--{'models' if name == 'model' else name} is missing"
            raise UserError(
                f"{missing}: name --data and --models, or what all cells have in common, as --config CONFIG"
            )
    return Base(place=None, data=found["data"] or "", model=found["model"] or "", recipe=found["recipe"] or DEFAULT)


def config_of(place: str) -> Any:
    """Returns the config of a name; raises `UserError` where there is none."""
    if not is_recipe(place):
        return load(place)[0]
    from jaxcnn.recipes.recipe import recipe  # imports jax

    return recipe(*words_of(place))
