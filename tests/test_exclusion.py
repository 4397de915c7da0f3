"""Areas that are excluded from the match, on mosaics with known levels."""

from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from benchmarks.mosaics import rms, run

from jwst_mosaic_simulation import simulate_models
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


def test_included_area_is_the_complement(mosaic_scene, models, centre, tmp_path):
    out = region_file(tmp_path / "a.reg", centre)
    circle = out.read_text().splitlines()[1]
    rest = tmp_path / "b.reg"
    rest.write_text(f"fk5\n{circle.replace(f'{RADIUS + 2.0}', '3000')}\n-{circle}\n")
    first, second = (
        run(mosaic_scene, models, **p)[0] for p in ({"exclude": out}, {"include": rest})
    )
    np.testing.assert_array_equal(first["level"], second["level"])


@pytest.mark.parametrize(
    ("part", "parameters"),
    [(np.s_[:, -7:-1], {"edge_trim": 6}), (np.s_[90:, :40], {"miri_lyot": "mask"})],
)
def test_part_of_the_detector(mosaic_scene, models, part, parameters):
    """Edge or coronagraph that is brighter in some exposures: excluded, it changes nothing."""
    disturbed = [model.copy() for model in models]
    for k, model in enumerate(disturbed):
        model.data[part] += np.float32(0.5 * (k % 3))
    clean, spoiled = (run(mosaic_scene, m, **parameters)[0] for m in (models, disturbed))
    np.testing.assert_array_equal(clean["level"], spoiled["level"])
    assert rms([clean["error"]]) < 0.002
    assert np.any(run(mosaic_scene, disturbed)[0]["level"] != spoiled["level"])


def test_area_elsewhere_is_one_warning(mosaic_scene, models, centre, tmp_path, caplog):
    path = region_file(tmp_path / "a.reg", centre.directional_offset_by(0 * u.deg, 1 * u.deg))
    levels = run(mosaic_scene, models, exclude=path)[0]["level"]
    (warning,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert warning.startswith(f"exclude={path}: no exposure has a pixel there")
    np.testing.assert_array_equal(levels, run(mosaic_scene, models)[0]["level"])
    run(mosaic_scene, models, include=path)
    assert f"include={path}: no exposure has a pixel there" in caplog.text


def test_exposure_without_a_pixel_to_match(mosaic_scene, models, tmp_path, caplog):
    """Its own sky is measured as the stock step does."""
    corners = models[0].meta.wcs.footprint(center=False)
    path = tmp_path / "a.reg"
    path.write_text(f"icrs\npolygon({','.join(map(str, corners.ravel()))})\n")
    table = run(mosaic_scene, models, exclude=path, skymethod="global+match")[0]
    assert f"{models[0].meta.filename}: all good pixels are excluded" in caplog.text
    assert np.isfinite(table["level"].value).all()
    assert {"", "all good pixels are excluded"} <= set(table["remark"])
