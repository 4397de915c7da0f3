"""The ways in which people configure step and pipeline, and what they give to them."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from helpers import absolute, levels_of_files, read_levels, rootname
from jwst.datamodels import ModelLibrary
from jwst.pipeline import Image3Pipeline
from jwst.skymatch import SkyMatchStep
from jwst.stpipe import Pipeline
from jwst.tweakreg import TweakRegStep
from jwst.tweakreg.utils import adjust_wcs
from stdatamodels.jwst.datamodels import open as open_model

from jwst_mosaic_skymatch import IMAGE3_PARAMETERS, PixelSkyMatchImage3Pipeline, PixelSkyMatchStep

HOOK = "jwst_mosaic_skymatch.PixelSkyMatchStep"
SKIPPED = {"skip": True}
OTHERS = ("tweakreg", "outlier_detection", "resample", "source_catalog")
# By how much tweakreg moves an exposure, degrees.
ASIDE = 5.0 / 3600
# Steps of a pipeline that ends with skymatch, and of one whose crf files hold the levels.
TO_SKYMATCH = dict.fromkeys(OTHERS, SKIPPED)
TO_CRF = {"tweakreg": SKIPPED, "resample": SKIPPED, "source_catalog": SKIPPED}

# Stpipe takes the lock of CRDS by a name that newer versions of CRDS have replaced.
pytestmark = pytest.mark.filterwarnings("ignore:'get_cache_lock' is deprecated:DeprecationWarning")


class Stock(Pipeline):
    """The stock step in a pipeline; its result is kept here, out of the sight of CRDS."""

    class_alias = "stock"
    step_defs = {"skymatch": SkyMatchStep}  # noqa: RUF012

    def process(self, association):
        self.result = self.skymatch.run(ModelLibrary(str(association)))


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    monkeypatch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", "true")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def matched(small):
    """Levels of the mosaic, and the data minus these."""
    return values_of(PixelSkyMatchStep(subtract=True).run(small.association))


def values_of(library):
    """Level and median of the data of each exposure."""

    def value(model, _):
        return rootname(model.meta.filename), model.meta.background.level, np.nanmedian(model.data)

    values = sorted(library.map_function(value, modify=False))
    return np.array([value[1:] for value in values])


# --- As a hook of the stock step ------------------------------------------


def run_hooked(small, **skymatch):
    pipeline = Stock(output_dir="out", steps={"skymatch": skymatch})
    pipeline.run(small.association)
    return values_of(pipeline.result)


def test_hook_has_the_parameters_of_the_skipped_step(small, matched, tmp_path):
    parameters = {"skip": True, "subtract": True, "save_results": True, "suffix": "mine"}
    np.testing.assert_array_equal(run_hooked(small, post_hooks=[HOOK], **parameters), matched)
    names = {path.name for path in Path("out").iterdir()}
    saved = {path.name.replace("_cal", "_mine") for path in small.files}
    assert names == {*saved, small.association.name.replace("_asn", "_skymatch_asn")}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    "skymatch",
    [
        {"post_hooks": [HOOK]},
        {"post_hooks": [PixelSkyMatchStep], "subtract": True},
        {"pre_hooks": [HOOK]},
        {"pre_hooks": [PixelSkyMatchStep], "skip": True},
    ],
    ids=str,
)
def test_hooked_step_that_changes_levels_itself_is_refused(small, skymatch):
    with pytest.raises(ValueError, match=r"skip it \(skip=True\) and make .* its post-hook"):
        run_hooked(small, **skymatch)


@pytest.mark.parametrize("hooks", ["pre_hooks", "post_hooks"])
def test_hook_of_a_step_run_by_itself_is_refused(small, hooks):
    """Stpipe never skips such a step."""
    with pytest.raises(ValueError, match="or run pixel_skymatch instead"):
        SkyMatchStep(skip=True, **{hooks: [HOOK]}).run(str(small.association))


def test_hook_with_parameters_of_its_own_warns_of_two_subtractions(small, caplog):
    """The name of the hooked step is not known to it."""
    run_hooked(small, post_hooks=[f"{HOOK}(subtract=True)"], subtract=True)
    assert "subtracted from 4 of 4 exposures before" in caplog.text
    assert "skip it (skip=True)" in caplog.text


# --- Parameters -----------------------------------------------------------


@pytest.fixture
def skylist(small, tmp_path):
    """Write levels of all exposures."""
    lines = [f"{file.name} {number}.5" for number, file in enumerate(small.files)]
    (tmp_path / "sky.txt").write_text("\n".join(lines))
    return tmp_path / "sky.txt"


@pytest.fixture
def in_crds(monkeypatch, tmp_path):
    """Make a local cache of CRDS with a file of the stock step's parameters; give its path."""
    monkeypatch.delenv("STPIPE_DISABLE_CRDS_STEPPARS")
    monkeypatch.setenv("CRDS_PATH", str(tmp_path / "crds"))
    shutil.copytree(Path(__file__).parent / "crds", "crds")
    path = tmp_path / "crds/references/jwst/miri/jwst_miri_pars-skymatchstep_0001.asdf"
    path.parent.mkdir(parents=True)
    SkyMatchStep(subtract=True, nclip=3, save_results=True).export_config(path)
    return path


