"""``python -m jwst_mosaic_skymatch.report``."""

import subprocess
import sys

import pytest
from made_up import make_result, save_result

from jwst_mosaic_skymatch.report.command import main


def test_makes_the_report_again(tmp_path, capsys):
    prefix = save_result(make_result(), tmp_path)
    assert main([str(prefix)]) == 0
    path = tmp_path / "made-up_skymatch_report.html"
    verdict, where = capsys.readouterr().out.splitlines()
    assert verdict.startswith("Matched, with doubts: 8 of 8")
    assert where == str(path)
    assert verdict.partition(";")[0] in path.read_text()


def test_compares(tmp_path, capsys, monkeypatch):
    prefix = save_result(make_result(), tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["compare", str(prefix), str(prefix)]) == 0
    assert "differ by 0 MJy/sr rms" in (tmp_path / "skymatch_comparison.html").read_text()
    assert main(["compare", str(prefix), str(prefix), "-o", str(tmp_path / "new" / "c.html")]) == 0
    assert (tmp_path / "new" / "c.html").is_file()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["compare", "nothing", "nothing"]], ids=["report", "compare"]
)
def test_errors_are_one_line(tmp_path, capsys, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "nothing" in said.err
    assert "save_diagnostics=True" in said.err
    assert list(tmp_path.iterdir()) == []


def test_says_what_to_install(tmp_path, capsys, monkeypatch):
    prefix = save_result(make_result(), tmp_path)
    monkeypatch.delitem(sys.modules, "jwst_mosaic_skymatch.report.page", raising=False)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert main([str(prefix)]) == 1
    assert 'pip install "jwst-mosaic-skymatch[plots]"' in capsys.readouterr().err


def test_is_a_program_that_needs_no_jwst(tmp_path):
    prefix = save_result(make_result(), tmp_path)
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['report', {str(prefix)!r}]\n"
        "try:\n    runpy.run_module('jwst_mosaic_skymatch.report', run_name='__main__')\n"
        "except SystemExit as end:\n    print(end.code, 'jwst' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False"
