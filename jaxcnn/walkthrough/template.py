"""The template of the page, its style and its script."""

import importlib.resources

TEMPLATE, _STYLE, _SCRIPT = "walk.html", "walk.css", "walk.js"


def style() -> str:
    """Returns the rules of CSS that the page has besides those of a report."""
    return _text(_STYLE)


def script() -> str:
    """Returns the script that goes from step to step."""
    return _text(_SCRIPT)


def _text(name: str) -> str:
    return (importlib.resources.files(__package__) / "templates" / name).read_text(encoding="utf-8")
