"""Whatever the step is given becomes a library, and metadata as they are now."""

import gc
import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import asdf
import pytest
from jwst.datamodels import ModelContainer, ModelLibrary
from stdatamodels.jwst.datamodels import open as open_model

from jwst_mosaic_skymatch.exposures.library import as_association, light_loading, open_input
from jwst_mosaic_skymatch.exposures.models import borrowed


def opened(inputs, *, on_disk=False):
    return open_input(inputs, on_disk=on_disk, own_models=list)


def comparable(exposures):
    """Without places; FITS keywords have a digit less than what models hold."""
    return [
        replace(e, index=0, expname="", pixel_area=float(f"{e.pixel_area:.12g}")) for e in exposures
    ]


@pytest.fixture
def matched_file(mosaic, tmp_path):
    """An exposure that has been through the step."""
    with open_model(mosaic.files[0]) as model:
        model.meta.background.level = 1.25
        model.meta.background.subtracted = False
        model.save(tmp_path / "matched_cal.fits")
    return tmp_path / "matched_cal.fits"


@pytest.fixture
def absolute(mosaic):
    """The association as a dict with absolute paths."""
    association = json.loads(mosaic.association.read_text())
    for member in association["products"][0]["members"]:
        member["expname"] = str(mosaic.association.parent / member["expname"])
    return association


