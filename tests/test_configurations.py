"""The ways in which people configure step and pipeline, and what they give to them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.modeling.models import Shift
from helpers import level_errors, read_levels, rms, rootname
from jwst.datamodels import ModelLibrary
from jwst.pipeline import Image3Pipeline
from jwst.skymatch import SkyMatchStep
from jwst.stpipe import Pipeline, Step
from stdatamodels.jwst.datamodels import ImageModel
from stdatamodels.jwst.datamodels import open as open_model

from jwst_mosaic_simulation import nircam_mosaic, simulate_models, two_by_three
from jwst_mosaic_skymatch import IMAGE3_PARAMETERS, PixelSkyMatchImage3Pipeline, PixelSkyMatchStep

HOOK = "jwst_mosaic_skymatch.PixelSkyMatchStep"
SKIPPED = {"skip": True}
OTHERS = ("tweakreg", "outlier_detection", "resample", "source_catalog")
# Steps of a pipeline that ends with skymatch, and of one whose crf files tell the levels.
TO_SKYMATCH = dict.fromkeys(OTHERS, SKIPPED)
TO_CRF = {"tweakreg": SKIPPED, "resample": SKIPPED, "source_catalog": SKIPPED}


class Stock(Pipeline):
    """The stock step in a pipeline; what it returns is kept here, out of the sight of CRDS."""

    class_alias = "stock"
    step_defs = {"skymatch": SkyMatchStep}  # noqa: RUF012
    spec = "in_memory = boolean(default=True)"

    def process(self, association):
        models = ModelLibrary(str(association), on_disk=not self.in_memory)
        self.result = self.skymatch.run(models)


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    monkeypatch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", "true")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def matched(mosaic):
    """Levels of the mosaic, and the data less these."""
    return values_of(PixelSkyMatchStep(subtract=True).run(mosaic.association))


def values_of(library):
    """Level and median of the data of each exposure."""

    def value(model, _):
        return rootname(model.meta.filename), model.meta.background.level, np.nanmedian(model.data)

    values = sorted(library.map_function(value, modify=False))
    return np.array([value[1:] for value in values])


def levels_of_files(directory, suffix):
    levels = {}
    for path in sorted(Path(directory).glob(f"*_{suffix}.fits")):
        with open_model(path) as model:
            assert model.meta.cal_step.skymatch == "COMPLETE"
            levels[rootname(path.name).removesuffix("_a3001")] = model.meta.background.level
    return levels


def check_levels(directory, mosaic, suffix="skymatch"):
    levels = levels_of_files(directory, suffix)
    assert len(levels) == len(mosaic.files)
    assert rms(level_errors(levels, mosaic.levels)) < 0.002


# --- As a hook of the stock step ------------------------------------------


def run_hooked(mosaic, **skymatch):
    pipeline = Stock(steps={"skymatch": skymatch})
    pipeline.run(mosaic.association)
    return pipeline.result


def test_hook_has_the_parameters_of_the_skipped_step(mosaic, matched):
    found = values_of(run_hooked(mosaic, post_hooks=[HOOK], skip=True, subtract=True))
    np.testing.assert_array_equal(found, matched)


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
def test_hooked_step_that_changes_levels_itself_is_refused(mosaic, skymatch):
    with pytest.raises(ValueError, match=r"skip it \(skip=True\) and make .* its post-hook"):
        run_hooked(mosaic, **skymatch)


@pytest.mark.parametrize("hooks", ["pre_hooks", "post_hooks"])
def test_hook_of_a_step_run_by_itself_is_refused(mosaic, hooks):
    """Stpipe never skips such a step."""
    with pytest.raises(ValueError, match="or run pixel_skymatch instead"):
        SkyMatchStep(skip=True, **{hooks: [HOOK]}).run(str(mosaic.association))


def test_hook_with_parameters_of_its_own_tells_of_two_subtractions(mosaic, caplog):
    """It does not know which step it is a hook of."""
    run_hooked(mosaic, post_hooks=[f"{HOOK}(subtract=True)"], subtract=True)
    assert "subtracted from 8 of 8 exposures before" in caplog.text
    assert "skip it (skip=True)" in caplog.text


def test_hook_saves_what_the_hooked_step_was_to_save(mosaic, tmp_path):
    parameters = {"post_hooks": [HOOK], "skip": True, "save_results": True, "suffix": "mine"}
    Stock(output_dir="out", steps={"skymatch": parameters}).run(mosaic.association)
    names = {path.name for path in Path("out").iterdir()}
    saved = {path.name.replace("_cal", "_mine") for path in mosaic.files}
    assert names == {*saved, "stephans-quintet_skymatch_asn.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_several_parameters_in_a_hook_on_the_command_line(mosaic, caplog):
    Step.from_cmdline(
        [
            "calwebb_image3",
            str(mosaic.association),
            *(f"--steps.{name}.skip=true" for name in (*OTHERS, "skymatch")),
            f"--steps.skymatch.post_hooks=\"{HOOK}(grouping='none', subtract=True)\",",
        ]
    )
    assert "by none" in caplog.text
    assert "'subtract': True" in caplog.text or "subtract: True" in caplog.text


# --- Parameters -----------------------------------------------------------


@pytest.mark.parametrize("cores", [1, "1"])
def test_number_of_cores_is_a_number_or_text(mosaic, cores):
    steps = {"skymatch": {"maximum_cores": cores}}
    assert PixelSkyMatchImage3Pipeline(steps=steps).skymatch.maximum_cores == cores
    step = PixelSkyMatchStep(maximum_cores=cores)
    step.run(mosaic.files[:2])
    assert step.result.provenance.parameters["maximum_cores"] == "1"


def write_skylist(mosaic, path):
    lines = [f"{file.name} {number}.5" for number, file in enumerate(mosaic.files)]
    path.write_text("\n".join(lines))


@pytest.mark.parametrize("way", ["call", "init", "attributes"])
def test_paths_as_parameters(mosaic, tmp_path, way):
    skylist, out = tmp_path / "sky.txt", tmp_path / "out"
    write_skylist(mosaic, skylist)
    parameters = {"skymethod": "user", "skylist": skylist, "output_dir": out, "save_results": True}
    if way == "call":
        PixelSkyMatchStep.call(mosaic.files, configure_log=False, maximum_cores=1, **parameters)
    elif way == "init":
        PixelSkyMatchStep(**parameters).run(mosaic.files)
    else:
        step = PixelSkyMatchStep()
        for name, value in parameters.items():
            setattr(step, name, value)
        step.run(mosaic.files)
    assert len(list(out.glob("*_skymatch.fits"))) == len(mosaic.files)


def test_parameters_of_a_pipeline(mosaic):
    write_skylist(mosaic, Path("sky.txt"))
    steps = dict(TO_SKYMATCH)
    steps["skymatch"] = {"skymethod": "user", "skylist": Path("sky.txt"), "output_dir": Path("out")}
    steps["skymatch"] |= {"save_results": True, "maximum_cores": 1}
    PixelSkyMatchImage3Pipeline.call(mosaic.association, configure_log=False, steps=steps)
    assert len(list(Path("out").glob("*_skymatch.fits"))) == len(mosaic.files)


def test_pipeline_keeps_a_list_of_files_on_disk(mosaic):
    """Jwst refuses such a list."""
    PixelSkyMatchImage3Pipeline.call(
        mosaic.files[:2],
        configure_log=False,
        output_dir="out",
        in_memory=False,
        steps={**TO_SKYMATCH, "skymatch": {"save_results": True}},
    )
    assert len(levels_of_files("out", "skymatch")) == 2


# --- The pipeline ---------------------------------------------------------


def test_pipeline_by_a_dict_of_steps(mosaic):
    PixelSkyMatchImage3Pipeline.call(
        mosaic.association,
        configure_log=False,
        output_dir="out",
        steps={
            **TO_CRF,
            "skymatch": {
                "skymethod": "match",
                "subtract": True,
                "match_down": False,
                "save_results": True,
            },
        },
        save_results=True,
    )
    check_levels("out", mosaic, "crf")
    assert max(levels_of_files("out", "crf").values()) == 0.0
    saved = sorted(Path("out").glob("*_skymatch.fits"))
    assert len(saved) == len(mosaic.files)
    with open_model(saved[0]) as model, open_model(mosaic.files[0]) as original:
        assert model.meta.background.subtracted is True
        added = model.data - original.data
        np.testing.assert_allclose(np.nanmedian(added), -model.meta.background.level, atol=1e-5)


def test_stock_pipeline_by_the_parameter_file(mosaic):
    Image3Pipeline.call(
        str(mosaic.association),
        config_file=IMAGE3_PARAMETERS,
        configure_log=False,
        output_dir="out",
        save_results=True,
        steps={**TO_CRF, "skymatch": {"subtract": True, "save_results": True}},
    )
    check_levels("out", mosaic, "crf")
    assert len(list(Path("out").glob("*_skymatch.fits"))) == len(mosaic.files)


def follow(model, east, north):
    """Point an exposure at a target that has moved by so much, degrees, since the first."""
    wcs = model.meta.wcs
    *first, (frame, to_sky), last = [(step.frame, step.transform) for step in wcs.pipeline]
    moved = type(wcs)([*first, (frame, to_sky | Shift(east) & Shift(north)), last])
    moved.bounding_box = wcs.bounding_box
    model.meta.wcs = moved
    model.meta.target.type = "MOVING"
    model.meta.wcsinfo.mt_ra = 10.0 + east
    model.meta.wcsinfo.mt_dec = -5.0 + north


def test_moving_target(mosaic):
    """Its pixels are compared in the frame that moves with it, in which they are resampled."""
    for number, path in enumerate(mosaic.files):
        with open_model(path) as model:
            follow(model, 0.01 * number, -0.005 * number)
            model.save(path.name)
    PixelSkyMatchImage3Pipeline.call(
        sorted(Path().glob("*_cal.fits")),
        configure_log=False,
        output_dir="out",
        steps={**TO_SKYMATCH, "skymatch": {"save_results": True}},
    )
    check_levels("out", mosaic)
    with open_model(next(Path("out").glob("*_skymatch.fits"))) as model:
        assert model.meta.cal_step.assign_mtwcs == "COMPLETE"
        assert model.meta.wcs.output_frame.name == "moving_target"


# --- What the exposures hold ----------------------------------------------


def test_what_others_have_added_survives(mosaic):
    with open_model(mosaic.files[0]) as model:
        model.meta.my_notes = {"seen_by": "a friend", "numbers": [1, 2]}
        model.save("mine_cal.fits")
    with fits.open("mine_cal.fits", mode="update") as hdus:
        hdus[0].header["MYKEY"] = ("kept", "my own keyword")
        hdus["SCI"].header["MYSCI"] = 2.5
        hdus.insert(len(hdus) - 1, fits.ImageHDU(np.arange(6).reshape(2, 3), name="MYEXT"))
    PixelSkyMatchStep.call(
        ["mine_cal.fits", *mosaic.files[1:]],
        configure_log=False,
        save_results=True,
        output_dir="out",
    )
    with fits.open("out/mine_skymatch.fits") as hdus:
        assert hdus[0].header["MYKEY"] == "kept"
        assert hdus["SCI"].header["MYSCI"] == 2.5
        np.testing.assert_array_equal(hdus["MYEXT"].data, np.arange(6).reshape(2, 3))
    with open_model("out/mine_skymatch.fits") as model:
        assert model.meta.background.level is not None
        assert model.meta.my_notes.instance == {"seen_by": "a friend", "numbers": [1, 2]}


# Jwst 1.20 does not know that status.
@pytest.mark.filterwarnings("ignore:While validating skymatch")
@pytest.mark.parametrize("in_memory", [True, False])
def test_failure_of_an_earlier_run_is_forgotten(mosaic, in_memory):
    with open_model(mosaic.files[0]) as model:
        model.meta.cal_step.skymatch = "FAILED"
        model.save("failed_cal.fits")
    step = PixelSkyMatchStep(in_memory=in_memory)
    library = step.run(["failed_cal.fits", *mosaic.files[1:]])
    said = library.map_function(lambda m, _: m.meta.cal_step.skymatch, modify=False)
    assert set(said) == {"COMPLETE"}


def minimal(path):
    """Make a model of data, flags and WCS alone."""
    with open_model(path) as model:
        least = ImageModel(np.array(model.data))
        least.dq = np.array(model.dq)
        least.meta.wcs = model.meta.wcs
    return least


@pytest.mark.parametrize("skymethod", ["local", "global+match"])
def test_models_with_hardly_any_metadata(mosaic, skymethod):
    # Of no instrument, exposures have no Lyot field that could be left out.
    parameters = {"skymethod": skymethod, "grouping": "none"}
    parameters["miri_lyot"] = "keep"
    models = [minimal(path) for path in mosaic.files]
    expected = read_levels(PixelSkyMatchStep(**parameters).run(mosaic.association))
    library = PixelSkyMatchStep(**parameters).run(models)
    found = list(library.map_function(lambda m, _: m.meta.background.level, modify=False))
    # The grid may be a little different.
    np.testing.assert_allclose(found, [expected[rootname(p.name)] for p in mosaic.files], atol=2e-3)


# --- Beside the stock step ------------------------------------------------


def compare_with_stock(make_models, *, rtol=1e-12, atol=0.0, ours=None, **parameters):
    stock = values_of(SkyMatchStep(**parameters).run(make_models()))
    own = values_of(PixelSkyMatchStep(**parameters, **(ours or {})).run(make_models()))
    assert np.ptp(stock[:, 1]) > 0
    np.testing.assert_allclose(own[:, 0], stock[:, 0], rtol=rtol, atol=atol)
    np.testing.assert_allclose(own[:, 1], stock[:, 1], rtol=1e-6, atol=atol)


@pytest.fixture(scope="module")
def few_models(mosaic):
    models = [open_model(path) for path in mosaic.files[::2]]
    return lambda: [model.copy() for model in models]


@pytest.mark.parametrize("skymethod", ["local", "global"])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"skystat": "median", "lower": 9.0, "upper": 12.0, "subtract": True},
        {"skystat": "mean", "nclip": 0, "subtract": True},
        {"skystat": "midpt", "nclip": 2, "lsigma": 3.0, "usigma": 2.0, "binwidth": 0.2},
        {"skystat": "median", "dqbits": None},
        {"lower": 9.3, "dqbits": "~DO_NOT_USE"},
    ],
)
def test_absolute_levels_are_those_of_the_stock_step(few_models, skymethod, parameters):
    compare_with_stock(few_models, skymethod=skymethod, **parameters)


@pytest.mark.parametrize("subtract", [True, False])
def test_user_levels_are_those_of_the_stock_step(mosaic, few_models, subtract):
    lines = [f"{file.name} {number}.5" for number, file in enumerate(mosaic.files[::2])]
    Path("sky.txt").write_text("\n".join(lines))
    compare_with_stock(few_models, skymethod="user", skylist="sky.txt", subtract=subtract)


@pytest.mark.parametrize("skymethod", [pytest.param("local", marks=pytest.mark.slow), "global"])
def test_detectors_of_an_exposure_share_the_stock_level(skymethod):
    scene = nircam_mosaic(binning=32, detector_scatter=0.3)
    models = simulate_models(replace(scene, pointings=scene.pointings[4:12]))
    assert len({model.meta.observation.exposure_number for model in models}) > 1

    def make_models():
        return [model.copy() for model in models]

    compare_with_stock(make_models, skymethod=skymethod, ours={"grouping": "exposure"})


@pytest.mark.parametrize("skymethod", ["match", "global+match"])
def test_matched_levels_are_those_of_the_stock_step_on_a_plain_sky(skymethod):
    models = simulate_models(two_by_three(levels=np.arange(6.0), binning=16))

    def make_models():
        return [model.copy() for model in models]

    compare_with_stock(make_models, skymethod=skymethod, rtol=0.0, atol=1e-3)
