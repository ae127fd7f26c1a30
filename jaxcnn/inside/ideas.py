"""What each family of models brought, in a sentence."""

from collections.abc import Mapping

from jaxcnn.models.registry import FAMILIES, family_of, file_of

IDEAS: Mapping[str, str] = {family: file_of(family).IDEA for family in FAMILIES}
"""By family, of `jaxcnn.models.registry.FAMILIES`: the `IDEA` of its file."""


def idea_of(name: str) -> str:
    """Returns what was new in a model of ours."""
    return IDEAS[family_of(name)]
