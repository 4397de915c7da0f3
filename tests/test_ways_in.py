"""Every way in, as a user types it, without network, CRDS cache or CRDS variables."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import asdf
import numpy as np
import pytest
from helpers import level_errors, rms, rootname
from jwst.associations import load_asn
from jwst.pipeline import Image3Pipeline
from stdatamodels.jwst.datamodels import open as open_model
from stpipe.entry_points import get_steps

import jwst_mosaic_skymatch
from jwst_mosaic_simulation import Imperfections, dithers, simulate_mosaic
from jwst_mosaic_skymatch import IMAGE3_PARAMETERS, PixelSkyMatchStep

I2D = "stephans-quintet_i2d.fits"
STRUN = str(Path(sys.executable).parent / "strun")
HOOK = "jwst_mosaic_skymatch.PixelSkyMatchStep"
# tweakreg's catalog of so small images is run in a test of its own.
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


def levels_of_files(paths):
    levels = {}
    for path in paths:
        with open_model(path) as model:
            assert model.meta.cal_step.skymatch == "COMPLETE"
            levels[rootname(str(path))] = model.meta.background.level
    return levels


def levels_of_files_in(directory, pattern="*_skymatch.fits"):
    return levels_of_files(sorted(directory.glob(pattern)))


def run_image3(mosaic, directory, skymatch, **steps):
    """Run the stock pipeline in Python."""
    directory.mkdir(exist_ok=True)  # jwst 1.20 does not make it
    Image3Pipeline.call(
        str(mosaic.association),
        output_dir=str(directory),
        save_results=True,
        steps={**FAST, "skymatch": skymatch, **steps},
        configure_log=False,
    )


def write_true_levels(mosaic, path):
    """Write a skylist of the true levels."""
    lines = [f"{file.name} {mosaic.levels[rootname(file.name)]!r}" for file in mosaic.files]
    path.write_text("\n".join(lines))
    return str(path)


def steps_between(path, reference):
    """Range of the difference of two mosaics of one grid, MJy/sr, but for few pixels."""
    with open_model(path) as first, open_model(reference) as second:
        difference = (first.data - second.data)[(first.wht > 0) & (second.wht > 0)]
    assert difference.size > 10000
    return np.diff(np.nanpercentile(difference, [2, 98]))[0]


def check_products(directory, mosaic):
    """Levels are in the crf files and in the i2d's table of its exposures."""
    crf = sorted(directory.glob("*_crf.fits"))
    assert len(crf) == len(mosaic.files)
    levels = levels_of_files(crf)
    truth = {name: mosaic.levels[name.removesuffix("_a3001")] for name in levels}
    assert rms(level_errors(levels, truth)) < 0.002
    with open_model(directory / I2D) as i2d:
        assert i2d.meta.cal_step.skymatch == "COMPLETE"
        listed = sorted(i2d.hdrtab["BKGLEVEL"])
    np.testing.assert_allclose(listed, sorted(levels.values()), rtol=1e-12)


@pytest.fixture
def work(mosaic, tmp_path):
    """Copy the simulated files so that a run may lie beside them."""
    for path in [*mosaic.files, mosaic.association]:
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def assert_no_seams(mosaic, tmp_path_factory):
    """Give a check that a mosaic has no steps: it is the one with true levels."""
    directory = tmp_path_factory.mktemp("references")
    skylist = write_true_levels(mosaic, directory / "levels.txt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", "true")
        run_image3(mosaic, directory / "true", {"skymethod": "user", "skylist": skylist})
        run_image3(mosaic, directory / "unmatched", {"skip": True})
    assert steps_between(directory / "unmatched" / I2D, directory / "true" / I2D) > 1.0

    def check(path):
        assert steps_between(path, directory / "true" / I2D) < 0.005

    return check


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
    done = strun("pixel_skymatch", mosaic.association.name, cwd=work)
    assert done.returncode == 0, done.stderr
    assert rms(level_errors(levels_of_files_in(work), mosaic.levels)) < 0.002
    for said in ("Sky method match", "grid of", "groups by visit", "pairs", "component"):
        assert said in done.stderr
    for path in mosaic.files:
        assert f"{path.name}: sky level" in done.stderr
        assert (work / path.name).read_bytes() == path.read_bytes()
    # Nothing but the promised files has appeared.
    new = {p.name for p in work.iterdir()} - {p.name for p in mosaic.files}
    promised = {p.name.replace("_cal", "_skymatch") for p in mosaic.files}
    table = "stephans-quintet_skymatch_asn.json"
    assert new == {*promised, table, mosaic.association.name}
    with (work / table).open() as file:
        association = load_asn(file)
    assert association["asn_type"] == "image3"
    assert association["products"][0]["name"] == "stephans-quintet"
    listed = {m["expname"] for m in association["products"][0]["members"]}
    assert listed == promised


@pytest.mark.slow
def test_strun_parameters_and_parameter_file(work, mosaic):
    done = strun(
        "pixel_skymatch",
        mosaic.association.name,
        "--skymethod=global+match",
        "--subtract=true",
        "--grouping=none",
        "--skystat=median",
        "--output_dir=one",
        "--save-parameters=pars.asdf",
        cwd=work,
    )
    assert done.returncode == 0, done.stderr
    with asdf.open(work / "pars.asdf") as file:
        assert file["class"].endswith("PixelSkyMatchStep")
        assert file["parameters"]["grouping"] == "none"
        assert file["parameters"]["skymethod"] == "global+match"
    done = strun("pars.asdf", mosaic.association.name, "--output_dir=two", cwd=work)
    assert done.returncode == 0, done.stderr
    one, two = levels_of_files_in(work / "one"), levels_of_files_in(work / "two")
    assert one == two
    assert min(one.values()) > 5  # the sky itself, not just differences
    with open_model(next((work / "two").glob("*_skymatch.fits"))) as model:
        assert model.meta.background.subtracted is True


