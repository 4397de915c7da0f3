"""Tables of levels and pairs."""

import numpy as np
import pytest
from astropy import units as u

from jwst_mosaic_skymatch.products.tables import levels_table, pairs_table


def test_levels(match, exposures, grid):
    table = levels_table(exposures, match, match.levels, grid, "MJy/sr")
    assert list(table["filename"]) == [f"{k}_cal.fits" for k in range(4)]
    assert list(table["visit_id"]) == ["001", "001", "002", ""]
    assert list(table["group"]) == ["jw001", "jw001", "jw002", ""]
    assert list(table["status"]) == ["COMPLETE"] * 3 + ["SKIPPED"]
    assert list(table["n_pairs"]) == [2, 2, 1, 0]
    assert table["level"].unit == table["level_error"].unit == u.Unit("MJy/sr")
    np.testing.assert_array_equal(table["level"].value, match.levels)
    # Towards x is to the west.
    np.testing.assert_allclose(table["shift_ra"][0].to_value("arcsec"), -0.1)
    np.testing.assert_allclose(table["shift_ra_error"][0].to_value("arcsec"), 0.005)
    # Of the pair that was left out nothing counts.
    assert table.meta == {"chi2": pytest.approx(0.01), "dof": pytest.approx(0.5)}


def test_pairs(match, exposures, grid):
    table = pairs_table(exposures, match, grid, "MJy/sr")
    assert list(table["stage"]) == ["in-stack", "between stacks"]
    assert list(table["first"]) == ["0_cal.fits", "jw001"]
    assert list(table["second"]) == ["1_cal.fits", "jw002"]
    assert list(table["used"]) == [True, False]
    assert list(table["n_cells"]) == [99, 99]
    np.testing.assert_allclose(table["offset_error"].to_value("MJy/sr"), 0.1)
    assert table["weight"].unit == u.Unit("MJy/sr") ** -2
    assert np.isnan(table["shift_x"].to_value("arcsec")).all()  # not fitted


def test_nothing_to_tabulate(match, no_match, exposures, grid):
    levels = levels_table(exposures, no_match, no_match.levels, grid, None)
    assert set(levels["status"]) == {"SKIPPED"}
    assert set(levels["n_pairs"]) == {0}
    pairs, usual = (pairs_table(exposures, m, grid, "MJy/sr") for m in (no_match, match))
    assert len(pairs) == 0
    assert pairs.colnames == usual.colnames
    assert pairs["shift_x"].unit == usual["shift_x"].unit
