"""Messages about a match."""

from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable

from jwst_mosaic_skymatch.products.messages import (
    describe_levels,
    findings_of_match,
    summarize_match,
)


def lines_of(match, exposures, grid):
    """Give the lines of findings but for displaced exposures; pairs inside a stack are in order."""
    findings = findings_of_match(match, exposures, grid)
    return [str(finding) for finding in findings if finding.kind != "displaced"]


def with_levels(match, **changes):
    """Change levels, and leave pairs of stacks out."""
    return replace(match, stack_pairs=(), levels=replace(match.levels, **changes))


def with_backgrounds(match, **changes):
    backgrounds = replace(match.backgrounds, **changes)
    return replace(match, stack_pairs=(), backgrounds=backgrounds)


def moved(match, shifts):
    """Give exposures of one component shifts with an error of a thousandth."""
    errors = np.full(len(shifts), 1e-3)
    components = np.zeros(len(shifts), dtype=int)
    return with_levels(match, shifts=shifts, shift_errors=errors, components=components)


@pytest.mark.parametrize(
    ("backgrounds", "start"),
    [
        (
            {"sigmas": {"pedestal": 0.003}},
            "Components that do not overlap are tied by detectors of an exposure, which agree but",
        ),
        (
            {"contrasts": {"MIRIMAGE Lyot": (0.25, 0.012), "MIRIMAGE left": (0.05, 0.012)}},
            "The MIRIMAGE Lyot region lies 0.25 above the rest of the detector, error 0.012;",
        ),
        ({"planes": (None,) * 4}, "Gradients of 0 of 4 exposures are subtracted: up to 0 per"),
        (
            {"planes": (None,) * 4, "gradients": np.outer([0, 3, 1, 0], [3e-4, 4e-4])},
            "Gradients of 2 of 4 exposures are subtracted: up to 0.18 per arcmin",
        ),
    ],
)
def test_summary(match, exposures, grid, backgrounds, start):
    changed = with_backgrounds(match, **backgrounds)
    first, line = summarize_match(changed, exposures, grid, "visit")
    counts = "1 pair inside stacks, 0 between them; 1 connected component"
    assert first == f"2 stacks by visit; {counts}"
    assert line.startswith(start)


def test_warnings(match, exposures, grid):
    """The second exposure is too near, the shift of the third is not significant."""
    overlap, displaced = findings_of_match(match, exposures, grid)
    case = "the overlap of jw001 and jw002 disagrees with all others by 10 sigma: its weight is 0.1"
    assert overlap.details == (case,)
    assert (overlap.exposures, overlap.kind) == (("jw001", "jw002"), "spoiled overlap")
    start = "1 of 4 exposures are displaced by more than 0.1 pixels"
    assert displaced.sentence.startswith(start)
    detail = "0_cal.fits: displaced by 0.40 pixels, -0.100 arcsec east and +0.000 north"
    assert displaced.details == (detail,)
    assert displaced.kind == "displaced"
    for finding in (overlap, displaced):
        assert finding.brief == finding.details[0]
        cases, remedy = f": {finding.brief}", f". What to do: {finding.remedy}."
        assert str(finding) == finding.sentence + cases + remedy


def test_one_warning_for_all_overlaps(match, exposures, grid):
    """The worst pair is the first, others are counted; a rough pair has 20 times its noise.

    An error that other pairs have caused does not make a pair rough.
    """
    (bad,), (good,) = match.stack_pairs, match.exposure_pairs
    worse, smooth = replace(bad, residual=-4.0), replace(good, error=2.5)
    quality = good.measurement.quality
    quality = replace(quality, strips=replace(quality.strips, raw=np.full((2, 2), 2.5**2)))
    rough = replace(smooth, measurement=replace(good.measurement, quality=quality))
    pairs = (rough, good, smooth, rough)
    spoiled = replace(match, stack_pairs=(bad, worse, bad), exposure_pairs=pairs)
    finding, _ = findings_of_match(spoiled, exposures, grid)
    assert finding.sentence.startswith("5 overlaps")
    uneven = "the overlap of 0_cal.fits and 1_cal.fits is uneven by 25 sigma"
    assert finding.details[:2] == (uneven,) * 2
    assert [detail.split()[-6] for detail in finding.details[2:]] == ["20", "10", "10"]
    assert finding.brief == f"{uneven}, and 4 more"
    remarked, rejected, _ = findings_of_match(
        replace(spoiled, remarks={1: "noisy"}), exposures, grid
    )
    start = "1 of 4 exposures disagree with all others: 1_cal.fits: noisy. What to do: check"
    assert str(remarked).startswith(start)
    assert not any("uneven" in detail for detail in rejected.details)


