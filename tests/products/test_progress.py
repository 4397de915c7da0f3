"""Progress of long work."""

import io
import logging

from jwst_mosaic_skymatch.products.progress import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_bar_on_a_terminal(monkeypatch, caplog):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with progress(3, "Working", logging.getLogger("test")) as advance:
        for _ in range(3):
            advance()
    assert "3/3" in terminal.getvalue().replace(" ", "")
    assert caplog.text == ""


def test_log_lines_elsewhere(monkeypatch, caplog, capsys):
    log = logging.getLogger("test")
    with caplog.at_level(logging.INFO, logger="test"):
        with progress(3, "Quick work", log) as advance:
            advance()
        monkeypatch.setattr("jwst_mosaic_skymatch.products.progress.PATIENCE", 0.0)
        with progress(3, "Long work", log) as advance:
            for _ in range(3):
                advance()
    assert caplog.messages == ["Long work: 1 of 3", "Long work: 2 of 3"]
    assert capsys.readouterr() == ("", "")
