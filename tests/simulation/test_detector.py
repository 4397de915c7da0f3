"""Data quality of the detectors."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from jwst_mosaic_simulation import DetectorOptions
from jwst_mosaic_simulation._effects import FLAGS, draw_dq
from jwst_mosaic_simulation._geometry import load_aperture

PERFECT = DetectorOptions(bad_fraction=0.0, hot_fraction=0.0)


def flagged(dq, name):
    return (dq & FLAGS[name]) != 0


def test_masked_strips_of_miri():
    dq = draw_dq(load_aperture("MIRIM_FULL"), "MIRIMAGE", PERFECT, 1)
    masked = np.zeros((1024, 1032), dtype=bool)
    masked[:, :357] = True
    masked[745:1020, 10:281] = False  # the coronagraph's field
    assert_array_equal(flagged(dq, "NON_SCIENCE"), masked)
    assert np.all(flagged(dq, "DO_NOT_USE")[masked])


@pytest.mark.parametrize(
    ("name", "binning", "columns", "rows"),
    [("NRCA1_FULL", 1, 4, 4), ("NRCA1_FULL", 8, 1, 1), ("MIRIM_FULL", 2, 2, 0)],
)
def test_reference_pixels(name, binning, columns, rows):
    options = replace(PERFECT, masked_strips=False)
    dq = draw_dq(load_aperture(name, binning), "detector", options, 1)
    border = np.pad(
        np.zeros(np.subtract(dq.shape, (2 * rows, 2 * columns)), bool),
        [(rows, rows), (columns, columns)],
        constant_values=True,
    )
    for flag in ("REFERENCE_PIXEL", "DO_NOT_USE"):
        assert_array_equal(flagged(dq, flag), border)


def test_bad_and_hot_pixels():
    options = DetectorOptions(masked_strips=False, bad_fraction=0.02, hot_fraction=0.005)
    aperture = load_aperture("NRCA1_FULL")
    dq, again, other = (draw_dq(aperture, f"NRCA{k}", options, 1)[4:-4, 4:-4] for k in (1, 1, 2))
    bad, hot = flagged(dq, "DO_NOT_USE"), flagged(dq, "HOT")
    assert (bad.mean(), hot.mean()) == pytest.approx((0.02, 0.005), rel=0.05)
    assert not np.any(bad & hot)
    # They belong to the detector.
    assert_array_equal(dq, again)
    assert np.any(dq != other)
