"""The free constant by a member, a visit, an image, or levels of an earlier run; on known truth."""

import logging

import numpy as np
import pytest
from benchmarks.mosaics import rms
from helpers import draw_sky, read_levels, run
from jwst.skymatch import SkyMatchStep
from stdatamodels.jwst.datamodels import dqflags

from jwst_mosaic_simulation import Cirrus, Galaxy, compose_scene, mosaic_pointings, simulate_models
from jwst_mosaic_skymatch import PixelSkyMatchStep


@pytest.fixture(scope="module")
def scene():
    """Three visits beside each other, two dithers each, and two visits far from them."""
    near = mosaic_pointings(3, 1, overlap=0.2, dithers=2, visit_per_tile=True)
    far = mosaic_pointings(
        2, 1, overlap=0.2, dithers=2, visit_per_tile=True, center=(150.1, 2.2), program="08888"
    )
    return compose_scene(
        "two-fields",
        (*near, *far),
        components=(Galaxy(6.0, 15.0), Cirrus(0.5, 0.8)),
        binning=16,
        seed=4,
    )


@pytest.fixture(scope="module")
def all_models(scene):
    return simulate_models(scene)


@pytest.fixture
def both(all_models):
    """Copy all exposures."""
    return [model.copy() for model in all_models]


@pytest.fixture
def near(both):
    """Take the exposures of the three visits."""
    return both[:6]


def arrange(levels, scene):
    """Give actual and true levels in one order."""
    names = sorted(levels)
    return np.array([levels[n] for n in names]), np.array([scene.levels[n] for n in names])


def save_table(models, directory, **parameters):
    """Run on copies of models and give the path of the table of levels, and the library."""
    copies = [model.copy() for model in models]
    library = run(copies, save_diagnostics=True, output_dir=str(directory), **parameters)
    (path,) = directory.glob("*_levels.ecsv")
    return path, library


@pytest.mark.parametrize(
    ("name", "match_down", "chosen"),
    [("09999001002", True, [2, 3]), ("jw09999001002", False, [2, 3]), ("{}", True, [3])],
    ids=["visit", "label", "member"],
)
def test_mean_level_of_the_reference_is_zero(near, scene, name, match_down, chosen):
    reference = name.format(near[3].meta.filename)
    levels = read_levels(run(near, reference=reference, match_down=match_down))
    actual, truth = arrange(levels, scene)
    assert abs(actual[chosen].mean()) < 1e-12
    assert rms(actual - (truth - truth[chosen].mean())) < 0.01


@pytest.mark.parametrize("kind", ["member", "image", "table"])
def test_components_without_the_reference_keep_the_usual_rule(both, scene, tmp_path, caplog, kind):
    usual, _ = arrange(read_levels(run(both)), scene)
    reference = both[0].meta.filename
    if kind == "image":
        reference = draw_sky(scene, tmp_path / "sky.fits", (150.0, 2.2), 500)
    elif kind == "table":
        reference, _ = save_table(both[:2], tmp_path)
    caplog.clear()
    levels = read_levels(run(both, reference=reference))
    far = np.array(["jw08888" in name for name in sorted(levels)])
    difference = (arrange(levels, scene)[0] - usual)[far]
    # But for the noise of the smallest level, which is in the other field.
    np.testing.assert_allclose(difference, 0.0, atol=0.01)
    assert np.ptp(difference) < 1e-9
    (warning,) = [m for m in caplog.messages if "does not overlap 1 component" in m]
    assert "no reference for 08888001001 MIRIMAGE, 08888001002 MIRIMAGE." in warning


def test_image_makes_levels_absolute(both, scene, tmp_path, caplog):
    image = draw_sky(scene, tmp_path / "sky_i2d.fits", (150.05, 2.2), 1300)
    step = PixelSkyMatchStep(reference=image)
    library = step.run(both)
    actual, truth = arrange(read_levels(library), scene)
    # Both fields, although nothing else connects them.
    np.testing.assert_allclose(actual, truth, atol=0.01)
    assert rms(actual - truth) < 0.004
    pulls = (actual - truth) / step.levels_table["level_error"].value
    assert rms(pulls) < 2.0
    ends = step.pairs_table["second"].tolist()
    assert ends.count("reference image") == 5
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    "parameters", [{}, {"skymethod": "global+match"}, {"subtract": True}], ids=str
)
def test_one_more_visit(near, scene, tmp_path, parameters):
    """Earlier exposures keep their levels, which may be gone from the data, and their data."""
    table, first = save_table(near[:4], tmp_path, **parameters)
    before = read_levels(first)
    models = list(first.map_function(lambda model, _: model, modify=False))
    data = [model.data.copy() for model in models]
    again = run([*models, *near[4:]], reference=table, **parameters)
    levels = read_levels(again)
    assert {name: levels[name] for name in before} == before
    after = list(again.map_function(lambda model, _: model.data, modify=False))
    np.testing.assert_allclose(after[:4], data, rtol=0, atol=1e-6)
    actual, truth = arrange(levels, scene)
    assert np.std(actual - truth) < 0.01


def test_levels_that_differ_within_an_exposure_are_refused(near, tmp_path):
    near[1].meta.observation.exposure_number = near[0].meta.observation.exposure_number
    table, _ = save_table(near, tmp_path)
    with pytest.raises(ValueError, match="differ, and grouping='exposure' gives them one"):
        run(near, reference=table, grouping="exposure")


def test_stock_step_takes_the_skylist(near, tmp_path, monkeypatch):
    monkeypatch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", "true")
    near[5].dq[...] = dqflags.pixel["DO_NOT_USE"]
    parameters = {"save_diagnostics": True, "output_dir": str(tmp_path)}
    actual = read_levels(run([m.copy() for m in near], **parameters))
    (skylist,) = tmp_path.glob("*_skylist.txt")
    user = {"skymethod": "user", "skylist": str(skylist)}
    stock = SkyMatchStep.call([m.copy() for m in near], configure_log=False, **user)
    # It reads single precision, and needs a level for each; this step reads all digits.
    single = {name: float(np.float32(level or 0.0)) for name, level in actual.items()}
    assert read_levels(stock) == single
    assert read_levels(run(near, **user)) == {n: level or 0.0 for n, level in actual.items()}
