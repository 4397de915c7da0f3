"""Files that are whole or not there, and their names."""

import stat

import numpy as np
import pytest
from astropy.table import QTable
from jwst.associations import load_asn
from jwst.datamodels import ModelLibrary
from stdatamodels.jwst.datamodels import ImageModel

from jwst_mosaic_skymatch.products import files


def test_directory_is_made(tmp_path):
    files.require_writable(tmp_path / "a" / "b")
    assert not list((tmp_path / "a" / "b").iterdir())


def test_directory_that_is_a_file(tmp_path):
    (tmp_path / "a").write_text("kept")
    with pytest.raises(OSError, match=r"a: cannot write .*choose another with output_dir\."):
        files.require_writable(tmp_path / "a")
    assert (tmp_path / "a").read_text() == "kept"


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
    with caplog.at_level("INFO", logger="stpipe.pixel_skymatch"), files.whole_files() as draft:
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
        with files.whole_files() as draft:
            draft(tmp_path / "a").write_text("new")
            raise KeyError

    (tmp_path / "a").write_text("old")
    with pytest.raises(KeyError):
        fail()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old"}


def test_files_have_the_rights_that_others_have(tmp_path):
    (tmp_path / "other").touch()
    files.save_table(tmp_path / "table.ecsv", QTable({"a": [1.0]}))
    rights = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(rights) == 1


@pytest.fixture
def library():
    """Two exposures and a background."""
    models = []
    for name, exptype in (("a", "science"), ("b", "background"), ("c", "science")):
        model = ImageModel(np.zeros((4, 5), dtype=np.float32))
        model.meta.filename = f"jw01_{name}_cal.fits"
        model.meta.asn.exptype = exptype
        models.append(model)
    return ModelLibrary(models)


def save(library, directory, rename):
    others = [{"expname": "jw01_b_cal.fits", "exptype": "background"}]

    def product_path(name, suffix, extension):
        return str(directory / f"{name}_{suffix}.{extension}")

    return files.save_exposures(
        library, others, None, lambda name: str(directory / rename(name)), product_path
    )


def test_science_exposures_and_their_association(library, tmp_path):
    paths = save(library, tmp_path, lambda name: name.replace("cal", "skymatch"))
    names = ["jw01_a_skymatch.fits", "jw01_c_skymatch.fits"]
    assert paths == [str(tmp_path / name) for name in names]
    with (tmp_path / "jw01_skymatch_asn.json").open() as file:
        association = load_asn(file)
    assert association["asn_type"] == "image3"
    members = association["products"][0]["members"]
    assert [(m["expname"], m["exptype"]) for m in members] == [
        *((name, "science") for name in names),
        ("jw01_b_cal.fits", "background"),
    ]


def test_exposure_that_cannot_be_saved_leaves_none(library, tmp_path):
    with pytest.raises(OSError, match=r"cannot be saved .*nothing was written"):
        save(library, tmp_path, lambda name: "no" * 200 if "_c_" in name else name)
    assert not list(tmp_path.iterdir())


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
