"""Associations, before anything is opened."""

import pytest

from jwst_mosaic_skymatch.exposures.association import (
    absolute_association,
    association_of_files,
    check_association,
)


@pytest.fixture
def association(tmp_path):
    """Two exposures that are there and a background that is not."""
    for name in ("a_cal.fits", "b_cal.fits"):
        (tmp_path / name).touch()
    members = [
        {"expname": "a_cal.fits", "exptype": "SCIENCE", "group_id": "mine"},
        {"expname": str(tmp_path / "b_cal.fits"), "exptype": "science"},
        {"expname": "c_cal.fits", "exptype": "Background"},
    ]
    return {"asn_id": "a3001", "products": [{"name": "m", "members": members}, {"members": []}]}


def test_paths_are_absolute_and_types_in_lower_case(association, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for directory in (tmp_path, "", "."):
        copy = absolute_association(association, "asn.json", directory)
        check_association(copy, "asn.json")
        assert copy["asn_id"] == "a3001"
        (product,) = copy["products"]
        assert product["name"] == "m"
        assert product["members"] == [
            {"expname": str(tmp_path / "a_cal.fits"), "exptype": "science", "group_id": "mine"},
            {"expname": str(tmp_path / "b_cal.fits"), "exptype": "science"},
            {"expname": str(tmp_path / "c_cal.fits"), "exptype": "background"},
        ]
    assert association["products"][0]["members"][0]["exptype"] == "SCIENCE"


def test_association_of_files(tmp_path):
    (tmp_path / "a_cal.fits").touch()
    association = association_of_files([tmp_path / "a_cal.fits"])
    assert absolute_association(association, "files", "") == association
    check_association(association, "files")


@pytest.mark.parametrize(
    "broken", [{}, [], None, {"products": []}, {"products": [{"members": [{"expname": "a"}]}]}]
)
def test_no_association(broken):
    with pytest.raises(ValueError, match=r"asn.json: not an association"):
        absolute_association(broken, "asn.json", "")


def test_file_that_is_not_there(association, tmp_path):
    (tmp_path / "a_cal.fits").unlink()
    with pytest.raises(FileNotFoundError, match=r"a_cal.fits: no such file, but asn.json lists it"):
        check_association(absolute_association(association, "asn.json", tmp_path), "asn.json")


def test_duplicate_by_another_path(association, tmp_path):
    association["products"][0]["members"][1]["expname"] = str(tmp_path / "a_cal.fits")
    with pytest.raises(ValueError, match=r"a_cal.fits: listed more than once in asn.json"):
        check_association(absolute_association(association, "asn.json", tmp_path), "asn.json")


def test_no_science(association, tmp_path):
    del association["products"][0]["members"][:2]
    with pytest.raises(ValueError, match=r"asn.json: no science member"):
        check_association(absolute_association(association, "asn.json", tmp_path), "asn.json")
