"""The bar of commands that take longer than two seconds."""

import io
import sys
import time

import pytest

from jaxcnn.evaluation import waiting


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "patience", "shown"), [(Terminal, 0.01, True), (Terminal, 9, False), (io.StringIO, 0.01, False)]
)
def test_a_bar_is_shown_on_a_terminal_once_it_takes_long(stream, patience, shown, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(waiting, "PATIENCE", patience)
    monkeypatch.setattr(sys, "stderr", stream())
    with waiting.waiting("writing net", 10, alike=False) as reached:
        time.sleep(0.1)
        reached(3, "checking net")
        time.sleep(0.15 if shown else 0)
        drawn = sys.stderr.getvalue()
    assert all((text in drawn) == shown for text in ("writing net", "checking net", "3/10", "0:00:00"))


def test_what_goes_wrong_ends_the_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(ValueError, match="wrong"), waiting.waiting("images", 10):
        raise ValueError("wrong")
    assert sys.stderr.getvalue() == ""
