"""Damaged input gets clear errors: some cases of ``benchmarks/fuzz.py``."""

import importlib.util
import random
import subprocess
import sys
from pathlib import Path

import pytest
from stpipe.config_parser import ValidationError

from jwst_mosaic_skymatch.exposures.skylist import user_levels

FUZZ = Path(__file__).parent / "benchmarks" / "fuzz.py"


@pytest.fixture(scope="module")
def fuzz():
    spec = importlib.util.spec_from_file_location("fuzz", FUZZ)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_damaged_input_gets_clear_errors():
    """In a process of its own, in which other libraries may warn of what they read."""
    done = subprocess.run(
        [sys.executable, str(FUZZ), "--cases", "30", "--seed", "7", "--seconds", "300"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "30 cases, 0 findings" in done.stdout
    # Of each kind some are refused, and not all.
    for kind, outcome in (
        ("association", "refused: ValueError"),
        ("association", "ran"),
        ("skylist", "refused: ValueError"),
        ("parameters", "ran"),
    ):
        assert f"{kind:12} {outcome}" in done.stdout


@pytest.mark.parametrize(
    ("error", "clear"),
    [
        (ValueError("asn.json: not a valid association"), True),
        (OSError("a_cal.fits: cannot be read"), True),
        (FileNotFoundError("a_cal.fits: no such file"), True),
        (ValueError("maximum_cores='x': give a number"), True),
        (ValidationError("Config parameter 'nclip': the value 'x' is of the wrong type"), True),
        (ValueError("cannot convert float NaN to integer"), False),
        (ValueError(""), False),
        (KeyError("asn.json"), False),
        (TypeError("asn.json"), False),
        (UnicodeDecodeError("utf-8", b"asn.json", 0, 1, "asn.json"), False),
    ],
)
def test_what_is_clear(fuzz, error, clear):
    assert fuzz.is_clear(error, {"asn.json", "a_cal.fits"}) is clear


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (KeyError("asn.json"), "!unclear"),
        (ValueError("asn.json: wrong"), "refused: ValueError"),
        (None, "ran"),
    ],
)
def test_outcomes(fuzz, mosaic, tmp_path, monkeypatch, failure, outcome):
    def fail(step, association):
        if failure:
            raise failure

    monkeypatch.setattr(fuzz.PixelSkyMatchStep, "run", fail)
    case = fuzz.Case(mosaic.association.parent, tmp_path / "work", random.Random(1))
    case.kind = "skylist"
    assert case.run() == (outcome, failure)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a_cal.fits 1.0\n\xff\xfe", "sky.txt: not a text file"),
        (b"a_cal.fits inf\n", "sky.txt, line 1: expected a file name and a level"),
        (b"a_cal.fits 1e999\n", "sky.txt, line 1: expected a file name and a level"),
        (b"/ 1.0\n", "sky.txt, line 1: expected a file name and a level"),
    ],
)
def test_skylists_that_were_found(tmp_path, content, message):
    (tmp_path / "sky.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        user_levels(tmp_path / "sky.txt", ["a_cal.fits"], lambda name: Path(name).stem)
    assert type(caught.value) is ValueError
