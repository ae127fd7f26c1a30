"""The page in a real browser: drawn without errors and requests, light and dark, on a desktop and on a phone."""

import io

import numpy as np
import pytest
from PIL import Image

import jaxcnn
from tests.reporting import browser, runs

pytestmark = pytest.mark.skipif(browser.PROGRAM is None, reason="there is no Chromium here: apt-get install chromium")
DESKTOP, PHONE = 1280, 390
TEXTS = """(() => {
  const within = (node) => [...node.querySelectorAll('*')].flatMap((each) =>
    each.shadowRoot ? [...each.shadowRoot.children].filter((one) => one.localName != 'style')
      .map((one) => one.innerText ?? '').concat(within(each.shadowRoot)) : []);
  return within(document).join(' ');
})()"""
"""JavaScript: all texts of charts, their tooltips among them."""


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A page of a run of two seeds, and one of three runs: one is unfinished, and a metric of it was never finite."""
    root = tmp_path_factory.mktemp("pages")
    runs.pictures(root / "pictures")
    colours = runs.colours(root / "colours", root / "pictures")
    again, broken = (runs.copied(colours, root / name) for name in ("again", "broken"))
    rows = [row for row in runs.rows_of(broken) if "test/loss" not in row]
    runs.write_rows(broken, [row | {"train/loss": None} for row in rows])
    jaxcnn.report(colours, root / "one.html")
    jaxcnn.report([colours, again, broken], root / "three.html")
    return {"one": root / "one.html", "three": root / "three.html"}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with browser.opened(tmp_path_factory.mktemp("profile")) as page:
        yield page


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


@pytest.mark.parametrize(
    ("name", "dark", "width"),
    [("one", False, DESKTOP), ("one", True, PHONE), ("three", False, PHONE), ("three", True, DESKTOP)],
)
def test_the_page_is_drawn(page, places, name, dark, width):
    page.show(places[name], width=width, dark=dark)
    assert page.errors() == []
    assert page.requests() == [places[name].absolute().as_uri()]
    assert page.ask("document.documentElement.scrollWidth") == width
    assert page.ask("document.title").endswith("jaxcnn report")  # and nobody has changed it
    whole = pixels(page.picture(whole=True))
    assert (whole[5, 5].mean() < 60) == dark
    boxes = page.ask("""[...document.querySelectorAll('.plot[data-shown=done]')].map((place) => {
      const box = place.getBoundingClientRect();
      return [box.left, box.top + scrollY, box.right, box.bottom + scrollY].map(Math.round);
    })""")
    assert len(boxes) >= 6
    for left, top, right, bottom in boxes:
        assert right - left > 250
        inside = whole[top:bottom, left:right]
        away = np.abs(inside - inside[2, 2]).sum(axis=-1)
        assert (away > 30).mean() > 0.005  # axes, lines and cells
        colourful = inside.max(axis=-1) - inside.min(axis=-1) > 60
        assert colourful.sum() > 20  # the curves, cells or bars themselves


def test_hovering_says_what_is_there_and_runs_nothing(page, places):
    page.show(places["one"], width=DESKTOP, height=2400)
    assert "of the row" not in page.ask(TEXTS)
    left, top, right, bottom = page.ask("""(() => {
      const box = document.querySelector('.square .plot').getBoundingClientRect();
      return [box.left, box.top, box.right, box.bottom];
    })()""")
    for share in np.linspace(0.2, 0.9, 12).tolist():
        x, y = left + share * (right - left), top + 0.45 * (bottom - top)
        page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        page.wait("true")
        if runs.EVIL in (said := page.ask(TEXTS)):
            break
    assert runs.EVIL in said
    assert "of the row" in said
    assert page.ask("document.title").endswith("jaxcnn report")
    assert page.errors() == []


def test_switches_hide_curves_and_choose_what_they_are_drawn_by(page, places):
    page.show(places["three"], width=DESKTOP)
    plot = "Bokeh.index[document.querySelector('.plot').dataset.item.slice('data-'.length)].model"
    curves = f"[...{plot}.references()].filter((one) => one.glyph && one.tags.includes('curve'))"
    assert page.ask(f"{curves}.length") >= 9
    assert page.ask(f"{curves}.every((one) => one.visible && one.glyph.x.field == 'epoch')")
    page.ask("document.querySelector('[data-tag=\"run:1\"]').click()")
    page.ask("document.querySelector('[data-tag=\"split:val\"]').click()")
    page.ask("document.querySelector('[value=step]').click()")
    shown = f"{curves}.filter((one) => one.visible)"
    assert page.ask(f"{shown}.length") > 0
    assert not page.ask(f"{shown}.some((one) => one.tags.includes('run:1') || one.tags.includes('split:val'))")
    assert page.ask(f"{curves}.every((one) => one.glyph.x.field == 'step')")
    assert page.ask(f"{plot}.below[0].axis_label") == "step"
    assert page.errors() == []


def test_charts_of_a_closed_part_are_drawn_once_it_is_opened(page, places):
    page.show(places["three"], width=PHONE)
    waiting = "document.querySelectorAll('.plot:not([data-shown])').length"
    assert page.ask(waiting) > 0
    page.ask("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    page.wait(f"{waiting} == 0 && !document.querySelector('.plot[data-shown=begun]')")
    assert page.ask("document.documentElement.scrollWidth") == PHONE
    assert page.errors() == []


def test_charts_follow_a_theme_that_changes(page, places):
    page.show(places["one"], width=DESKTOP)
    for scheme, dark in (("dark", True), ("light", False)):
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        page.wait("true")
        left, top, width, height = page.ask("""(() => {
          const box = document.querySelector('.plot').getBoundingClientRect();
          return [box.left, box.top + scrollY, 60, box.height].map(Math.round);
        })()""")
        labels = pixels(page.picture(whole=True))[top : top + height, left : left + width].mean(axis=-1)
        assert labels.max() - labels.min() > 80  # readable: ink on the page
        assert (np.median(labels) < 60) == dark
    assert page.requests() == [places["one"].absolute().as_uri()]
