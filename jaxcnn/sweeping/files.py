"""The files that what a sweep has found is kept in."""

from jaxcnn.errors import say, writing
from jaxcnn.reporting.files import missing_packages, write_page
from jaxcnn.sweeping.results import Found

TABLE, PAGE = "trials.csv", "sweep.html"


def write(found: Found) -> None:
    """Writes them into the folder of a sweep; the page only where the packages for it are installed.

    Raises:
        UserError: if a file cannot be written.
    """
    with writing(found.folder / TABLE):
        (found.folder / TABLE).write_text(found.csv(), encoding="utf-8", newline="\n", errors="backslashreplace")
    if lacking := missing_packages():
        say(f"{PAGE} is left out: it needs {' and '.join(lacking)}: pip install 'jaxcnn[report]'")
        return
    from jaxcnn.sweeping.page import page  # imports these packages

    write_page(page(found), found.folder / PAGE)
