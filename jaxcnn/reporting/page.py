"""Makes a page of what was found: one HTML file that asks no network for anything."""

import base64
import datetime
import hashlib
import importlib.resources
from collections.abc import Mapping
from typing import Any

from bokeh.resources import Resources
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import jaxcnn

_TEMPLATES, _HERE = "templates", "jaxcnn.reporting"


def render(
    facts: Mapping[str, Any],
    template: str = "report.html",
    *,
    package: str = _HERE,
    style: str = "",
    script: str = "",
    charts: bool = True,
) -> str:
    """Returns the page.

    All texts are escaped: names of classes and files are other people's. The page's content security policy lets a
    browser run the scripts that are here and no others, and ask for nothing.

    Args:
        facts: what the template names.
        template: in the folder `templates` of a package. It extends page.html, and may take macros from macros.html.
        package: with the template; charts, look and scripts are those of this one.
        style: further rules of CSS, written by us.
        script: a further script, written by us, after those that show charts.
        charts: whether there are any; else the page has no scripts for them.
    """
    own = [] if package == _HERE else [PackageLoader(package, _TEMPLATES)]
    environment = Environment(
        loader=ChoiceLoader([*own, PackageLoader(_HERE, _TEMPLATES)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # a chart's models are in the order in which they name each other
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
    scripts = [*([_bokeh(), _text("report.js")] if charts else []), *([script] if script else [])]
    return environment.get_template(template).render(
        **facts,
        made=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC by jaxcnn {jaxcnn.__version__}",
        policy=_policy(scripts),
        scripts=[Markup(each) for each in scripts],
        style=Markup(_text("report.css") + style),
    )


def _bokeh() -> str:
    """Returns Bokeh's script, without widgets and tables, which no chart of ours has."""
    return "\n".join(Resources(mode="inline", components=["bokeh"], log_level="error").js_raw)


def _text(name: str) -> str:
    return (importlib.resources.files(_HERE) / _TEMPLATES / name).read_text(encoding="utf-8")


def _policy(scripts: list[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; "
        "form-action 'none'"
    )
