"""Files that are whole or not there, and their names."""

import stat

import pytest
from astropy.table import QTable

from jwst_mosaic_skymatch.products import files


def test_outputs_replace_neither_inputs_nor_each_other(tmp_path):
    outputs = [("a_cal.fits", tmp_path / "a.fits")]
    files.check_outputs(outputs, {tmp_path / "a_cal.fits"})
    with pytest.raises(ValueError, match=r"a.fits: is an input, which the output would overwrite"):
        files.check_outputs(outputs, {tmp_path / "a.fits"})
    both = [*outputs, ("a_crf.fits", tmp_path / "a.fits")]
    with pytest.raises(ValueError, match=r"a_crf.fits and a_cal.fits: both would be saved"):
        files.check_outputs(both, set())


def test_files_appear_together(tmp_path, caplog):
    (tmp_path / "a").write_text("old")
    at_info = caplog.at_level("INFO", logger="stpipe.pixel_skymatch")
    with at_info, files.whole_files(tmp_path) as draft:
        for name in "ab":
            draft(tmp_path / name).write_text("new")
        assert (tmp_path / "a").read_text() == "old"
        assert not (tmp_path / "b").exists()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        "ab", "new"
    )
    assert caplog.messages == [f"Saved {tmp_path / name}" for name in "ab"]


def test_none_appears_after_an_error(tmp_path):
    def fail():
        with files.whole_files(tmp_path) as draft:
            draft(tmp_path / "a").write_text("new")
            raise KeyError

    (tmp_path / "a").write_text("old")
    with pytest.raises(KeyError):
        fail()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old"}


def test_files_have_the_rights_that_others_have(tmp_path):
    (tmp_path / "other").touch()
    with files.whole_files(tmp_path) as draft:
        QTable({"a": [1.0]}).write(draft(tmp_path / "table.ecsv"))
    rights = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(rights) == 1


@pytest.mark.parametrize(
    ("name", "filenames", "output_file", "expected"),
    [
        ("ngc628", ["a_cal.fits"], None, "ngc628"),
        ("ngc628", ["a_cal.fits"], "mine.fits", "mine"),
        (None, ["jw01_1_cal.fits", "jw01_2_cal.fits"], None, "jw01"),
        (None, ["a_cal.fits", "b_cal.fits"], None, "mosaic"),
        (None, ["a_cal.fits"], None, "mosaic"),
    ],
)
def test_name_of_the_product(name, filenames, output_file, expected):
    association = {"products": [{"name": name} if name else {}]}
    assert files.product_name(association, filenames, output_file) == expected
