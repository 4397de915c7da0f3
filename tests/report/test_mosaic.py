"""The picture of a mosaic: of nine visits of two exposures each, and one exposure far away."""

import numpy as np
import pytest


@pytest.fixture
def mosaic(faulty):
    return faulty[0].mosaic


def corners_of(result):
    """Pixels (x, y) of the corners of each exposure."""
    return [np.array(result.mosaic.wcs.world_to_pixel_values(*c.T)) for c in result.footprints]


def test_levels_are_there_before_and_gone_after(faulty, mosaic):
    """In the middle of an exposure, where few others reach; without a level nothing changes."""
    levels = faulty[0].levels
    difference = mosaic.before - mosaic.after
    centres = np.mean(corners_of(faulty[0]), axis=2)
    for visit in np.unique(levels["visit_id"]):
        own = levels["visit_id"] == visit
        x, y = np.round(centres[own].mean(axis=0)).astype(int)
        both = np.nan_to_num(levels["level"].value[own])
        patch = difference[y - 3 : y + 4, x - 3 : x + 4]
        # Their variances, by which exposures count, differ by up to 8 %.
        assert np.nanmedian(patch) == pytest.approx(both.mean(), abs=1e-3 + 0.02 * np.ptp(both))


def test_picture_reaches_as_far_as_the_footprints(faulty, mosaic):
    """But for the blind edge of the detectors; larger mosaics are condensed."""
    ny, nx = mosaic.after.shape
    (line,) = [line for line in faulty[1] if line.startswith("Shared grid of")]
    assert max(nx, ny) <= 480 < int(line.split()[3])
    edges = np.concatenate(corners_of(faulty[0]), axis=1)
    limits = np.transpose([edges.min(axis=1), edges.max(axis=1) - (nx, ny)])
    np.testing.assert_allclose(limits, 0.0, atol=0.03 * nx)


def test_residuals_are_those_of_noise_and_faults(mosaic):
    assert np.nanstd(mosaic.after) < np.nanstd(mosaic.before)
    assert np.nanmax(mosaic.residual) > 0.3
    assert np.nanmedian(mosaic.residual) < 0.02
    # The lone exposure, at the right, is compared with no other.
    assert np.isnan(mosaic.residual[:, -20:]).all()
