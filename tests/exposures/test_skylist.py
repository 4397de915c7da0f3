"""Levels that a user gives."""

import numpy as np
import pytest

from jwst_mosaic_skymatch.exposures.skylist import skylist_of, user_levels


def stem(name):
    return name.rsplit("_", 1)[0]


def test_levels_in_the_order_of_exposures(tmp_path):
    path = tmp_path / "sky.txt"
    path.write_text("# mine\n\n  there/b_crf.fits   2.5\na_cal.fits -1e-1\n")
    assert user_levels(path, ["a_cal.fits", "b_cal.fits"], stem).tolist() == [-0.1, 2.5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a_cal.fits 1.0\n", "b_cal.fits: no entry in the skylist"),
        ("a_cal.fits 1.0\nb_cal.fits 1.0\nc_cal.fits 2.0\n", "c_cal.fits: listed in the skylist"),
        ("a_cal.fits 1.0\na_crf.fits 1.0\nb_cal.fits 1.0\n", "a_crf.fits: listed more than once"),
        ("a_cal.fits 1.0\nb_cal.fits high\n", "line 2"),
        ("a_cal.fits\n", "line 1"),
        ("a_cal.fits 1.0 2.0\n", "line 1"),
        ("\na_cal.fits nan\n", "line 2"),
    ],
)
def test_lists_that_do_not_fit(tmp_path, text, message):
    path = tmp_path / "sky.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        user_levels(path, ["a_cal.fits", "b_cal.fits"], stem)


def test_no_list(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.txt: no such skylist"):
        user_levels(tmp_path / "nowhere.txt", [], stem)


def test_list_that_is_written_can_be_read(tmp_path):
    names, levels = ["a_cal.fits", "b_cal.fits", "c_cal.fits"], np.array([1 / 3, np.nan, -1e-17])
    path = tmp_path / "sky.txt"
    path.write_text(skylist_of(names, levels, ["", "no overlap", ""], stem))
    assert user_levels(path, names, stem).tolist() == [1 / 3, 0.0, -1e-17]
    assert "# No level: no overlap\nb_cal.fits 0.0\n" in path.read_text()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a_cal.fits", "a_crf.fits"], "a_cal.fits: several exposures"),
        (["a b_cal.fits"], "no line of a skylist"),
        (["a#b_cal.fits"], "no line of a skylist"),
        ([129 * "a"], "no line of a skylist"),
    ],
)
def test_names_that_no_list_can_hold(names, message):
    with pytest.raises(ValueError, match=message):
        skylist_of(names, np.zeros(len(names)), [""] * len(names), stem)
