"""Whatever the step is given becomes a library, and metadata as they are now."""

import pytest
from helpers import absolute
from jwst.datamodels import ModelLibrary
from stdatamodels.jwst.datamodels import open as open_model

from jwst_mosaic_skymatch.exposures.library import named_exposures, open_input
from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.exposures.models import borrowed


def opened(inputs, *, on_disk=False):
    return open_input(inputs, on_disk=on_disk, own_models=list)


@pytest.fixture
def matched_file(mosaic, tmp_path):
    """An exposure that has been through the step."""
    with open_model(mosaic.files[0]) as model:
        model.meta.background.level = 1.25
        model.meta.background.subtracted = False
        model.save(tmp_path / "matched_cal.fits")
    return tmp_path / "matched_cal.fits"


def test_files_and_models_give_the_same_exposures(mosaic):
    """The library is that of jwst, and the association of the caller does not change."""
    association = absolute(mosaic)
    own, stock = opened(association), ModelLibrary(association)
    assert association == absolute(mosaic)
    assert own.library.asn["products"] == stock.asn["products"]
    assert [e.filename for e in own.exposures] == sorted(path.name for path in mosaic.files)
    for first, second in zip(own.exposures, opened(stock).exposures, strict=True):
        # FITS keywords have a digit less than models.
        area = pytest.approx(second.pixel_area, rel=1e-11)
        assert vars(first) == vars(second) | {"expname": first.expname, "pixel_area": area}


def test_groups_of_the_association_come_first(mosaic, matched_file):
    with open_model(matched_file) as model:
        model.meta.group_id = "the file's own"
        model.save(matched_file)
    association = absolute(mosaic)
    members = association["products"][0]["members"]
    for number, member in enumerate(members):
        member["group_id"] = f"group {number % 2}"
    members.append({"expname": str(matched_file), "exptype": "science"})
    actual = opened(association).exposures
    assert {e.group_id for e in actual} == {"group 0", "group 1", "the file's own"}


@pytest.mark.parametrize("suffix", ["fits", "asdf"])
def test_levels_of_an_earlier_run(matched_file, tmp_path, suffix):
    with open_model(matched_file) as model:
        model.save(tmp_path / f"again_cal.{suffix}")
    step_input = opened(str(tmp_path / f"again_cal.{suffix}"))
    (exposure,) = step_input.exposures
    assert (exposure.level, exposure.subtracted) == (1.25, False)
    assert exposure.filename == f"again_cal.{suffix}"
    assert step_input.in_files == (suffix == "fits")  # pixels of others cannot be read


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


# --- Exposures by their names -------------------------------------------------

EXPOSURES = (
    Exposure(0, "a_cal.fits", expname="/data/a_cal.fits", visit_id="001"),
    Exposure(1, "a_crf.fits", expname="/data/a_crf.fits", visit_id="001"),
    Exposure(
        2, "b_cal.fits", expname="/1/b_cal.fits", alias="b_cal.fits (number 3)", visit_id="002"
    ),
    Exposure(
        3, "b_cal.fits", expname="/2/b_cal.fits", alias="b_cal.fits (number 4)", visit_id="002"
    ),
    Exposure(4, "001_cal.fits", expname="/data/001_cal.fits"),
)
LABELS = ("jw001_a", "jw001_b", "jw002", "jw002", "none")


@pytest.mark.parametrize(
    ("name", "positions"),
    [
        ("/data/a_cal.fits", (0,)),
        ("elsewhere/a_cal.fits", (0,)),
        ("a", (0, 1)),  # both
        ("/2/b_cal.fits", (3,)),
        ("b_cal.fits", (2, 3)),
        ("002", (2, 3)),
        ("jw001", (0, 1)),
        ("jw001_b", (1,)),
        ("001", (4,)),  # a member before a visit
    ],
)
def test_names(name, positions):
    assert named_exposures(name, EXPOSURES, LABELS) == positions


def test_unknown_name():
    with pytest.raises(ValueError, match=r"'c_cal.fits': no member .* such as a_cal.fits, a visit"):
        named_exposures("c_cal.fits", EXPOSURES, LABELS)