@pytest.mark.slow
def test_stock_pipeline_from_the_command_line(work, mosaic, assert_no_seams):
    done = strun(
        "calwebb_image3",
        mosaic.association.name,
        "--disable-crds-steppars",
        "--steps.tweakreg.skip=true",
        "--steps.source_catalog.skip=true",
        "--steps.skymatch.skip=true",
        f"--steps.skymatch.post_hooks={HOOK},",
        "--steps.skymatch.skymethod=global+match",
        cwd=work,
    )
    assert done.returncode == 0, done.stderr
    # A parameter set on the stock step reaches the hook.
    assert "Sky method global+match" in done.stderr
    check_products(work, mosaic)
    assert_no_seams(work / I2D)


HOOKS = {"class": PixelSkyMatchStep, "name": HOOK, "call": f"{HOOK}(grouping='none')"}


@pytest.mark.parametrize(
    ("hook", "in_memory"),
    [
        pytest.param(HOOKS["name"], False, id="name"),
        # Those that are left run the whole pipeline for the same two paths again.
        *(
            pytest.param(HOOKS[kind], in_memory, id=f"{kind}-{in_memory}", marks=pytest.mark.slow)
            for kind in HOOKS
            for in_memory in (True, False)
            if (kind, in_memory) != ("name", False)
        ),
    ],
)
def test_stock_pipeline_from_python(
    mosaic, tmp_path, monkeypatch, hook, in_memory, assert_no_seams
):
    monkeypatch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", "true")
    monkeypatch.chdir(tmp_path)
    Image3Pipeline.call(
        str(mosaic.association),
        output_dir=str(tmp_path),
        save_results=True,
        in_memory=in_memory,
        steps={**FAST, "skymatch": {"skip": True, "post_hooks": [hook]}},
        configure_log=False,
    )
    check_products(tmp_path, mosaic)
    assert_no_seams(tmp_path / I2D)


def test_own_pipeline(work, mosaic, assert_no_seams):
    done = strun(
        "calwebb_image3_pixel_skymatch",
        mosaic.association.name,
        "--disable-crds-steppars",
        "--steps.tweakreg.skip=true",
        "--steps.source_catalog.skip=true",
        "--steps.skymatch.grouping=none",
        "--steps.skymatch.save_results=true",
        cwd=work,
    )
    assert done.returncode == 0, done.stderr
    assert "groups by none" in done.stderr
    check_products(work, mosaic)
    assert_no_seams(work / I2D)
    assert len(list(work.glob("*_skymatch.fits"))) == len(mosaic.files)  # it was asked to


def test_own_pipeline_skips_by_the_stock_name(mosaic, tmp_path, monkeypatch):
    monkeypatch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", "true")
    step = PixelSkyMatchStep()
    pipeline = Image3Pipeline(
        output_dir=str(tmp_path),
        save_results=True,
        steps={**FAST, "outlier_detection": {"skip": True}},
    )
    step.parent, step.skip = pipeline, True
    pipeline.skymatch = step
    pipeline.run(str(mosaic.association))
    with open_model(tmp_path / I2D) as i2d:
        assert i2d.meta.cal_step.skymatch == "SKIPPED"
        assert i2d.meta.background.level is None


# gwcs says so when it writes the corrected WCS as SIP keywords, which nothing reads.
@pytest.mark.filterwarnings("ignore:Failed to achieve requested SIP approximation accuracy")
@pytest.mark.slow
def test_with_tweakreg(tmp_path, monkeypatch):
    """The WCS that tweakreg has put into the library is the one that counts."""
    monkeypatch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", "true")
    scene = dithers(4, seed=5, imperfections=Imperfections(pointing_rms=0.1))
    simulation = simulate_mosaic(scene, tmp_path)
    tweakreg = {"snr_threshold": 10, "kernel_fwhm": 2.5, "minobj": 8}
    steps = {"tweakreg": tweakreg, "source_catalog": {"skip": True}}
    pipeline = Image3Pipeline(output_dir=str(tmp_path), save_results=True, steps=steps)
    aligned, as_given = PixelSkyMatchStep(), PixelSkyMatchStep()
    aligned.parent, pipeline.skymatch = pipeline, aligned
    pipeline.run(str(simulation.association))
    as_given.run(str(simulation.association))
    shifts = [step.levels_table["shift_ra"].to_value("arcsec") for step in (aligned, as_given)]
    assert rms(shifts[0]) < 0.5 * rms(shifts[1])
    with open_model(next(tmp_path.glob("*_crf.fits"))) as model:
        assert model.meta.cal_step.tweakreg == "COMPLETE"


def test_shipped_parameter_file_names_what_exists():
    with asdf.open(IMAGE3_PARAMETERS) as file:
        (step,) = file["steps"]
        assert step["parameters"] == {"skip": True, "post_hooks": [HOOK]}
