"""The free constant by a member, a visit, an image, or levels of an earlier run; on known truth."""

import logging

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS
from helpers import read_levels, rms, rootname
from jwst.skymatch import SkyMatchStep
from stdatamodels.jwst.datamodels import dqflags
from stdatamodels.jwst.datamodels import open as open_model

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
def near(all_models):
    """Copy the exposures of the three visits."""
    return [model.copy() for model in all_models[:6]]


@pytest.fixture
def both(all_models):
    """Copy all exposures."""
    return [model.copy() for model in all_models]


def run(inputs, **parameters):
    return PixelSkyMatchStep.call(inputs, configure_log=False, **parameters)


def arrange(levels, scene):
    """Give actual and true levels in one order."""
    names = sorted(levels)
    return np.array([levels[n] for n in names]), np.array([scene.levels[n] for n in names])


def visits_of(scene, levels):
    visit = {p.rootname: p.visit_id for p in scene.pointings}
    return np.array([visit[name] for name in sorted(levels)])


def draw_image(scene, path, *, center=(150.05, 2.2), width=1300, unit="MJy/sr"):
    """Save the true sky, sampled every 0.5 arcsec, with its axes turned on the sky."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = center
    wcs.wcs.crpix = [width / 2, 400]
    turn = np.deg2rad(8.0)
    scale = 0.5 / 3600
    wcs.wcs.cd = scale * np.array([[-np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    header = wcs.to_header()
    y, x = np.indices((800, width))
    image = scene.sky.diffuse(*wcs.all_pix2world(x, y, 0)).astype(np.float32)
    image[:, :40] = np.nan
    image[300:310] = 1e5  # what has no weight does not count
    weight = np.ones_like(image)
    weight[300:310] = 0.0
    if unit:
        header["BUNIT"] = unit
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(image, header=header, name="SCI"),
        fits.ImageHDU(weight, name="WHT"),
    ]
    fits.HDUList(hdus).writeto(path)
    return path


def test_member_is_at_level_zero(near, scene):
    member = near[3].meta.filename
    usual = read_levels(run(near))
    for name in (member, f"somewhere/{rootname(member)}_crf.fits", rootname(member)):
        levels = read_levels(run(near, reference=name))
        assert levels[rootname(member)] == 0.0
        actual, truth = arrange(levels, scene)
        assert rms(actual - (truth - scene.levels[rootname(member)])) < 0.01
        # Differences are those without a reference.
        assert np.ptp(actual - arrange(usual, scene)[0]) < 1e-12


@pytest.mark.parametrize(("label", "match_down"), [(False, True), (True, False)])
def test_visit_is_at_mean_level_zero(near, scene, label, match_down):
    visit = near[2].meta.observation.visit_id
    levels = read_levels(
        run(near, reference=f"jw{visit}" if label else visit, match_down=match_down)
    )
    actual, truth = arrange(levels, scene)
    chosen = visits_of(scene, levels) == visit
    assert chosen.sum() == 2
    assert abs(actual[chosen].mean()) < 1e-12
    assert rms(actual - (truth - truth[chosen].mean())) < 0.01


@pytest.mark.parametrize("kind", ["member", "image", "table"])
def test_components_without_the_reference_keep_the_usual_rule(both, scene, tmp_path, caplog, kind):
    usual, _ = arrange(read_levels(run(both)), scene)
    if kind == "image":
        reference = draw_image(scene, tmp_path / "sky.fits", center=(150.0, 2.2), width=500)
    else:
        reference = both[0].meta.filename
    if kind == "table":
        reference = save_table([m.copy() for m in both[:2]], tmp_path)
    caplog.clear()
    levels = read_levels(run(both, reference=reference))
    actual, truth = arrange(levels, scene)
    far = np.char.startswith(visits_of(scene, levels), "08888")
    if kind == "image":
        np.testing.assert_allclose(actual[~far], truth[~far], atol=0.01)
    # But for the noise of the smallest level, which is in the other field.
    np.testing.assert_allclose(actual[far], usual[far], atol=0.01)
    assert np.ptp((actual - usual)[far]) < 1e-9
    (warning,) = [m for m in caplog.messages if "do not overlap the reference" in m]
    assert warning.startswith("Visits 08888001001, 08888001002 do not overlap")
    assert "give an image" in warning


def test_reference_without_a_level(near, caplog):
    near[5].dq[...] = dqflags.pixel["DO_NOT_USE"]
    assert read_levels(run(near, reference=near[5].meta.filename)) == read_levels(run(near))
    assert "has no level (no good pixel)" in caplog.text


def test_image_makes_levels_absolute(both, scene, tmp_path, caplog):
    image = draw_image(scene, tmp_path / "sky_i2d.fits")
    step = PixelSkyMatchStep(reference=image)
    actual, truth = arrange(read_levels(step.run(both)), scene)
    # Both fields, although nothing else connects them.
    np.testing.assert_allclose(actual, truth, atol=0.01)
    assert rms(actual - truth) < 0.004
    pulls = (actual - truth) / step.levels_table["level_error"].value
    assert rms(pulls) < 2.0
    ends = step.pairs_table["second"].tolist()
    assert ends.count("reference image") == 5
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


def test_image_and_subtraction_leave_the_image(near, scene, tmp_path):
    image = draw_image(scene, tmp_path / "sky.fits")
    library = run(near, reference=str(image), subtract=True)
    with library:
        for model in library:
            ny, nx = model.data.shape
            y, x = np.indices((ny, nx))
            sky = scene.sky.diffuse(*model.meta.wcs(x, y, with_bounding_box=False))
            assert abs(np.nanmedian((model.data - sky)[model.dq == 0])) < 0.01
            library.shelve(model, modify=False)


def test_image_gives_lone_exposures_a_level(both, scene, tmp_path):
    step = PixelSkyMatchStep(reference=draw_image(scene, tmp_path / "sky.fits"))
    actual, truth = arrange(read_levels(step.run([both[0], both[7]])), scene)
    np.testing.assert_allclose(actual, truth, atol=0.02)
    assert list(step.levels_table["status"]) == ["COMPLETE"] * 2
    assert list(step.levels_table["remark"]) == ["", ""]


ERRORS = {
    "no such name": ({"reference": "jw01_cal.fits"}, ValueError, "no member or visit"),
    "no image": ({"reference": "text.fits"}, OSError, "text.fits: cannot be read"),
    "cut off": ({"reference": "cut.fits"}, OSError, "cut.fits: cannot be read"),
    "no 2-D image": ({"reference": "cube.fits"}, ValueError, "cube.fits: holds no 2-D"),
    "no WCS": ({"reference": "plain.fits"}, ValueError, "plain.fits: has no celestial"),
    "broken WCS": ({"reference": "broken.fits"}, (OSError, ValueError), "broken.fits: "),
    "other unit": ({"reference": "jansky.fits"}, ValueError, "is Jy, but MJy/sr in the exp"),
    "no table": ({"reference": "nowhere.ecsv"}, FileNotFoundError, "nowhere.ecsv: no such table"),
    "no ECSV": ({"reference": "text.ecsv"}, ValueError, "cannot be read as a table"),
    "no columns": ({"reference": "columns.ecsv"}, ValueError, "no column level;"),
    "unit of table": ({"reference": "unit.ecsv"}, ValueError, "no numbers in the unit"),
    "text as levels": ({"reference": "words.ecsv"}, ValueError, "no numbers in the unit"),
    "other exposures": ({"reference": "others.ecsv"}, ValueError, "no level of any exposure"),
    "listed twice": ({"reference": "twice.ecsv"}, ValueError, "more than once in twice.ecsv"),
}


@pytest.fixture(scope="module")
def bad_files(scene, all_models, tmp_path_factory):
    """Write what can be given by mistake."""
    directory, name = tmp_path_factory.mktemp("bad"), all_models[0].meta.filename
    for name_of_text in ("text.fits", "text.ecsv"):
        (directory / name_of_text).write_text("no FITS")
    good = draw_image(scene, directory / "jansky.fits", unit="Jy").read_bytes()
    (directory / "cut.fits").write_bytes(good[:20000])
    (directory / "broken.fits").write_bytes(good.replace(b"'DEC--TAN'", b"'GLAT-TAN'"))
    fits.writeto(directory / "cube.fits", np.zeros((2, 3, 4)))
    fits.writeto(directory / "plain.fits", np.zeros((3, 4)))
    value = u.Quantity([1.0], "MJy/sr")
    for file, names, columns in (
        ("columns", [name], {}),
        ("unit", [name], {"level": [1.0] * u.K, "level_error": [1.0] * u.K}),
        ("words", [name], {"level": ["one"], "level_error": value}),
        ("others", ["other_cal.fits"], {"level": value, "level_error": value}),
        ("twice", [name, name], {"level": [1, 1] * value, "level_error": [1, 1] * value}),
    ):
        QTable({"filename": names, **columns}).write(directory / f"{file}.ecsv")
    return directory


@pytest.mark.parametrize("case", ERRORS)
def test_errors(near, bad_files, case, monkeypatch):
    monkeypatch.chdir(bad_files)
    parameters, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message) as caught:
        run(near, **parameters)
    assert "\n" not in str(caught.value)


def save_table(models, directory, **parameters):
    """Run on models and give the path of the table of levels."""
    run(models, save_diagnostics=True, output_dir=str(directory), **parameters)
    (path,) = directory.glob("*_levels.ecsv")
    return path


@pytest.mark.parametrize("skymethod", ["match", "global+match"])
def test_one_more_visit(near, scene, tmp_path, skymethod):
    table = save_table([m.copy() for m in near[:4]], tmp_path, skymethod=skymethod)
    before = QTable.read(table)
    # Whatever the zero point of the earlier run was.
    before["level"] += 3.0 * before["level"].unit
    before.write(table, overwrite=True)
    levels = read_levels(run(near, reference=table, skymethod=skymethod))
    for row in before:
        assert levels[rootname(row["filename"])] == row["level"].value
    actual, truth = arrange(levels, scene)
    assert np.std(actual - truth) < 0.01


def test_one_more_visit_on_exposures_that_were_subtracted(near, scene, tmp_path):
    """Levels of the table are gone from the data, and recorded."""
    first = near[:4]
    library = run(first, subtract=True, save_results=True, output_dir=str(tmp_path))
    table = save_table(first, tmp_path, subtract=True)
    before = read_levels(library)
    new = [open_model(path) for path in sorted(tmp_path.glob("*_skymatch.fits"))]
    data = [model.data.copy() for model in new]
    again = run([*new, *near[4:]], subtract=True, reference=table)
    levels = read_levels(again)
    assert {name: levels[name] for name in before} == before
    with again:
        for k, model in enumerate(again):
            if k < 4:  # their names come first
                np.testing.assert_allclose(model.data, data[k], rtol=0, atol=1e-6)
            again.shelve(model, modify=False)
    actual, truth = arrange(levels, scene)
    assert np.std(actual - truth) < 0.01
    for model in new:
        model.close()


def test_exposure_without_overlap_keeps_its_level(near, tmp_path, caplog):
    table = save_table([m.copy() for m in near], tmp_path)
    before = {rootname(row["filename"]): row["level"].value for row in QTable.read(table)}
    few = [near[0], near[4], near[5]]
    assert read_levels(run(few, reference=table)) == {
        rootname(m.meta.filename): before[rootname(m.meta.filename)] for m in few
    }
    assert "SKIPPED" not in caplog.text


@pytest.mark.parametrize("subtract", [pytest.param(False, marks=pytest.mark.slow), True])
def test_stock_step_takes_the_skylist(near, tmp_path, monkeypatch, subtract):
    monkeypatch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", "true")
    near[5].dq[...] = dqflags.pixel["DO_NOT_USE"]
    parameters = {"save_diagnostics": True, "output_dir": str(tmp_path), "subtract": subtract}
    actual = read_levels(run([m.copy() for m in near], **parameters))
    (skylist,) = tmp_path.glob("*_skylist.txt")
    stock = SkyMatchStep.call(
        [m.copy() for m in near],
        skymethod="user",
        skylist=str(skylist),
        subtract=subtract,
        configure_log=False,
    )
    # It reads single precision, and needs a level for each.
    expected = {name: float(np.float32(level or 0.0)) for name, level in actual.items()}
    assert read_levels(stock) == expected
    assert "# No level: no good pixel\n" in skylist.read_text()
    # This step reads all digits.
    ours = read_levels(run(near, skymethod="user", skylist=skylist))
    assert ours == {name: level or 0.0 for name, level in actual.items()}
