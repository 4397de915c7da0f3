"""Tables of levels and pairs."""

from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable

from jwst_mosaic_skymatch.absolute import unmatched
from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.products.tables import (
    levels_table,
    pairs_table,
    read_levels,
    read_skylist,
    write_skylist,
)
from jwst_mosaic_skymatch.tiles.frame import PixelPlane

SLOPE = u.Unit("MJy/sr") / u.arcmin


def test_levels(match, exposures, grid):
    table = levels_table(exposures, match, match.levels.values, grid, "MJy/sr")
    assert list(table["filename"]) == [f"{k}_cal.fits" for k in range(4)]
    assert list(table["visit_id"]) == ["001", "001", "002", ""]
    assert list(table["group"]) == ["jw001", "jw001", "jw002", ""]
    assert list(table["status"]) == ["COMPLETE"] * 3 + ["SKIPPED"]
    assert list(table["n_pairs"]) == [2, 2, 1, 0]
    assert table["level"].unit == table["level_error"].unit == u.Unit("MJy/sr")
    np.testing.assert_array_equal(table["level"].value, match.levels.values)
    # Towards x is to the west.
    np.testing.assert_allclose(table["shift_ra"][0].to_value("arcsec"), -0.1)
    np.testing.assert_allclose(table["shift_ra_error"][0].to_value("arcsec"), 0.005)


def test_pairs(match, exposures, grid):
    """0.0001 in a cell of half an arcsec is 0.012 in an arcmin."""
    table = pairs_table(exposures, match, grid, "MJy/sr")
    assert list(table["stage"]) == ["in-stack", "between stacks"]
    assert list(table["first"]) == ["0_cal.fits", "jw001"]
    assert list(table["second"]) == ["1_cal.fits", "jw002"]
    assert list(table["used"]) == [True, False]
    assert list(table["n_cells"]) == [99, 99]
    values = {
        "offset": 1.0,
        "offset_error": 0.2,
        "offset_error_noise": 0.1,
        "residual": [0.01, 2.0],
        "fitted_error": 0.02,
        "slope_x": 0.012,
        "slope_y": -0.024,
        "slope_x_error": 0.0012,
        "slope_y_error": 0.0024,
        "shift_x": [-0.2, np.nan],  # in the second it was not fitted
        "shift_x_error": [0.005, np.nan],
        "weight": [1.0, 0.1],
    }
    for name, value in values.items():
        np.testing.assert_allclose(np.asarray(table[name]), value, rtol=1e-9, err_msg=name)
    assert table["slope_x"].unit == SLOPE


def test_reference_image_is_a_stack_without_exposures(match, exposures, grid):
    (pair,) = match.stack_pairs
    pair = replace(pair, measurement=replace(pair.measurement, second=2))
    match = replace(match, stack_pairs=(pair,))
    assert pairs_table(exposures, match, grid, None)["second"][1] == "reference image"
    table = levels_table(exposures, match, match.levels.values, grid, None)
    assert list(table["n_pairs"]) == [2, 2, 0, 0]


@pytest.mark.parametrize("unit", ["counts/s", "DN/s", "nonsense"])
def test_units_of_any_name(match, exposures, grid, unit, tmp_path):
    backgrounds = replace(match.backgrounds, planes=(None,) * 4, gradient_errors=np.zeros((4, 2)))
    match = replace(match, backgrounds=backgrounds)
    table = levels_table(exposures, match, match.levels.values, grid, unit)
    assert len(pairs_table(exposures, match, grid, unit)) == 2
    table.write(tmp_path / "levels.ecsv")
    text = (tmp_path / "levels.ecsv").read_text()
    assert f"unit: {unit}" in text.replace(" / ", "/")


def test_saved_levels_can_be_read(match, exposures, grid, tmp_path):
    levels = match.levels.values + 1 / 3
    table = levels_table(exposures, match, levels, grid, "MJy/sr")
    table.write(tmp_path / "levels.ecsv")
    others = [
        Exposure(k, name, unit="MJy/sr")
        for k, name in enumerate(("2_crf.fits", "9_cal.fits", "0_cal.fits", "3_cal.fits"))
    ]
    actual = read_levels(tmp_path / "levels.ecsv", others)
    np.testing.assert_array_equal(actual, [levels[2], np.nan, levels[0], np.nan])


