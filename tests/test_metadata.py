"""What is read of exposures before their pixels."""

import json
from pathlib import Path

import pytest
from jwst.datamodels import ModelLibrary
from stdatamodels.jwst.datamodels import open as open_model
from stdatamodels.jwst.datamodels import read_metadata

from jwst_mosaic_skymatch.keywords import read_keywords
from jwst_mosaic_skymatch.members import read_member
from jwst_mosaic_skymatch.step_input import list_input, read_members


def read_from(flat):
    return read_member(0, "exposure", flat.get)


def flattened(tree, path=()):
    if not isinstance(tree, dict):
        return {".".join(path): tree}
    return {k: v for name in tree for k, v in flattened(tree[name], (*path, name)).items()}


@pytest.fixture
def matched_file(mosaic, tmp_path):
    """An exposure that has been through the step."""
    with open_model(mosaic.files[0]) as model:
        model.meta.background.level = 1.25
        model.meta.background.subtracted = False
        model.save(tmp_path / "matched_cal.fits")
    return tmp_path / "matched_cal.fits"


def test_keywords_say_what_the_data_model_says(mosaic, matched_file):
    """All attributes that are asked for, by the names that stdatamodels has for them."""
    for path in (mosaic.files[0], matched_file):
        found = {f"meta.{k}": v for k, v in flattened(read_keywords(str(path))).items()}
        everything = read_metadata(str(path))
        assert found == {name: everything[name] for name in found}
        assert read_from(found) == read_from(everything)
    assert read_from(found).level == 1.25
    assert read_from(found).subtracted is False
    assert None not in {v for k, v in vars(read_from(found)).items() if k != "group_id"}


def test_a_group_that_is_only_in_the_asdf_extension_is_found(matched_file):
    with open_model(matched_file) as model:
        model.meta.group_id = "a group of my own"
        model.save(matched_file)
    assert read_keywords(str(matched_file))["group_id"] == "a group of my own"
    find = {"on_disk": True, "find_path": Path, "own_models": list}
    (member,) = read_members(list_input([matched_file], **find).open().library)
    assert member.group_id == "a group of my own"


def test_files_that_are_not_fits_are_read_as_well(matched_file, tmp_path):
    with open_model(matched_file) as model:
        model.save(tmp_path / "matched_cal.asdf")
    found = flattened({"meta": read_keywords(str(tmp_path / "matched_cal.asdf"))})
    assert found["meta.background.level"] == 1.25
    assert found["meta.observation.visit_id"]


def test_metadata_are_read_once(mosaic, monkeypatch):
    """And need not be read while the library is opened: an association may name groups."""
    read = []

    def counted(path):
        read.append(path)
        return read_keywords(path)

    monkeypatch.setattr("jwst_mosaic_skymatch.step_input.read_keywords", counted)
    for place in ("jwst.datamodels.library", "jwst_mosaic_skymatch.keywords"):
        monkeypatch.delattr(f"{place}.read_metadata")
    find = {"on_disk": True, "find_path": Path, "own_models": list}
    opened = list_input(mosaic.association, **find).open()
    members = read_members(opened.library)
    monkeypatch.undo()
    assert len(read) == len(members) == len(mosaic.files)
    assert all(member.group_id for member in members)
    assert opened.library.asn is opened.library.asn
    assert opened.library.asn == ModelLibrary(mosaic.association, on_disk=True).asn
    association = json.loads(mosaic.association.read_text())
    for number, member in enumerate(association["products"][0]["members"]):
        member["expname"] = str(mosaic.association.parent / member["expname"])
        member["group_id"] = f"group {number % 2}"
    named = read_members(list_input(association, **find).open().library)
    assert [m.filename for m in named] == [m.filename for m in members]
    assert {m.visit_id for m in named} == {m.visit_id for m in members}
    assert {m.group_id for m in named} == {"group 0", "group 1"}
