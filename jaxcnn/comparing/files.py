"""The files that a grid's results are kept in."""

from jaxcnn.comparing.results import Results
from jaxcnn.comparing.tables import comma_separated, latex, markdown, to_json
from jaxcnn.errors import say, writing
from jaxcnn.reporting.files import missing_packages, write_page

NAMES = {"table.md": markdown, "table.csv": comma_separated, "table.tex": latex, "table.json": to_json}
"""File -> what makes its text."""
PAGE = "compare.html"


def write(results: Results) -> None:
    """Writes all files into the folder of a grid; the page only where the packages for it are installed.

    Raises:
        UserError: if a file cannot be written.
    """
    texts = {name: make(results) for name, make in NAMES.items()}
    if lacking := missing_packages():
        say(f"{PAGE} is left out: it needs {' and '.join(lacking)}: pip install 'jaxcnn[report]'")
    else:
        from jaxcnn.comparing.grid_page import page  # imports these packages

        write_page(page(results), results.folder / PAGE)
    for name, text in texts.items():
        with writing(results.folder / name):
            (results.folder / name).write_text(text, encoding="utf-8", newline="\n", errors="backslashreplace")
