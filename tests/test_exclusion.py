"""What is left out of the matching, on mosaics with known levels."""

import logging
from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from helpers import level_errors, read_levels, rms
from stdatamodels.jwst.datamodels import open as open_model

from jwst_mosaic_simulation import DetectorOptions, mosaic_pointings, simulate_models, two_by_three
from jwst_mosaic_skymatch import PixelSkyMatchStep
from jwst_mosaic_skymatch.exposures.models import borrowed

BINNING = 8
# Of the patch: arcsec, so that it covers most of the field, where no statistic is robust any
# more; MJy/sr from one exposure to the next.
RADIUS, STEP = 42.0, 0.5


def errors(library, scene):
    return level_errors(read_levels(library), scene.levels)


@pytest.fixture
def models(mosaic):
    return [open_model(file) for file in mosaic.files]


@pytest.fixture
def centre(models):
    """The middle of the first exposure's imager, where every exposure looks."""
    return SkyCoord(*models[0].meta.wcs(84.0, 64.0), unit="deg")


def add_patch(models, centre):
    """Add something that changes from one exposure to the next, at one place on the sky."""
    for k, model in enumerate(models):
        y, x = np.indices(model.data.shape).astype(float)
        sky = SkyCoord(*model.meta.wcs(x, y, with_bounding_box=False), unit="deg")
        model.data = model.data + np.float32(STEP * k) * (sky.separation(centre).arcsec < RADIUS)


def region_file(path, centre):
    path.write_text(f'fk5\ncircle({centre.fk5.ra.deg},{centre.fk5.dec.deg},{RADIUS + 2.0}")\n')
    return path


def mask_file(path, centre):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [centre.ra.deg, centre.dec.deg]
    wcs.wcs.crpix, wcs.wcs.cdelt = [151, 151], [-0.3 / 3600, 0.3 / 3600]
    y, x = np.indices((301, 301)) - 150
    image = (np.hypot(x, y) * 0.3 < RADIUS + 2.0).astype(np.uint8)
    fits.PrimaryHDU(image, wcs.to_header()).writeto(path)
    return path


@pytest.mark.parametrize(("make", "name"), [(region_file, "a.reg"), (mask_file, "a.fits")])
def test_patch_on_the_sky(centre, mosaic_scene, tmp_path, monkeypatch, make, name):
    """In three mosaics, as few loops are left to each."""
    monkeypatch.chdir(tmp_path)
    make(tmp_path / name, centre)
    pulls = []
    for seed in range(3):
        scene = replace(mosaic_scene, seed=mosaic_scene.seed + seed)
        models = simulate_models(scene)
        add_patch(models, centre)
        before = [model.data.copy() for model in models]
        disturbed = errors(PixelSkyMatchStep().run(models), scene)
        step = PixelSkyMatchStep(exclude=name, subtract=True)
        library = step.run(models)
        error, quoted = errors(library, scene), step.levels_table["level_error"].value
        # Some overlaps have a hundred cells left.
        assert rms(quoted) < 0.003 < 0.02 < rms(disturbed)
        pulls.append(error / quoted)
    assert rms(pulls) < 1.7
    # Levels are subtracted everywhere.
    with library, borrowed(library, 3) as model:
        level = model.meta.background.level
        np.testing.assert_allclose(model.data, before[3] - np.float32(level), rtol=1e-5)


def glow(models, columns):
    """Let the last illuminated columns glow, brighter in some exposures than in others."""
    for k, model in enumerate(models):
        width = model.data.shape[1]
        light = np.zeros(width, dtype=np.float32)
        light[width - 1 - columns : width - 1] = (1 + k % 3) * np.arange(1, columns + 1)
        model.data = model.data + light


def test_glow_of_the_last_columns():
    pointings = mosaic_pointings(2, 2, overlap=0.4, visit_per_tile=True)
    levels = {p.rootname: 10.0 * k for k, p in enumerate(pointings)}
    scene = replace(two_by_three(binning=16), pointings=pointings, levels=levels)
    models = simulate_models(scene)
    glow(models, 3)
    disturbed = errors(PixelSkyMatchStep().run(models), scene)
    too_few = errors(PixelSkyMatchStep.call(models, edge_trim=2, configure_log=False), scene)
    trimmed = errors(PixelSkyMatchStep(edge_trim=3).run(models), scene)
    assert rms(trimmed) < 2e-5
    assert rms(trimmed) < rms(too_few) < rms(disturbed)


def test_level_of_the_coronagraph(mosaic_scene):
    """With its field brighter by up to a MJy/sr, levels of the imager come back."""
    options = DetectorOptions(binning=BINNING, bad_fraction=0.0)
    scene = replace(mosaic_scene, detector=options)
    models = simulate_models(scene)
    clean = errors(PixelSkyMatchStep(miri_lyot="mask").run(models), scene)
    for k, model in enumerate(models):
        model.data[90:, :40] += np.float32(0.5 * (k % 3))
    kept = errors(PixelSkyMatchStep(miri_lyot="keep").run(models), scene)
    masked = errors(PixelSkyMatchStep.call(models, miri_lyot="mask", configure_log=False), scene)
    np.testing.assert_array_equal(masked, clean)
    assert rms(masked) < 0.002
    assert rms(kept) > 2 * rms(masked)


def test_area_elsewhere_is_one_warning(mosaic, centre, tmp_path, caplog):
    path = region_file(tmp_path / "a.reg", centre.directional_offset_by(0 * u.deg, 1 * u.deg))
    step = PixelSkyMatchStep(exclude=path)
    with caplog.at_level(logging.WARNING, logger="stpipe.pixel_skymatch"):
        levels = read_levels(step.run(mosaic.association))
    (warning,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warning.startswith(f"exclude={path}: no exposure has a pixel there")
    assert levels == read_levels(PixelSkyMatchStep().run(mosaic.association))


def test_exposure_of_which_nothing_is_left(models, tmp_path, caplog):
    """Its own sky is measured as the stock step does."""
    corners = models[0].meta.wcs.footprint(center=False)
    path = tmp_path / "a.reg"
    path.write_text(f"icrs\npolygon({','.join(map(str, corners.ravel()))})\n")
    step = PixelSkyMatchStep(exclude=path, skymethod="global+match")
    with caplog.at_level(logging.WARNING, logger="stpipe.pixel_skymatch"):
        levels = read_levels(step.run(models))
    assert f"{models[0].meta.filename} (all good pixels are excluded)" in caplog.text
    assert None not in levels.values()
    remarks = set(step.levels_table["remark"])
    assert {"", "all good pixels are excluded"} <= remarks
