"""Areas that are excluded from the match, on mosaics with known levels."""

from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from benchmarks.mosaics import rms, run

from jwst_mosaic_simulation import DetectorOptions, mosaic_pointings, simulate_models, two_by_three
from jwst_mosaic_skymatch.exposures.models import borrowed

# Of the patch: arcsec, so that it covers most of the field, where no statistic is robust any
# more; MJy/sr from one exposure to the next.
RADIUS, STEP = 42.0, 0.5


@pytest.fixture(scope="module")
def models(mosaic_scene):
    return simulate_models(mosaic_scene)


@pytest.fixture(scope="module")
def centre(models):
    """The middle of the first exposure's imager, where every exposure points."""
    return SkyCoord(*models[0].meta.wcs(84.0, 64.0), unit="deg")


def with_patch(models, centre):
    """Add something that changes from one exposure to the next, at one place on the sky."""
    models = [model.copy() for model in models]
    for k, model in enumerate(models):
        y, x = np.indices(model.data.shape).astype(float)
        sky = SkyCoord(*model.meta.wcs(x, y, with_bounding_box=False), unit="deg")
        model.data = model.data + np.float32(STEP * k) * (sky.separation(centre).arcsec < RADIUS)
    return models


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


def test_patch_on_the_sky(mosaic_scene, models, centre, tmp_path, monkeypatch):
    """In two mosaics, as few loops are left to each."""
    monkeypatch.chdir(tmp_path)
    region_file(tmp_path / "a.reg", centre)
    other = replace(mosaic_scene, seed=mosaic_scene.seed + 1)
    pulls = []
    for scene, clean in ((mosaic_scene, models), (other, simulate_models(other))):
        disturbed = with_patch(clean, centre)
        table, _, library = run(scene, disturbed, exclude="a.reg", subtract=True)
        # Some overlaps have a hundred cells left.
        assert rms([table["level_error"].value]) < 0.003
        pulls.append(table["pull"])
        # Levels are subtracted everywhere.
        with library, borrowed(library, 3) as model:
            level = np.float32(model.meta.background.level)
            np.testing.assert_allclose(model.data, disturbed[3].data - level, rtol=1e-5)
    assert 0.6 < rms(pulls) < 1.7
    assert rms([run(scene, disturbed)[0]["error"]]) > 0.02
    by_mask = run(scene, disturbed, exclude=mask_file(tmp_path / "a.fits", centre))[0]
    moved = (by_mask["level"] - table["level"]).value
    assert rms([moved - moved.mean()]) < 0.5 * rms([table["level_error"].value])


def test_included_area_is_the_complement(mosaic_scene, models, centre, tmp_path):
    out = region_file(tmp_path / "a.reg", centre)
    circle = out.read_text().splitlines()[1]
    rest = tmp_path / "b.reg"
    rest.write_text(f"fk5\n{circle.replace(f'{RADIUS + 2.0}', '3000')}\n-{circle}\n")
    first, second = (
        run(mosaic_scene, models, **p)[0] for p in ({"exclude": out}, {"include": rest})
    )
    np.testing.assert_array_equal(first["level"], second["level"])


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
    disturbed, too_few, trimmed = (
        rms([run(scene, models, edge_trim=n)[0]["error"]]) for n in (0, 2, 3)
    )
    assert trimmed < 2e-5
    assert trimmed < too_few < disturbed


def test_level_of_the_coronagraph(mosaic_scene):
    """With its field brighter by up to a MJy/sr, levels of the imager come back."""
    scene = replace(mosaic_scene, detector=DetectorOptions(binning=8, bad_fraction=0.0))
    models = simulate_models(scene)
    clean = run(scene, models, miri_lyot="mask")[0]["error"]
    for k, model in enumerate(models):
        model.data[90:, :40] += np.float32(0.5 * (k % 3))
    masked = run(scene, models, miri_lyot="mask")[0]["error"]
    np.testing.assert_array_equal(masked, clean)
    assert rms([masked]) < 0.002
    assert rms([run(scene, models, miri_lyot="keep")[0]["error"]]) > 2 * rms([masked])


def test_area_elsewhere_is_one_warning(mosaic_scene, models, centre, tmp_path, caplog):
    path = region_file(tmp_path / "a.reg", centre.directional_offset_by(0 * u.deg, 1 * u.deg))
    levels = run(mosaic_scene, models, exclude=path)[0]["level"]
    (warning,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert warning.startswith(f"exclude={path}: no exposure has a pixel there")
    np.testing.assert_array_equal(levels, run(mosaic_scene, models)[0]["level"])


def test_exposure_without_a_pixel_to_match(mosaic_scene, models, tmp_path, caplog):
    """Its own sky is measured as the stock step does."""
    corners = models[0].meta.wcs.footprint(center=False)
    path = tmp_path / "a.reg"
    path.write_text(f"icrs\npolygon({','.join(map(str, corners.ravel()))})\n")
    table = run(mosaic_scene, models, exclude=path, skymethod="global+match")[0]
    assert f"{models[0].meta.filename}: all good pixels are excluded" in caplog.text
    assert np.isfinite(table["level"].value).all()
    assert {"", "all good pixels are excluded"} <= set(table["remark"])
