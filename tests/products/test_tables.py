"""Tables of levels and pairs."""

from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable

from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.offsets.trends import Trends
from jwst_mosaic_skymatch.products.files import save_table
from jwst_mosaic_skymatch.products.tables import levels_table, pairs_table, read_levels

SLOPE = u.Unit("MJy/sr") / u.arcmin


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
    assert table.meta == {"chi2": pytest.approx(400.01), "dof": pytest.approx(1.0)}


def test_pairs(match, exposures, grid):
    table = pairs_table(exposures, match, grid, "MJy/sr")
    assert list(table["stage"]) == ["in-stack", "between stacks"]
    assert list(table["first"]) == ["0_cal.fits", "jw001"]
    assert list(table["second"]) == ["1_cal.fits", "jw002"]
    assert list(table["used"]) == [True, False]
    assert list(table["n_cells"]) == [99, 99]
    np.testing.assert_allclose(table["offset_error"].to_value("MJy/sr"), 0.1)
    # A plain statistic knows no other error than that by noise, and no slopes.
    np.testing.assert_allclose(table["offset_error_noise"].to_value("MJy/sr"), 0.1)
    assert np.isnan(table["slope_x"].to_value(SLOPE)).all()
    assert table["weight"].unit == u.Unit("MJy/sr") ** -2
    assert np.isnan(table["shift_x"].to_value("arcsec")).all()  # not fitted


def test_slopes_of_pairs(match, exposures, grid):
    """0.0001 in a cell of half an arcsec is 0.012 in an arcmin."""
    trends = Trends(
        position=np.zeros(3),
        slopes=np.array([1e-4, -2e-4, 0.0]),
        covariance=np.diag([1e-10, 4e-10, 1.0]),
        strips=(),
    )
    (pair,) = match.exposure_pairs
    pair = replace(pair, offset=replace(pair.offset, trends=trends, noise_variance=0.0025))
    table = pairs_table(exposures, replace(match, exposure_pairs=(pair,)), grid, "MJy/sr")
    assert table["slope_x"][0].to_value(SLOPE) == pytest.approx(0.012)
    assert table["slope_y"][0].to_value(SLOPE) == pytest.approx(-0.024)
    assert table["slope_y_error"][0].to_value(SLOPE) == pytest.approx(0.0024)
    assert table["offset_error_noise"][0].to_value("MJy/sr") == pytest.approx(0.05)


def test_nothing_to_tabulate(match, no_match, exposures, grid):
    levels = levels_table(exposures, no_match, no_match.levels, grid, None)
    assert set(levels["status"]) == {"SKIPPED"}
    assert set(levels["n_pairs"]) == {0}
    pairs, usual = (pairs_table(exposures, m, grid, "MJy/sr") for m in (no_match, match))
    assert len(pairs) == 0
    assert pairs.colnames == usual.colnames
    assert pairs["shift_x"].unit == usual["shift_x"].unit


def stem(name):
    return name.rsplit("_", 1)[0]


def test_saved_levels_can_be_read(match, exposures, grid, tmp_path):
    levels = match.levels + 1 / 3
    table = levels_table(exposures, match, levels, grid, "MJy/sr")
    save_table(tmp_path / "levels.ecsv", table)
    others = [
        Exposure(k, name, unit="MJy/sr")
        for k, name in enumerate(("2_crf.fits", "9_cal.fits", "0_cal.fits", "3_cal.fits"))
    ]
    found, errors = read_levels(tmp_path / "levels.ecsv", others, stem)
    np.testing.assert_array_equal(found, [levels[2], np.nan, levels[0], np.nan])
    np.testing.assert_array_equal(errors, [0.2, np.nan, 0.1, np.nan])


def test_levels_in_another_unit_are_converted(tmp_path):
    values = {name: [2e6, 4e6] * u.Unit("Jy/sr") for name in ("level", "level_error")}
    QTable({"filename": ["a_cal.fits", "b_cal.fits"], **values}).write(tmp_path / "l.ecsv")
    found, _ = read_levels(tmp_path / "l.ecsv", [Exposure(0, "b_cal.fits", unit="MJy/sr")], stem)
    assert found.tolist() == [4.0]


def test_levels_without_unit_and_value(tmp_path):
    table = QTable({"filename": ["a_cal.fits", "b_cal.fits"], "level": [1.0, 2.0]}, masked=True)
    table["level_error"] = table["level"]
    table["level"].mask = [True, False]
    table.write(tmp_path / "l.ecsv")
    both = [Exposure(0, "a_cal.fits"), Exposure(1, "b_cal.fits")]
    found, errors = read_levels(tmp_path / "l.ecsv", both, stem)
    np.testing.assert_array_equal(found, [np.nan, 2.0])
    np.testing.assert_array_equal(errors, [1.0, 2.0])
    with pytest.raises(ValueError, match="no level of any exposure"):
        read_levels(tmp_path / "l.ecsv", both[:1], stem)
