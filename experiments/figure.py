"""Draws the pictures of experiments: `python -m experiments.figure NAME ...`; without names, of all.

Bokeh makes a page of each figure, and Chromium (`chromium`, or what the variable CHROMIUM names) takes a picture of it.
The PNG file says in its header what it was drawn from, so that a test can tell a picture that is no longer true.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bokeh.embed import file_html
from bokeh.resources import INLINE
from PIL import Image, PngImagePlugin

from experiments.folders import Experiment, all_experiments
from experiments.pictures import HEIGHT, WIDTH, plot_of, sources_of

KEY = "drawn-from"
"""In the header of a PNG file."""
_COLORS = 64


def origin(folder: Path, picture: Mapping[str, Any]) -> str:
    """Returns a digest of all that a picture shows: its description and its files."""
    digest = hashlib.sha256(json.dumps(picture, sort_keys=True).encode())
    for name in sources_of(picture):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def drawn_from(path: Path) -> str:
    """Returns the digest in the header of a PNG file; "" if there is none."""
    with Image.open(path) as image:
        return str(image.info.get(KEY, ""))


def draw(experiment: Experiment) -> list[Path]:
    """Draws all pictures of an experiment whose `kind` says how, and returns their files."""
    made = [picture for picture in experiment.picture if "kind" in picture]
    for picture in made:
        page = file_html(plot_of(experiment.folder, picture), INLINE, title=picture["caption"])
        _photograph(page, experiment.folder / picture["file"], origin(experiment.folder, picture))
    return [experiment.folder / picture["file"] for picture in made]


def _photograph(page: str, path: Path, digest: str) -> None:
    """Writes a PNG file of a page, with few colours to keep it small."""
    with tempfile.TemporaryDirectory() as folder:
        source, taken = Path(folder, "page.html"), Path(folder, "page.png")
        source.write_text(page.replace("<body>", '<body style="margin: 0">'), encoding="utf-8")
        subprocess.run(
            [
                os.environ.get("CHROMIUM", "chromium"), "--headless", "--no-sandbox", "--hide-scrollbars",
                f"--screenshot={taken}", f"--window-size={WIDTH},{HEIGHT}", "--virtual-time-budget=4000",
                source.as_uri(),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )  # fmt: skip
        header = PngImagePlugin.PngInfo()
        header.add_text(KEY, digest)
        with Image.open(taken) as image:
            image.convert("RGB").quantize(_COLORS, dither=Image.Dither.NONE).save(path, optimize=True, pnginfo=header)


if __name__ == "__main__":
    for each in all_experiments():
        if not sys.argv[1:] or each.name in sys.argv[1:]:
            for drawn in draw(each):
                print(f"{drawn.parent.name}/{drawn.name}: {drawn.stat().st_size:,} bytes")
