"""Every way in, as a user types it, without network, CRDS cache or CRDS variables."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks.mosaics import rms
from helpers import level_errors, levels_of_files, rootname
from jwst.associations import load_asn
from jwst.pipeline import Image3Pipeline
from jwst.stpipe import Step
from stdatamodels.jwst.datamodels import open as open_model
from stpipe.entry_points import get_steps

import jwst_mosaic_skymatch
from jwst_mosaic_skymatch import PixelSkyMatchStep

I2D = "stephans-quintet_i2d.fits"
STRUN = str(Path(sys.executable).parent / "strun")
HOOK = "jwst_mosaic_skymatch.PixelSkyMatchStep"
# Both need more stars than images as small as these have.
FAST = {"tweakreg": {"skip": True}, "source_catalog": {"skip": True}}


def strun(*arguments, cwd):
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("CRDS", "STPIPE", "PYTEST"))
    }
    return subprocess.run(
        [STRUN, *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def assert_logged(path):
    """The logs in a file, of a pipeline or of each step, have this package's version and levels."""
    with open_model(path) as model:
        log = "\n".join(line for lines in model.cal_logs.instance.values() for line in lines)
    assert f"jwst-mosaic-skymatch {jwst_mosaic_skymatch.__version__}" in log
    assert "_cal.fits: sky level" in log


def run_image3(mosaic, directory, skymatch):
    """Run the stock pipeline in Python."""
    Image3Pipeline.call(
        str(mosaic.association),
        output_dir=str(directory),
        save_results=True,
        in_memory=False,
        steps={**FAST, "skymatch": skymatch},
        configure_log=False,
    )


def steps_between(path, reference):
    """Range of the difference of two mosaics of one grid, MJy/sr, but for few pixels."""
    with open_model(path) as first, open_model(reference) as second:
        difference = (first.data - second.data)[(first.wht > 0) & (second.wht > 0)]
    assert difference.size > 10000
    return np.diff(np.nanpercentile(difference, [2, 98]))[0]


@pytest.fixture
def work(mosaic, tmp_path):
    """Copy the simulated files so that a run may lie beside them."""
    for path in [*mosaic.files, mosaic.association]:
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def true_mosaic(mosaic, tmp_path_factory):
    """Combine the exposures with their true levels."""
    directory = tmp_path_factory.mktemp("true")
    skylist = directory / "levels.txt"
    lines = [f"{file.name} {mosaic.levels[rootname(file.name)]!r}" for file in mosaic.files]
    skylist.write_text("\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", "true")
        run_image3(mosaic, directory, {"skymethod": "user", "skylist": str(skylist)})
    return directory / I2D


def test_stpipe_lists_both_without_importing_jwst():
    code = (
        "import sys; from importlib.metadata import entry_points;"
        "(ep,) = [e for e in entry_points(group='stpipe.steps')"
        " if e.name == 'jwst_mosaic_skymatch'];"
        "print(ep.load()()); assert 'jwst' not in sys.modules, 'jwst was imported'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pixel_skymatch" in done.stdout
    own = {s.class_alias: s.is_pipeline for s in get_steps() if "mosaic_skymatch" in s.class_name}
    assert own == {"pixel_skymatch": False, "calwebb_image3_pixel_skymatch": True}


def test_older_jwst_is_refused(monkeypatch):
    for version in ("1.20.2", "2.1.0.dev3+g12ab", "10.0.0"):
        monkeypatch.setattr("jwst_mosaic_skymatch.version", {"jwst": version}.get)
        assert jwst_mosaic_skymatch.PixelSkyMatchStep is PixelSkyMatchStep
    monkeypatch.setattr("jwst_mosaic_skymatch.version", {"jwst": "1.19.1"}.get)
    with pytest.raises(ImportError, match=r"needs jwst 1\.20 or later, but jwst is 1\.19\.1: pip"):
        jwst_mosaic_skymatch.PixelSkyMatchStep  # noqa: B018


def test_strun_step(work, mosaic):
    done = strun(
        "pixel_skymatch",
        mosaic.association.name,
        "--grouping=none",
        "--save-parameters=pars.asdf",
        cwd=work,
    )
    assert done.returncode == 0, done.stderr
    promised = {p.name.replace("_cal", "_skymatch") for p in mosaic.files}
    levels = levels_of_files(work)
    assert rms(level_errors(levels, mosaic.levels)) < 0.002
    assert_logged(work / min(promised))
    for said in ("Sky method match", "grid of", "by none", "pairs", "component"):
        assert said in done.stderr
    assert all(f"{path.name}: sky level" in done.stderr for path in mosaic.files)
    # Nothing but the promised files has appeared.
    new = {p.name for p in work.iterdir()} - {p.name for p in mosaic.files}
    table = "stephans-quintet_skymatch_asn.json"
    assert new == {*promised, table, mosaic.association.name, "pars.asdf"}
    with (work / table).open() as file:
        association = load_asn(file)
    assert association["asn_type"] == "image3"
    assert association["products"][0]["name"] == "stephans-quintet"
    assert {m["expname"] for m in association["products"][0]["members"]} == promised
    again = Step.from_config_file(str(work / "pars.asdf"))
    assert isinstance(again, PixelSkyMatchStep)
    assert again.grouping == "none"


def test_command_line_ends_with_one_message(work, mosaic):
    (work / mosaic.files[0].name).unlink()
    before = sorted(work.iterdir())
    done = strun("pixel_skymatch", mosaic.association.name, cwd=work)
    said = f"no such file here, but {mosaic.association.name} lists it"
    assert done.returncode != 0
    assert said in done.stderr.splitlines()[-1]
    assert done.stderr.count(said) == 1
    assert "another exception occurred" not in done.stderr
    assert sorted(work.iterdir()) == before


def hooked(mosaic, directory):
    """Run the stock pipeline with the step as a hook of the skipped one."""
    run_image3(mosaic, directory, {"skip": True, "post_hooks": [HOOK]})


def own(mosaic, directory):
    """Run this package's pipeline on the command line."""
    done = strun(
        "calwebb_image3_pixel_skymatch",
        mosaic.association,
        "--disable-crds-steppars",
        "--steps.tweakreg.skip=true",
        "--steps.source_catalog.skip=true",
        "--steps.skymatch.grouping=none",
        f"--output_dir={directory}",
        cwd=directory,
    )
    assert done.returncode == 0, done.stderr
    assert "by none" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("run", [hooked, own])
def test_pipelines(mosaic, tmp_path, monkeypatch, caplog, true_mosaic, run):
    """Levels are in the crf files and in the i2d's table; the mosaic has no seams."""
    caplog.set_level("INFO")  # at which call and strun configure the log
    monkeypatch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", "true")
    monkeypatch.chdir(tmp_path)
    run(mosaic, tmp_path)
    levels = levels_of_files(tmp_path, "crf")
    assert len(levels) == len(mosaic.files)
    assert rms(level_errors(levels, mosaic.levels)) < 0.002
    with open_model(tmp_path / I2D) as i2d:
        assert i2d.meta.cal_step.skymatch == "COMPLETE"
        listed = sorted(i2d.hdrtab["BKGLEVEL"])
    np.testing.assert_allclose(listed, sorted(levels.values()), rtol=1e-12)
    assert steps_between(tmp_path / I2D, true_mosaic) < 0.005
    for path in (tmp_path / I2D, next(tmp_path.glob("*_crf.fits"))):
        assert_logged(path)