@pytest.mark.parametrize(
    ("components", "names"),
    [
        ([0, 0, 1, 2], ["001 A, 001 B", "002 A", "3_cal.fits"]),
        ([0, 1, 1, -1], ["001 A", "001 B, 002 A"]),
    ],
)
def test_components_by_their_visits(match, exposures, grid, components, names):
    own = [replace(e, detector=d) for e, d in zip(exposures, "ABAA", strict=True)]
    components = np.array(components)
    several = with_levels(match, components=components, anchored=np.zeros(len(names), dtype=bool))
    (line,) = lines_of(several, own, grid)
    assert line.startswith(f"{len(names)} components do not overlap")
    assert f"within each: {'; '.join(names)}. What to do: add exposures in between" in line


def test_no_more_than_the_farthest_are_listed(match, exposures, grid):
    many = [replace(exposures[0], filename=f"{k}_cal.fits") for k in range(61)]
    shifts = np.zeros((61, 2))
    shifts[:30, 0] = 0.1 + 0.01 * np.arange(30)
    (finding,) = findings_of_match(moved(match, shifts), many, grid)
    names = [line.partition(":")[0] for line in finding.details]
    assert names == [f"{k}_cal.fits" for k in reversed(range(30))]
    assert str(finding).startswith("30 of 61")
    assert "; and 27 more. What to do: run tweakreg again." in str(finding)
    assert str(finding).count(": displaced by") == 3


def test_backgrounds(match, exposures, grid):
    """0.0001 in a cell of half an arcsec is 0.012 in an arcmin."""
    sigmas = {"visit gradient": 1e-4, "exposure gradient": 2e-4, "gain": 0.005, "misfit": 0.02}
    slopes, gains, misfit = lines_of(with_backgrounds(match, sigmas=sigmas), exposures, grid)
    assert slopes.startswith(
        "Backgrounds have gradients of 0.012 per arcmin (rms, of visits) and 0.024 per arcmin "
        "(rms, of exposures)."
    )
    assert "uncertain by 0.1 (level_error)" in slopes
    assert "subtract=True with background='plane'" in slopes
    assert "plane_per_exposure" in slopes
    assert "Gains of exposures differ by 0.50% (rms); levels are uncertain by 0.1" in gains
    assert misfit.startswith("Differences do not close: beside their noise, offsets are uncertain")
    assert "uncertain by 0.02; levels are uncertain by 0.1" in misfit
    # Planes that are subtracted leave no gradient.
    backgrounds = with_backgrounds(match, sigmas=sigmas)
    text = str(findings_of_match(backgrounds, exposures, grid, "group"))
    assert "have gradients of 0.024 per arcmin (rms, of exposures)." in text
    assert "largest gradient" not in text
    assert "gradients" not in str(findings_of_match(backgrounds, exposures, grid, "exposure"))


def test_visit_with_the_largest_gradient_is_named(match, exposures, grid):
    gradients = np.array([(1e-6, 0.0), (1e-4, 0.0), (3e-4, 4e-4), (0.0, 0.0)])
    uneven = with_backgrounds(match, sigmas={"visit gradient": 1e-4}, gradients=gradients)
    seen = [replace(e, detector="MIRI") for e in exposures]
    finding, _ = findings_of_match(uneven, seen, grid)
    assert finding.brief == "002 MIRI has the largest gradient, 0.06 per arcmin"
    assert finding.exposures == ("2_cal.fits",)


def test_few_levels_are_listed_and_many_summed_up():
    def lines_of_levels(levels):
        status = np.where(np.isfinite(levels), "COMPLETE", "SKIPPED")
        names = np.array([f"{k}_cal.fits" for k in range(len(levels))], dtype=str)
        columns = {"filename": names, "level": levels * u.Unit("MJy/sr"), "status": status}
        return describe_levels(QTable(columns))

    assert lines_of_levels(np.array([0.75, 1.0, np.nan, np.nan])) == [
        "0_cal.fits: sky level 0.75",
        "1_cal.fits: sky level 1",
    ]
    (line,) = lines_of_levels(np.arange(2000.0) + 0.5)
    assert "2000 exposures, from 0.5 to 1999.5;" in line
    assert lines_of_levels(np.array([])) == []
