"""Levels that a user gives."""

import pytest

from jwst_mosaic_skymatch.exposures.skylist import user_levels


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
