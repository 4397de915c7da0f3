"""Bad input gets one clear error that names the file and the remedy, before any output.

More of it, and what the step copes with, is in ``test_faults``.
"""

import json
import shutil
from functools import partial

import numpy as np
import pytest
from jwst.datamodels import ModelLibrary
from stdatamodels.jwst.datamodels import CubeModel, ImageModel
from stdatamodels.jwst.datamodels import open as open_model
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


def edit_model(change):
    """Make a case that changes the second exposure's file."""

    def prepare(work):
        path = files(work)[1]
        with open_model(path) as model:
            changed = change(model) or model
            changed.save(path)
        return path.name

    return prepare


def edit_association(change):
    """Make a case that changes the association."""

    def prepare(work):
        association = json.loads((work / "asn.json").read_text())
        name = change(association["products"][0]["members"])
        (work / "asn.json").write_text(json.dumps(association))
        return name or "asn.json"

    return prepare


def make_cube(model):
    cube = CubeModel(np.zeros((2, *model.data.shape), dtype=np.float32))
    cube.update(model)
    cube.meta.wcs = model.meta.wcs
    cube.meta.filename = model.meta.filename
    return cube


def stop_wcs_at_v2v3(model):
    wcs = model.meta.wcs
    model.meta.wcs = type(wcs)([*wcs.pipeline[:-2], (wcs.pipeline[-2].frame, None)])


def retype(members):
    for member in members:
        member["exptype"] = "background"


def second_version(work):
    """List an exposure and its crf file."""
    path = files(work)[1]
    copy = path.with_name(path.name.replace("_cal", "_crf"))
    shutil.copy(path, copy)
    with open_model(copy) as model:
        model.save(copy)
    return edit_association(
        lambda members: members.append({"expname": copy.name, "exptype": "science"}) or copy.name
    )(work)


def break_schema(work):
    """In what only the ASDF extension holds: such a file can be read, but not saved."""
    path = files(work)[2]
    content = path.read_bytes()
    assert content.count(b"bunit_err: MJy/sr") == 1
    path.write_bytes(content.replace(b"bunit_err: MJy/sr", b"bunit_err: [1, 2]"))
    return path.name.removesuffix("_cal.fits")


CASES = {
    "unknown flag": (None, {"dqbits": "~FOO"}, ValueError, "no flag"),
    "limits": (None, {"lower": 5.0, "upper": 1.0}, ValueError, "not below"),
    "no association": (
        lambda w: (w / "asn.json").unlink(),
        {},
        FileNotFoundError,
        "check its name",
    ),
    "no science member": (edit_association(retype), {}, ValueError, "exptype"),
    "two versions": (second_version, {}, ValueError, "remove one"),
    "cube": (edit_model(make_cube), {}, ValueError, "2-D"),
    "WCS not on the sky": (edit_model(stop_wcs_at_v2v3), {}, ValueError, "assign_wcs"),
    "excluded area missing": (
        None,
        {"exclude": "nowhere.reg"},
        FileNotFoundError,
        "nowhere.reg: no such file",
    ),
    "excluded area empty": (
        lambda w: (w / "empty.reg").touch(),
        {"exclude": "empty.reg"},
        ValueError,
        "empty.reg: has no region to leave out",
    ),
    "skylist not given": (None, {"skymethod": "user"}, ValueError, "set skylist"),
    "skylist missing": (
        None,
        {"skymethod": "user", "skylist": "nowhere.txt"},
        FileNotFoundError,
        "nowhere.txt",
    ),
}


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_error(work, monkeypatch, case, in_memory):
    monkeypatch.chdir(work)
    prepare, parameters, error, remedy = CASES[case]
    name = prepare(work) if prepare else None
    before = {path: path.read_bytes() for path in work.iterdir() if path.is_file()}
    with pytest.raises(error) as caught:
        run(work, in_memory=in_memory, **parameters)
    assert type(caught.value) is error
    assert remedy in str(caught.value)
    assert (name or "") in str(caught.value)
    assert not list(work.glob("out/*"))
    assert {path: path.read_bytes() for path in work.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{0} 1.0\n{1} 1.0\n{2} 1.0\n", "no entry in the skylist"),
        ("{0} 1.0\n{1} 1.0\n{2} 1.0\n{3} 1.0\nother_cal.fits 2.0\n", "other_cal.fits: listed"),
        ("{0} 1.0\n{0} 1.0\n{1} 1.0\n{2} 1.0\n{3} 1.0\n", "more than once"),
        ("{0} 1.0\n{1} high\n", "line 2"),
        ("{0}\n", "line 1"),
        ("{0} 1.0 2.0\n", "line 1"),
        ("{0} nan\n", "line 1"),
    ],
)
def test_skylist(work, text, message):
    skylist = work / "sky.txt"
    skylist.write_text(text.format(*(path.name for path in files(work))))
    with pytest.raises(ValueError, match=message):
        run(work, skymethod="user", skylist=str(skylist))
    assert not list(work.glob("out/*"))


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
        ("weight", "heavy"),
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


def test_different_areas_only_warn(work, caplog):
    with open_model(files(work)[1]) as model:
        model.meta.photometry.pixelarea_steradians *= 4
        model.save(files(work)[1])
    run(work)
    assert f"{files(work)[1].name}: pixel area" in caplog.text
    assert len(list(work.glob("out/*_skymatch.fits"))) == 4


def test_pixel_areas_matter_for_other_units(work):
    for k, path in enumerate(files(work)):
        with open_model(path) as model:
            model.meta.bunit_data = "DN/s"
            model.meta.photometry.pixelarea_steradians *= 1 + k
            model.save(path)
    with pytest.raises(ValueError, match="pixel area"):
        run(work)


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


@pytest.mark.parametrize("is_list", [True, False])
def test_pipeline_checks_what_is_no_file(work, monkeypatch, is_list):
    monkeypatch.chdir(work)
    name, inputs = cut_file(work), json.loads((work / "asn.json").read_text())
    if is_list:
        inputs = [path.name for path in files(work)]
    with pytest.raises(OSError, match=f"{name}: cannot be read"):
        PixelSkyMatchImage3Pipeline().run(inputs)
