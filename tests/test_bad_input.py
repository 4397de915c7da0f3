"""Errors of libraries, models and pipelines; those of files and parameters are in test_faults."""

import json
import shutil
from functools import partial

import pytest
from jwst.datamodels import ModelLibrary
from stdatamodels.jwst.datamodels import ImageModel
from stpipe.config_parser import ValidationError

from jwst_mosaic_skymatch import PixelSkyMatchImage3Pipeline, PixelSkyMatchStep


@pytest.fixture
def work(small, tmp_path):
    """Copy the simulated exposures and their association."""
    for path in small.files:
        shutil.copy(path, tmp_path)
    shutil.copy(small.association, tmp_path / "asn.json")
    return tmp_path


def run(inputs, out, **parameters):
    return PixelSkyMatchStep(save_results=True, output_dir=str(out), **parameters).run(inputs)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("skymethod", "best"),
        ("skystat", "average"),
        ("pixel_scale_ratio", 0.0),
        ("edge_trim", -1),
        ("miri_lyot", "drop"),
        ("offset_stat", "mode"),
    ],
)
def test_unknown_values(small, parameter, value):
    with pytest.raises(ValidationError, match=parameter):
        PixelSkyMatchStep.call(small.association, configure_log=False, **{parameter: value})
    step = PixelSkyMatchStep()
    setattr(step, parameter, value)
    with pytest.raises(ValidationError, match=parameter):
        step.run(small.association)


def test_library_keeps_its_models_after_an_error(small):
    library = ModelLibrary(str(small.association))
    with library:
        model = library.borrow(2)
        model.meta.wcs = None
        library.shelve(model, 2)
    with pytest.raises(ValueError, match="assign_wcs"):
        PixelSkyMatchStep().run(library)
    with library:
        for k in range(4):
            model = library.borrow(k)
            assert isinstance(model, ImageModel)
            assert model.meta.background.level is None
            library.shelve(model, k, modify=False)


def test_one_that_cannot_be_saved_leaves_none(work):
    """Not even the files before it. It can be read: the defect is in the ASDF extension alone."""
    path = sorted(work.glob("*_cal.fits"))[2]
    content = path.read_bytes()
    assert content.count(b"bunit_err: MJy/sr") == 1
    path.write_bytes(content.replace(b"bunit_err: MJy/sr", b"bunit_err: [1, 2]"))
    name = path.name.replace("_cal", "_skymatch")
    with pytest.raises(OSError, match=f"{name}: cannot be saved.*make its file anew"):
        run(str(work / "asn.json"), work / "out")
    assert not list((work / "out").iterdir())


def test_library_does_not_overwrite_its_files(small, tmp_path):
    run(str(small.association), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    library = ModelLibrary(str(next(tmp_path.glob("*_asn.json"))), on_disk=True)
    with pytest.raises(ValueError, match="is an input, which the output would overwrite"):
        run(library, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("inputs", "error", "words"),
    [(3, TypeError, "cannot match int: give an association"), ([], ValueError, "no science")],
)
def test_inputs_that_are_none(inputs, error, words):
    with pytest.raises(error, match=words):
        PixelSkyMatchStep().run(inputs)


def break_json(work):
    path = work / "asn.json"
    path.write_text(path.read_text()[:-9])
    return path


def cut_file(work):
    path = sorted(work.glob("*_cal.fits"))[0]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def remove_file(work):
    path = sorted(work.glob("*_cal.fits"))[1]
    path.unlink()
    return path


def no_science(work):
    path = work / "asn.json"
    association = json.loads(path.read_text())
    for member in association["products"][0]["members"]:
        member["exptype"] = "background"
    path.write_text(json.dumps(association))
    return path


@pytest.mark.parametrize(
    ("prepare", "error", "remedy", "is_call"),
    [
        (break_json, ValueError, r"line \d+ column .*make one with asn_from_list", True),
        (cut_file, OSError, "fetch or make the file anew", False),
        (remove_file, FileNotFoundError, "remove it from the association", True),
        (no_science, ValueError, "exptype 'science'", False),
    ],
)
def test_pipeline_checks_before_it_reads(work, is_call, prepare, error, remedy):
    """The stock one ends with a KeyError or IndexError, which names no file."""
    name, inputs = prepare(work).name, str(work / "asn.json")
    if is_call:
        start = partial(PixelSkyMatchImage3Pipeline.call, configure_log=False)
    else:
        start = PixelSkyMatchImage3Pipeline().run
    with pytest.raises(error, match=f"{name}: .*{remedy}"):
        start(inputs)
