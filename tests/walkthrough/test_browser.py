"""The page in a real browser: its slider, keys and buttons, light and dark, on a desktop and on a phone."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from tests.reporting import browser

pytestmark = pytest.mark.skipif(browser.PROGRAM is None, reason="there is no Chromium here: apt-get install chromium")
DESKTOP, PHONE = 1280, 390
SHOWN = "[...document.querySelectorAll('.step')].filter((step) => step.offsetParent).map((step) => step.dataset.name)"
DRAWN = "![...document.querySelectorAll('.plot')].some((plot) => plot.offsetParent && plot.dataset.shown != 'done')"


@pytest.fixture(scope="module")
def place(made):
    """The page of two runs."""
    return made.file


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with browser.opened(tmp_path_factory.mktemp("profile")) as page:
        yield page


def press(page, key):
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key=key)
    page.wait(DRAWN)


@pytest.mark.parametrize(("dark", "width"), [(False, DESKTOP), (True, PHONE)])
def test_each_step_is_drawn(page, place, dark, width):
    page.show(place, width=width, dark=dark)
    for number in range(1, 9):
        assert page.ask("document.getElementById('now').textContent") == str(number)
        assert len(page.ask(SHOWN)) == 1
        assert page.ask("document.documentElement.scrollWidth") == width
        shown = np.asarray(Image.open(io.BytesIO(page.picture())).convert("RGB")).astype(int)
        assert (shown[-3, 3].mean() < 60) == dark
        assert (np.abs(shown - shown[-3, 3]).sum(axis=-1) > 30).mean() > 0.05
        assert page.ask("[...document.images].filter((one) => one.offsetParent).every((one) => one.naturalWidth > 0)")
        press(page, "ArrowRight")
    assert page.errors() == []
    assert page.requests() == [place.absolute().as_uri()]


def test_slider_keys_buttons_and_address_lead_to_the_same_steps(page, place):
    page.show(place, width=DESKTOP)
    assert page.ask(SHOWN) == ["image"]
    press(page, "ArrowRight")
    assert page.ask(SHOWN) == ["conv1"]
    page.ask("document.querySelector('[data-go=\"1\"]').click()")
    assert page.ask(SHOWN) == ["pool1"]
    page.ask("(() => { slider.value = 4; slider.dispatchEvent(new Event('input')); })()")
    assert page.ask(SHOWN) == ["conv2"]
    assert page.ask("location.hash") == "#4"
    assert page.ask("slider.getAttribute('aria-valuetext')") == "4 of 8: conv2"
    assert page.ask("document.getElementById('name').textContent") == "conv2"
    press(page, "End")
    assert page.ask(SHOWN) == ["class probabilities"]
    press(page, "ArrowRight")
    assert page.ask(SHOWN) == ["class probabilities"]
    press(page, "Home")
    assert page.ask(SHOWN) == ["image"]
    page.ask("location.hash = '#6'")
    page.wait(f"{SHOWN}[0] == 'dense1'")
    assert page.errors() == []


def test_all_steps_can_be_printed(page, place):
    page.show(place, width=DESKTOP)
    press(page, "a")
    assert len(page.ask(SHOWN)) == 8
    page.wait("!document.querySelector('.plot:not([data-shown=done])')")
    page.call("Emulation.setEmulatedMedia", media="print")
    assert not page.ask("document.querySelector('.slide').offsetParent")
    printed = base64.b64decode(page.call("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 8  # a page for each step
    page.call("Emulation.setEmulatedMedia", media="")
    press(page, "a")
    assert len(page.ask(SHOWN)) == 1
    assert page.errors() == []


def test_the_browsers_own_menu_prints_the_charts_of_all_steps(page, place):
    """They are drawn while the page is idle; what is shown does not change meanwhile."""
    page.show(place, width=DESKTOP)
    page.wait("!document.querySelector('.plot:not([data-shown=done])')")
    assert page.ask(SHOWN) == ["image"]
    press(page, "ArrowRight")
    press(page, "ArrowLeft")
    assert page.ask(SHOWN) == ["image"]
    heights = page.ask("Bokeh.index.roots.filter((one) => one.frame).map((one) => one.frame.bbox.height)")
    assert len(heights) == page.ask("document.querySelectorAll('.plot').length")
    assert min(heights) > 50  # of a chart whose drawing is lost it is 0
    assert page.errors() == []


@pytest.mark.parametrize(("width", "height"), [(DESKTOP, 720), (1920, 1080)])
def test_a_step_fills_a_screen_and_its_histograms_are_high(page, place, width, height):
    page.show(place, width=width, height=height)
    press(page, "ArrowRight")
    frames = page.ask(
        "Bokeh.index.roots.filter((one) => one.frame && one.el.closest('#step-2')).map((one) => one.frame.bbox.height)"
    )
    assert len(frames) == 2
    assert min(frames) >= 150
    assert page.ask("document.documentElement.scrollHeight") <= 1.05 * height


def test_twice_the_arithmetic_of_a_convolution_needs_no_scroll_bar(page, place):
    page.show(place, width=DESKTOP, height=720)
    for _ in range(3):
        press(page, "ArrowRight")
    numbers = "document.querySelector('#step-4 .numbers')"
    page.ask(
        f"(() => {{ const all = {numbers}; all.append(...[...all.children].map((one) => one.cloneNode(true))); }})()"
    )
    assert page.ask(f"{numbers}.querySelectorAll('p').length") >= 10
    assert page.ask(f"{numbers}.scrollHeight - {numbers}.clientHeight") <= 1


def test_the_field_lies_on_the_photo_and_the_unit_on_its_map(page, place):
    page.show(place, width=DESKTOP)
    press(page, "ArrowRight")
    inside = """((inner, outer) => {
      const [a, b] = [inner, outer].map((each) => each.getBoundingClientRect());
      const across = a.left >= b.left - 3 && a.right <= b.right + 3;
      return a.width > 0 && across && a.top >= b.top - 3 && a.bottom <= b.bottom + 3;
    })"""
    step = "document.getElementById('step-2').querySelector"
    assert page.ask(f"{inside}({step}('.edge'), {step}('.photo'))")
    assert page.ask(f"{inside}({step}('.maps i'), {step}('.maps img'))")
