"""Metadata of exposures: what they say, and which of them go together."""

from dataclasses import replace

import pytest

from jwst_mosaic_skymatch.exposures.metadata import (
    Exposure,
    check_exposures,
    check_rerun,
    differences_in,
    family_names,
    group_labels,
    name_apart,
    read_exposure,
)


@pytest.fixture
def exposures():
    """Three exposures of two visits."""
    return [
        Exposure(
            index=k,
            filename=f"{k}_cal.fits",
            visit_id=f"0273200100{k // 2}",
            group_id=f"group {k}",
            group=f"a/{k % 2}",
            instrument="MIRI",
            filter="F770W",
            unit="MJy/sr",
            pixel_area=2.8e-13,
        )
        for k in range(3)
    ]


def with_one(exposures, **changes):
    return [exposures[0], replace(exposures[1], **changes), exposures[2]]


def test_reading():
    values = {"meta.filename": "/there/a_cal.fits", "meta.background.level": 1.5}
    exposure = read_exposure(4, "b_cal.fits", values.get)
    assert exposure == Exposure(4, "a_cal.fits", expname="b_cal.fits", level=1.5)
    assert exposure.name == "a_cal.fits"
    assert read_exposure(4, "b_cal.fits", values.get, "meta.background.level").group == 1.5
    assert read_exposure(0, "/here/b_cal.fits", {}.get).filename == "b_cal.fits"


def test_names_that_differ(exposures):
    """Of files in two directories, of copies of a model, and of one that is alone."""
    paths = [replace(exposures[0], index=k, expname=f"/{d}/0_cal.fits") for k, d in enumerate("ba")]
    models = [Exposure(k, "model.fits", expname="model.fits") for k in (2, 3)]
    named = name_apart([*paths, *models, exposures[2]])
    assert [exposure.name for exposure in named] == [
        "0_cal.fits (number 2)",
        "0_cal.fits (number 1)",
        "2_cal.fits",
        "model.fits (number 3)",
        "model.fits (number 4)",
    ]
    labels = group_labels(named, "none")
    assert labels == ["0_cal_2", "0_cal_1", "2_cal", "model_3", "model_4"]


def test_exposures_that_go_together(exposures):
    check_exposures(exposures)
    for subtract in (True, False):
        check_rerun(exposures, subtract=subtract)
        check_rerun(with_one(exposures, level=1.0, subtracted=subtract), subtract=subtract)
    assert differences_in(exposures, "filter") == []


def test_pixel_areas_matter_unless_the_unit_has_them(exposures):
    differing = with_one(exposures, pixel_area=3.2e-13)
    check_exposures(differing)
    with pytest.raises(ValueError, match=r"1_cal.fits: pixel area is larger"):
        check_exposures([replace(exposure, unit="DN/s") for exposure in differing])
    check_exposures(with_one(exposures, pixel_area=None))


@pytest.mark.parametrize(
    ("before", "subtract", "message"),
    [
        ({"level": 1.0}, False, "background.level and .* the other is not; start"),
        ({"subtracted": False}, False, "background.level and .* the other is not; start"),
        ({"level": 1.0, "subtracted": True}, False, "use subtract=True"),
        ({"level": 1.0, "subtracted": False}, True, "use subtract=False"),
    ],
)
def test_reruns_that_contradict(exposures, before, subtract, message):
    with pytest.raises(ValueError, match=f"1_cal.fits: .*{message}"):
        check_rerun(with_one(exposures, **before), subtract=subtract)


def test_groups(exposures):
    assert group_labels(exposures, "none") == ["0_cal", "1_cal", "2_cal"]
    assert group_labels(exposures, "exposure") == ["group 0", "group 1", "group 2"]
    first, second = "jw02732001000", "jw02732001001"
    assert group_labels(exposures, "visit") == [first, first, second]
    labels = ["visit_group_a_0", "visit_group_a_1", "visit_group_a_0"]
    assert group_labels(exposures, "meta.observation.visit_group") == labels
    # Of no visit, an exposure has a gradient of its own.
    assert family_names(with_one(exposures, visit_id=None))[1] == "1_cal.fits"


@pytest.mark.parametrize(
    ("grouping", "missing"),
    [
        ("visit", "meta.observation.visit_id"),
        ("exposure", "meta.group_id"),
        ("meta.observation.visit_group", "meta.observation.visit_group"),
    ],
)
def test_groups_without_names(exposures, grouping, missing):
    nameless = with_one(exposures, visit_id=None, group_id=None, group=None)
    with pytest.raises(ValueError, match=f"1_cal.fits: {missing} is missing.*grouping='none'"):
        group_labels(nameless, grouping)
