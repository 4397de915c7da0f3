"""The coarse mesh against the exact map."""

import numpy as np
import pytest

from jwst_mosaic_skymatch.exposures import wcs_footprint
from jwst_mosaic_skymatch.grid import shared_grid
from jwst_mosaic_skymatch.pixelmap import map_pixels
from jwst_mosaic_skymatch.simulation import dithers, nircam_mosaic, simulate_models


def whole(mapped):
    """All bands of a map as one, in cells of the grid."""
    cutout = mapped.cutout
    pixmap = np.concatenate([band for _, band in mapped.bands(cutout)])
    return pixmap + np.array([cutout.x0, cutout.y0])


@pytest.mark.parametrize("scene", [dithers(1, binning=2), nircam_mosaic(binning=8)])
def test_map_is_good_to_a_thousandth_of_a_pixel(scene):
    model = simulate_models(scene)[0]
    wcs, shape = model.meta.wcs, model.data.shape
    footprint = wcs_footprint(wcs, shape)
    grid = shared_grid([footprint], wcs, model.meta.wcsinfo.instance, 2.2)
    mapped = grid.map_pixels(wcs, shape)
    y, x = np.indices(shape, dtype=float)
    exact = grid.wcs.invert(*wcs(x, y, with_bounding_box=False), with_bounding_box=False)
    error = np.abs(whole(mapped) - np.stack(exact, axis=-1)).max() * 2.2
    assert error < 1e-3
    assert mapped.pixels_per_cell == pytest.approx(2.2**2, rel=0.03)


def test_mesh_is_refined_where_it_has_to_be():
    def to_grid(x, y):
        return 0.5 * x + 0.2 * np.sin(x / 9.0), 0.5 * y

    mapped = map_pixels(to_grid, (100, 200))
    y, x = np.indices((100, 200), dtype=float)
    assert mapped.x.size > 20
    np.testing.assert_allclose(whole(mapped)[..., 0], to_grid(x, y)[0], atol=1e-3)


def test_pixels_outside_the_bounding_box_are_named():
    def to_grid(x, y):
        return x, y

    mapped = map_pixels(to_grid, (50, 60), ((3.5, 55.5), (-0.5, 49.5)))
    assert mapped.inside == (slice(0, 50), slice(4, 56))
    assert map_pixels(to_grid, (50, 60)).inside == np.s_[:, :]
