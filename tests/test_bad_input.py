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
def work(mosaic, tmp_path):
    """Copy four of the simulated exposures with an association of their own."""
    association = json.loads(mosaic.association.read_text())
    product = association["products"][0]
    product["members"] = product["members"][::2]
    for member in product["members"]:
        shutil.copy(mosaic.association.parent / member["expname"], tmp_path)
    (tmp_path / "asn.json").write_text(json.dumps(association))
    return tmp_path


def run(work, **parameters):
    return PixelSkyMatchStep.call(
        str(work / "asn.json"),
        configure_log=False,
        **{"save_results": True, "output_dir": str(work / "out"), **parameters},
    )


def files(work):
    return sorted(work.glob("*_cal.fits"))


def edit_association(change):
    """Make a case that changes the association."""

    def prepare(work):
        association = json.loads((work / "asn.json").read_text())
        name = change(association["products"][0]["members"])
        (work / "asn.json").write_text(json.dumps(association))
        return name or "asn.json"

    return prepare


def retype(members):
    for member in members:
        member["exptype"] = "background"


def break_schema(work):
    """In what only the ASDF extension holds: such a file can be read, but not saved."""
    path = files(work)[2]
    content = path.read_bytes()
    assert content.count(b"bunit_err: MJy/sr") == 1
    path.write_bytes(content.replace(b"bunit_err: MJy/sr", b"bunit_err: [1, 2]"))
    return path.name.removesuffix("_cal.fits")


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("skymethod", "best"),
        ("skystat", "average"),
        ("grouping", "night"),
        ("pixel_scale_ratio", 0.0),
        ("nclip", -1),
        ("edge_trim", -1),
        ("miri_lyot", "drop"),
        ("offset_stat", "mode"),
    ],
)
def test_unknown_values(work, parameter, value):
    with pytest.raises(ValidationError, match=parameter):
        run(work, **{parameter: value})
    step = PixelSkyMatchStep()
    setattr(step, parameter, value)
    with pytest.raises(ValidationError, match=parameter):
        step.run(str(work / "asn.json"))


def test_empty_list():
    with pytest.raises(ValueError, match="no science"):
        PixelSkyMatchStep.call([], configure_log=False)


def test_library_keeps_its_models_after_an_error(work):
    library = ModelLibrary(str(work / "asn.json"))
    with library:
        model = library.borrow(2)
        model.meta.wcs = None
        library.shelve(model, 2)
    with pytest.raises(ValueError, match="assign_wcs"):
        PixelSkyMatchStep.call(library, configure_log=False)
    with library:
        for k in range(4):
            model = library.borrow(k)
            assert isinstance(model, ImageModel)
            assert model.meta.background.level is None
            library.shelve(model, k, modify=False)


def test_one_that_cannot_be_saved_leaves_none(work):
    """Not even those that come before it."""
    name = break_schema(work)
    with pytest.raises(OSError, match=f"{name}_skymatch.fits: cannot be saved.*make its file anew"):
        run(work)
    assert not list((work / "out").iterdir())


@pytest.mark.parametrize("on_disk", [True, False])
def test_library_does_not_overwrite_its_files(work, on_disk):
    run(work)
    before = {path: path.read_bytes() for path in (work / "out").iterdir()}
    library = ModelLibrary(str(next((work / "out").glob("*_asn.json"))), on_disk=on_disk)
    with pytest.raises(ValueError, match="is an input, which the output would overwrite"):
        PixelSkyMatchStep.call(
            library, configure_log=False, save_results=True, output_dir=str(work / "out")
        )
    assert {path: path.read_bytes() for path in (work / "out").iterdir()} == before


def test_neither_files_nor_models():
    with pytest.raises(TypeError, match="cannot match int: give an association"):
        PixelSkyMatchStep().run(3)


def break_json(work):
    path = work / "asn.json"
    path.write_text(path.read_text()[:-9])
    return "asn.json"


def cut_file(work):
    path = files(work)[0]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path.name


def remove_file(work):
    path = files(work)[1]
    path.unlink()
    return path.name


@pytest.mark.parametrize(
    ("prepare", "error", "remedy"),
    [
        (break_json, ValueError, "line 1 column .*make one with asn_from_list"),
        (cut_file, OSError, "fetch or make the file anew"),
        (remove_file, FileNotFoundError, "remove it from the association"),
        (edit_association(retype), ValueError, "exptype 'science'"),
    ],
)
@pytest.mark.parametrize("is_call", [True, False])
def test_pipeline_checks_before_it_reads(work, is_call, prepare, error, remedy):
    """The stock one ends with a KeyError or IndexError, which names no file."""
    name, inputs = prepare(work), str(work / "asn.json")
    call = partial(PixelSkyMatchImage3Pipeline.call, configure_log=False)
    run = call if is_call else PixelSkyMatchImage3Pipeline().run
    with pytest.raises(error, match=f"{name}: .*{remedy}"):
        run(inputs)
