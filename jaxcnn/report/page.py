"""Makes the page of what was found: one HTML file that asks no network for anything."""

import base64
import hashlib
import importlib.resources
from collections.abc import Mapping
from typing import Any

from bokeh.resources import Resources
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_TEMPLATES = "templates"


def render(facts: Mapping[str, Any]) -> str:
    """Returns the page.

    All texts are escaped: names of classes and files are other people's. The page's content security policy lets a
    browser run the scripts that are here and no others, and ask for nothing.

    Args:
        facts: what templates/report.html names.
    """
    environment = Environment(
        loader=PackageLoader("jaxcnn.report", _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # a chart's models are in the order in which they name each other
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
    scripts = [_bokeh(), _text("report.js")]
    return environment.get_template("report.html").render(
        **facts,
        policy=_policy(scripts),
        scripts=[Markup(script) for script in scripts],
        style=Markup(_text("report.css")),
    )


def _bokeh() -> str:
    """Returns Bokeh's script, without widgets and tables, which no chart of ours has."""
    return "\n".join(Resources(mode="inline", components=["bokeh"], log_level="error").js_raw)


def _text(name: str) -> str:
    return (importlib.resources.files(__package__) / _TEMPLATES / name).read_text(encoding="utf-8")


def _policy(scripts: list[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; "
        "form-action 'none'"
    )
