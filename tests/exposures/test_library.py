"""Whatever the step is given becomes a library, and metadata as they are now."""

import json
from dataclasses import replace

import numpy as np
import pytest
from jwst.datamodels import ModelContainer, ModelLibrary
from stdatamodels.jwst.datamodels import open as open_model

from jwst_mosaic_skymatch.exposures.library import change_models, open_input
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
        found = opened(inputs, on_disk=on_disk).exposures
        assert comparable(found) == comparable(expected)
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
    found = opened(absolute).exposures
    assert {e.group_id for e in found} == {"group 0", "group 1", "the file's own"}


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


def test_change_on_disk_waits_until_the_model_is_borrowed(mosaic, tmp_path, monkeypatch):
    """And is made once: what is subtracted must not be subtracted again."""
    monkeypatch.chdir(tmp_path)
    step_input = opened(mosaic.association, on_disk=True)
    library, exposures = step_input.library, step_input.exposures

    def subtract(_, model):
        model.data = model.data - np.float32(1.0)

    change_models(library, exposures[:1], subtract)
    assert not list(tmp_path.rglob("*.fits"))
    index = exposures[0].index
    with open_model(mosaic.files[0]) as model:
        expected = model.data - np.float32(1.0)
    with library:
        for _ in range(3):
            model = library.borrow(index)
            np.testing.assert_array_equal(model.data, expected)
            library.shelve(model, index, modify=False)
        other = library.borrow(exposures[1].index)
        library.shelve(other, modify=False)
    assert len(list(tmp_path.rglob("*.fits"))) == 1


def test_metadata_are_those_of_a_change_that_waits(mosaic, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    step_input = opened(mosaic.association, on_disk=True)

    def record(_, model):
        model.meta.background.level = 2.5

    change_models(step_input.library, step_input.exposures, record)
    again = opened(step_input.library).exposures
    assert {exposure.level for exposure in again} == {2.5}