def test_levels_in_another_unit_and_without_a_value(tmp_path):
    level = [2e6, 4e6] * u.Unit("Jy/sr")
    table = QTable({"filename": ["a_cal.fits", "b_cal.fits"], "level": level}, masked=True)
    table["level"].mask = [True, False]
    table.write(tmp_path / "l.ecsv")
    both = [Exposure(k, f"{name}_cal.fits", unit="MJy/sr") for k, name in enumerate("ab")]
    np.testing.assert_array_equal(read_levels(tmp_path / "l.ecsv", both), [np.nan, 4.0])
    with pytest.raises(ValueError, match="no level of any exposure"):
        read_levels(tmp_path / "l.ecsv", both[:1])


MJY = [1.0, 1.0] * u.Unit("MJy/sr")


@pytest.mark.parametrize(
    ("filenames", "columns", "message"),
    [
        (["a_cal.fits"] * 2, {}, "no levels in MJy/sr .*'level'"),
        (["a_cal.fits"] * 2, {"level": [1.0, 1.0] * u.K}, "no levels in MJy/sr .*save_diagnostics"),
        (["a_cal.fits"] * 2, {"level": ["one", "two"]}, "no levels in MJy/sr .*save_diagnostics"),
        (["a_cal.fits"] * 2, {"level": MJY}, "more than once in .*l.ecsv"),
    ],
)
def test_tables_without_levels(tmp_path, filenames, columns, message):
    QTable({"filename": filenames, **columns}).write(tmp_path / "l.ecsv")
    with pytest.raises(ValueError, match=message):
        read_levels(tmp_path / "l.ecsv", [Exposure(0, "a_cal.fits", unit="MJy/sr")])


def test_no_table(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.ecsv: no such file; give <product>"):
        read_levels(tmp_path / "nowhere.ecsv", named("a_cal.fits"))


# --- Skylists ----------------------------------------------------------------


def named(*names):
    return [Exposure(k, name) for k, name in enumerate(names)]


def test_levels_in_the_order_of_exposures(tmp_path):
    path = tmp_path / "sky.txt"
    path.write_text("# mine\n\n  there/b_crf.fits   2.5\na_cal.fits -1e-1\n")
    assert read_skylist(path, named("a_cal.fits", "b_cal.fits")).tolist() == [-0.1, 2.5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a_cal.fits 1.0\n", "b_cal.fits: no level in .*sky.txt; add a line"),
        ("a_cal.fits 1.0\na_crf.fits 1.0\nb_cal.fits 1.0\n", "a: listed more than once"),
        ("a_cal.fits 1.0\nb_cal.fits high\n", "sky.txt: has no levels .*give a text file"),
        ("a_cal.fits\n", "sky.txt: has no levels .*give a text file"),
        ("a_cal.fits 1.0 2.0\n", "sky.txt: has no levels .*give a text file"),
        ("\na_cal.fits nan\nb_cal.fits 1\n", "a_cal.fits: no level in"),
    ],
)
def test_lists_that_do_not_fit(tmp_path, text, message):
    path = tmp_path / "sky.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_skylist(path, named("a_cal.fits", "b_cal.fits"))


@pytest.mark.parametrize(
    "names", [["a_cal.fits", "a_crf.fits"], ["a b_cal.fits"], ["a#b_cal.fits"]]
)
def test_names_that_no_list_can_hold(names):
    levels = np.zeros(len(names))
    with pytest.raises(ValueError, match="names of exposures"):
        write_skylist(named(*names), unmatched(levels, ("",) * len(names)), levels)


def test_levels_beside_planes_make_no_list(no_match, exposures):
    planes = replace(no_match.backgrounds, planes=(PixelPlane(0.0, 0.0, 1.0, 0.0),))
    with pytest.raises(ValueError, match="not enough beside planes"):
        write_skylist(exposures, replace(no_match, backgrounds=planes), np.zeros(4))