def test_parameters_in_crds(small, in_crds, caplog):
    """They come after defaults and before the user's; those of every step are not taken."""
    caplog.set_level("INFO")
    association = absolute(small)
    association["products"][0]["members"][0]["exptype"] = "SCIENCE"
    for inputs in (small.association, small.files, ModelLibrary(association), association):
        config, _ = PixelSkyMatchStep.build_config(inputs, subtract=False)
        assert (config["subtract"], config["nclip"], "save_results" in config) == (False, 3, False)
    assert caplog.text.count(f"PARS-SKYMATCHSTEP parameters found: {in_crds}") == 4
    config, _ = PixelSkyMatchImage3Pipeline.build_config(association)
    assert config["steps"]["skymatch"]["nclip"] == 3


@pytest.mark.usefixtures("in_crds")
@pytest.mark.parametrize(
    ("variable", "value"), [("STPIPE_DISABLE_CRDS_STEPPARS", "true"), ("CRDS_PATH", "none")]
)
def test_without_crds_nothing_is_asked(small, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr("stpipe.crds_client.get_reference_file", pytest.fail)
    assert not PixelSkyMatchStep.get_config_from_reference(str(small.association))


@pytest.mark.usefixtures("in_crds")
def test_crds_that_cannot_be_reached(small, monkeypatch, caplog):
    """CRDS ends the process then, and the step goes on."""
    monkeypatch.setattr("stpipe.crds_client.get_reference_file", lambda *_: sys.exit(-1))
    assert not PixelSkyMatchStep.build_config(str(small.association))[0]
    assert "CRDS cannot be reached" in caplog.text


@pytest.mark.usefixtures("in_crds")
@pytest.mark.parametrize("step", [PixelSkyMatchStep, PixelSkyMatchImage3Pipeline])
def test_crds_is_not_asked_about_no_exposure(step):
    """Jwst would end with an IndexError."""
    with pytest.raises(ValueError, match="no science member; list at least one"):
        step.get_config_from_reference({"products": [{"members": []}]})


def test_bad_parameters_in_crds_are_an_error(small, in_crds):
    in_crds.write_text("no parameters")
    with pytest.raises(SyntaxError, match="no parameters"):
        PixelSkyMatchStep.get_config_from_reference(str(small.association))


# --- The pipeline ---------------------------------------------------------


def test_parameters_of_a_pipeline_on_disk(small, skylist):
    """Jwst refuses a list of files there."""
    skymatch = {"skymethod": "user", "skylist": skylist, "output_dir": Path("out")}
    PixelSkyMatchImage3Pipeline.call(
        small.files,
        configure_log=False,
        in_memory=False,
        steps={**TO_SKYMATCH, "skymatch": {**skymatch, "save_results": True, "maximum_cores": 1}},
    )
    assert sorted(levels_of_files("out").values()) == [0.5, 1.5, 2.5, 3.5]


@pytest.mark.parametrize(
    ("pipeline", "match_down", "options"),
    [
        (PixelSkyMatchImage3Pipeline, False, {}),
        (Image3Pipeline, True, {"config_file": IMAGE3_PARAMETERS}),
    ],
)
def test_subtracted_levels_of_a_pipeline(small, small_levels, pipeline, match_down, options):
    skymatch = {"subtract": True, "match_down": match_down, "save_results": True}
    pipeline.call(
        str(small.association),
        configure_log=False,
        output_dir="out",
        save_results=True,
        steps={**TO_CRF, "skymatch": skymatch},
        **options,
    )
    zero = 0.0 if match_down else max(small_levels.values())
    expected = pytest.approx({name: level - zero for name, level in small_levels.items()})
    assert levels_of_files("out", "crf") == levels_of_files("out") == expected
    path = next(Path("out").glob("*_skymatch.fits"))
    original = small.association.parent / path.name.replace("_skymatch", "_cal")
    with open_model(path) as model, open_model(original) as before:
        assert model.meta.background.subtracted is True
        added = np.nanmedian(model.data - before.data)
        np.testing.assert_allclose(added, -model.meta.background.level, atol=1e-5)


def follow(model, east, north):
    """Point an exposure at a target that has moved by so much, degrees, since the first."""
    model.meta.wcs = adjust_wcs(model.meta.wcs, delta_ra=east, delta_dec=north)
    model.meta.target.type = "MOVING"
    model.meta.wcsinfo.mt_ra = 10.0 + east
    model.meta.wcsinfo.mt_dec = -5.0 + north


def test_moving_target(small, small_levels):
    """Pixels are compared in the frame that moves with the target, as they are resampled."""
    for number, path in enumerate(small.files):
        with open_model(path) as model:
            follow(model, 0.01 * number, -0.005 * number)
            model.save(path.name)
    PixelSkyMatchImage3Pipeline.call(
        sorted(Path().glob("*_cal.fits")),
        configure_log=False,
        output_dir="out",
        steps={**TO_SKYMATCH, "skymatch": {"save_results": True}},
    )
    # On another grid; levels of so few pixels have errors of 0.005.
    assert levels_of_files("out") == pytest.approx(small_levels, abs=0.02)
    with open_model(next(Path("out").glob("*_skymatch.fits"))) as model:
        assert model.meta.cal_step.assign_mtwcs == "COMPLETE"
        assert model.meta.wcs.output_frame.name == "moving_target"


class Align(TweakRegStep):
    """Takes the displacement of the first exposure back; tweakreg itself needs more stars."""

    def process(self, library):
        with library:
            model = library.borrow(0)
            model.meta.wcs = adjust_wcs(model.meta.wcs, delta_ra=-ASIDE)
            library.shelve(model, 0)
        return library


@pytest.mark.parametrize("in_memory", [True, False])
def test_pixels_lie_where_tweakreg_puts_them(small, small_levels, monkeypatch, in_memory):
    with open_model(small.files[0]) as model:
        model.meta.wcs = adjust_wcs(model.meta.wcs, delta_ra=ASIDE)
        model.save(small.files[0].name)
    files = [small.files[0].name, *small.files[1:]]
    displaced = read_levels(PixelSkyMatchStep().run(files))
    monkeypatch.setitem(PixelSkyMatchImage3Pipeline.step_defs, "tweakreg", Align)
    PixelSkyMatchImage3Pipeline.call(
        files,
        configure_log=False,
        output_dir="out",
        in_memory=in_memory,
        steps={**TO_SKYMATCH, "tweakreg": {}, "skymatch": {"save_results": True}},
    )
    assert levels_of_files("out") == pytest.approx(small_levels, abs=1e-4)
    assert displaced != pytest.approx(small_levels, abs=1e-2)


# --- Beside the stock step ------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {"skymethod": "global", "dqbits": None, "skystat": "median", "upper": 12.0},
        {"skymethod": "local", "skystat": "mean", "nclip": 0, "subtract": True},
        {
            "skymethod": "local",
            "skystat": "midpt",
            "nclip": 2,
            "lsigma": 3.0,
            "usigma": 2.0,
            "binwidth": 0.2,
            "lower": 9.3,
            "dqbits": "~DO_NOT_USE",
        },
        {"skymethod": "user", "skylist": "sky.txt", "subtract": True},
    ],
    ids=lambda parameters: "-".join(map(str, parameters.values())),
)
@pytest.mark.usefixtures("skylist")
def test_absolute_levels_are_those_of_the_stock_step(small, parameters):
    """Detectors of an exposure share their level in the tests of jwst (tests/peer)."""
    stock, own = (
        values_of(step(**parameters).run([open_model(path) for path in small.files]))
        for step in (SkyMatchStep, PixelSkyMatchStep)
    )
    assert np.ptp(stock[:, 1]) > 0
    np.testing.assert_allclose(own[:, 0], stock[:, 0], rtol=1e-12)
    np.testing.assert_allclose(own[:, 1], stock[:, 1], rtol=1e-6)


# Jwst 1.20 does not know that status.
@pytest.mark.filterwarnings("ignore:While validating skymatch")
def test_additions_survive_and_an_earlier_failure_does_not(small):
    with open_model(small.files[0]) as model:
        model.meta.my_notes = "seen by a friend"
        model.meta.cal_step.skymatch = "FAILED"
        model.save("mine_cal.fits")
    with fits.open("mine_cal.fits", mode="update") as hdus:
        hdus["SCI"].header["MYSCI"] = 2.5
        hdus.insert(len(hdus) - 1, fits.ImageHDU(np.eye(3), name="MYEXT"))
    step = PixelSkyMatchStep(save_results=True, output_dir="out", in_memory=False)
    step.run(["mine_cal.fits", *small.files[1:]])
    with fits.open("out/mine_skymatch.fits") as hdus:
        assert hdus["SCI"].header["MYSCI"] == 2.5
        np.testing.assert_array_equal(hdus["MYEXT"].data, np.eye(3))
    with open_model("out/mine_skymatch.fits") as model:
        assert model.meta.my_notes == "seen by a friend"
    assert len(levels_of_files("out")) == len(small.files)