@pytest.mark.parametrize("on_disk", [True, False])
def test_all_ways_give_the_same_exposures(mosaic, absolute, on_disk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = opened(mosaic.association, on_disk=on_disk).exposures
    assert [e.filename for e in expected] == sorted(path.name for path in mosaic.files)
    assert None not in {
        value
        for exposure in expected
        for name, value in vars(exposure).items()
        if name not in ("level", "subtracted", "alias")
    }
    library = ModelLibrary(mosaic.association, on_disk=on_disk)
    models = [open_model(path) for path in mosaic.files]
    for inputs in (
        str(mosaic.association),
        absolute,
        library,
        library.asn | {"products": ModelLibrary(absolute).asn["products"]},
        [str(path) for path in reversed(mosaic.files)],
        ModelContainer(models),
        models,
    ):
        actual = opened(inputs, on_disk=on_disk).exposures
        assert comparable(actual) == comparable(expected)
    for model in models:
        model.close()


def test_library_is_that_of_jwst(mosaic, absolute):
    own, stock = opened(mosaic.association).library, ModelLibrary(absolute)
    assert own.asn["table_name"] == mosaic.association.name
    assert own.asn["products"] == stock.asn["products"]
    with own, stock:
        for index in range(len(stock)):
            with borrowed(own, index) as first, borrowed(stock, index) as second:
                assert first.meta.filename == second.meta.filename
                assert first.meta.group_id == second.meta.group_id
                assert first.meta.asn.exptype == second.meta.asn.exptype


def test_groups_of_the_association_come_first(absolute, matched_file):
    with open_model(matched_file) as model:
        model.meta.group_id = "the file's own"
        model.save(matched_file)
    members = absolute["products"][0]["members"]
    for number, member in enumerate(members):
        member["group_id"] = f"group {number % 2}"
    members.append({"expname": str(matched_file), "exptype": "science"})
    actual = opened(absolute).exposures
    assert {e.group_id for e in actual} == {"group 0", "group 1", "the file's own"}


def test_exposure_without_a_group_gets_one(matched_file):
    with open_model(matched_file) as model:
        model.meta.observation.exposure_number = None
        model.save(matched_file)
    (exposure,) = opened([matched_file]).exposures
    assert exposure.group_id == "exposure0001"


@pytest.mark.parametrize("suffix", ["fits", "asdf"])
def test_levels_of_an_earlier_run(matched_file, tmp_path, suffix):
    with open_model(matched_file) as model:
        model.save(tmp_path / f"again_cal.{suffix}")
    step_input = opened(str(tmp_path / f"again_cal.{suffix}"))
    (exposure,) = step_input.exposures
    assert (exposure.level, exposure.subtracted) == (1.25, False)
    assert exposure.filename == f"again_cal.{suffix}"
    assert bool(step_input.unchanged) == (suffix == "fits")  # pixels of others cannot be read


@pytest.mark.parametrize("on_disk", [True, False])
def test_library_tells_what_its_models_say_now(mosaic, on_disk, tmp_path, monkeypatch):
    """As within a pipeline, where files are older than models."""
    monkeypatch.chdir(tmp_path)
    library = ModelLibrary(mosaic.association, on_disk=on_disk)
    with library, borrowed(library, 2, modify=True) as model:
        model.meta.background.level = 0.5
        model.meta.background.subtracted = True
        model.meta.wcsinfo.s_region = "POLYGON ICRS  1 1 1 2 2 2 2 1"
        name = model.meta.filename
    (changed,) = [e for e in opened(library).exposures if e.filename == name]
    assert (changed.level, changed.subtracted) == (0.5, True)
    assert changed.s_region == "POLYGON ICRS  1 1 1 2 2 2 2 1"
    assert changed.index == 2


def test_members_of_other_types(mosaic, absolute):
    members = absolute["products"][0]["members"]
    members[0]["exptype"] = "background"
    members[1]["exptype"] = "SCIENCE"
    for inputs in (absolute, ModelLibrary(absolute)):
        step_input = opened(inputs)
        assert len(step_input.exposures) == len(members) - 1
        assert step_input.files == {path.resolve() for path in mosaic.files}
        (other,) = step_input.others
        assert other["expname"] == members[0]["expname"]


def test_file_that_cannot_be_read(mosaic, tmp_path):
    (tmp_path / "a_cal.fits").write_text("this is not FITS")
    with pytest.raises(OSError, match=r"a_cal.fits: cannot be read .*fetch or make the file anew"):
        opened([tmp_path / "a_cal.fits"])


def test_file_that_cannot_be_written(mosaic, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    library = opened(mosaic.association, on_disk=True).library

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ModelLibrary, "shelve", fail)
    with (
        pytest.raises(OSError, match=r"No space left on device\); .*make room"),
        library,
        borrowed(library, 0, modify=True),
    ):
        pass


# --- Associations ------------------------------------------------------------


def asn(*members):
    return {"products": [{"members": list(members)}]}


def science(path):
    return {"expname": str(path), "exptype": "SCIENCE"}


BROKEN = {
    "no product": (lambda f: {}, ValueError, "not an association"),
    "empty": (lambda f: {"products": []}, ValueError, "not an association"),
    "no type": (lambda f: asn({"expname": str(f)}), ValueError, "not an association"),
    "no science": (lambda f: asn(science(f) | {"exptype": "psf"}), ValueError, "no science member"),
    "missing": (lambda f: asn(science("nowhere_cal.fits")), FileNotFoundError, "no such file, but"),
    "twice": (lambda f: asn(science(f), science(f.name)), ValueError, "listed more than once"),
    "missing table": (lambda f: "nowhere_asn.json", FileNotFoundError, "no such association file"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_associations(mosaic, case, monkeypatch):
    make, error, message = BROKEN[case]
    monkeypatch.chdir(mosaic.files[0].parent)
    with pytest.raises(error, match=message):
        opened(make(mosaic.files[0]))


def test_association_is_not_changed(absolute):
    before = json.dumps(absolute)
    opened(absolute)
    assert json.dumps(absolute) == before


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (Path("a_asn.json"), "a_asn.json"),
        (3, 3),
        (iter([1, 2]), [1, 2]),
        ((Path("a_cal.fits"), "b_cal.fits"), ["a_cal.fits", "b_cal.fits"]),
        (Path("a_cal.fits"), ["a_cal.fits"]),
    ],
)
def test_inputs_in_a_form_that_jwst_takes(inputs, expected):
    given = as_association(inputs)
    if isinstance(given, dict):
        given = [member["expname"] for member in given["products"][0]["members"]]
    assert given == expected


# --- Settings of the process -------------------------------------------------


def settings():
    validates = asdf.get_config().validate_on_read
    return gc.get_threshold(), gc.get_freeze_count(), validates


@pytest.mark.parametrize("fails", [True, False])
def test_settings_are_as_before_afterwards(fails):
    """What the caller has frozen stays so."""
    before = settings()
    with pytest.raises(KeyError) if fails else nullcontext(), light_loading():
        assert settings()[0] > before[0]
        assert settings()[1:] == (before[1], False)
        if fails:
            raise KeyError
    assert settings() == before
