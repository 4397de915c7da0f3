"""What users are told about a match."""

from dataclasses import replace

import numpy as np

from jwst_mosaic_skymatch.levels.results import BackgroundScatter, FamilySlopes
from jwst_mosaic_skymatch.levels.ties import TiedLevels
from jwst_mosaic_skymatch.products.messages import (
    describe_ties,
    findings_of_match,
    summarize_match,
)


def lines_of(*args, **options):
    """Give what the log says of all findings."""
    return [line for found in findings_of_match(*args, **options) for line in found.lines]


def test_summary(match):
    labels = ["jw001", "jw001", "jw002", "jw003"]
    counts, closure = summarize_match(match, labels, "visit")
    assert counts == (
        "3 groups by visit, 2 stacks; 1 pair inside stacks, 1 between them; 1 connected component"
    )
    # The pair that is not used counts as well.
    assert closure == "Closure of the pairs: chi2 400 for 1 degrees of freedom"


def test_warnings(match, exposures, grid):
    pair, shift, which = lines_of(match, exposures, grid, threshold=0.1)
    assert pair.startswith("The overlap of jw001 and jw002 disagrees with all others by 2 (20 ")
    # The second is too near, the third is not significant.
    assert shift.startswith("1 of 4 exposures are displaced by more than 0.1 pixels")
    assert shift.endswith("run tweakreg again.")
    assert which == ("0_cal.fits: displaced by 0.40 pixels, -0.100 arcsec east and +0.000 north")
    assert len(lines_of(match, exposures, grid, threshold=1.0)) == 1


def test_components_are_told_by_their_visits(match, exposures, grid):
    apart = replace(match, stack_pairs=(), components=np.array([0, 0, 1, 2]))
    sentence = lines_of(apart, exposures, grid, threshold=1.0)[0]
    assert "3 components that do not overlap each other" in sentence
    assert sentence.endswith("Visits by component: 001; 002; 3_cal.fits")


def test_nothing_to_say(no_match, exposures, grid):
    assert lines_of(no_match, exposures, grid, threshold=0.1) == []


def test_no_more_than_the_farthest_are_listed(match, exposures, grid):
    n, n_good = 30, 31
    many = [replace(exposures[0], filename=f"{k}_cal.fits") for k in range(n + n_good)]
    shifts = np.zeros((n + n_good, 2))
    shifts[:n, 0] = 0.1 + 0.01 * np.arange(n)
    moved = replace(
        match,
        shifts=shifts,
        shift_variances=np.full(shifts.shape, 1e-6),
        components=np.zeros(n + n_good, dtype=int),
        stack_pairs=(),
    )
    first, *rest = lines_of(moved, many, grid, threshold=0.1)
    assert first.startswith("30 of 61")
    assert first.endswith("The 10 farthest:")
    assert [line.partition(":")[0] for line in rest] == [f"{n - 1 - k}_cal.fits" for k in range(10)]


def test_detectors_tell_the_parts_of_a_visit_apart(match, exposures, grid):
    detectors = [replace(e, detector=f"NRCA{k}") for k, e in enumerate(exposures)]
    apart = replace(match, stack_pairs=(), components=np.array([0, 1, 1, -1]))
    sentence = lines_of(apart, detectors, grid, threshold=1.0)[0]
    assert sentence.endswith("Visits by component: 001 NRCA0; 001 NRCA1, 002")


def test_single_exposure(no_match, exposures, grid):
    (sentence,) = lines_of(no_match, exposures[:1], grid, threshold=0.1)
    assert sentence.startswith("0_cal.fits: a single exposure has nothing to be matched with")


def test_spoiled_exposures(match, exposures, grid):
    spoiled = replace(match, stack_pairs=(), remarks={1: "half of it is raised: flag it"})
    sentence = lines_of(spoiled, exposures, grid, threshold=1.0)[0]
    assert sentence == "1_cal.fits: half of it is raised: flag it."
    many = [replace(exposures[0], filename=f"{k}_cal.fits") for k in range(30)]
    remarks = dict.fromkeys(range(30), "wrong")
    spoiled = replace(match, stack_pairs=(), remarks=remarks)
    sentences = lines_of(spoiled, many, grid, threshold=1.0)
    assert len(sentences) == 11
    assert "20 more exposures" in sentences[-1]


def test_backgrounds(match, exposures, grid):
    """0.0001 in a cell of half an arcsec is 0.012 in an arcmin."""
    scatter = BackgroundScatter(visit_slope=1e-4, exposure_slope=2e-4, gain=0.005)
    uneven = replace(match, stack_pairs=(), backgrounds=scatter)
    slopes, gains = lines_of(uneven, exposures, grid, threshold=1.0)
    assert slopes.startswith(
        "Backgrounds have gradients of 0.012 per arcmin (rms, of visits) and 0.024 per arcmin "
        "(rms, of single exposures)."
    )
    assert "uncertain by 0.1 (level_error)" in slopes
    assert "background='plane' with subtract=True" in slopes
    assert "plane_per='exposure'" in slopes
    assert "gains of exposures differ by 0.50% (rms)" in gains


def test_visits_with_a_gradient_are_named(match, exposures, grid):
    """Those that are far from noise, and not far below the steepest."""
    slopes = FamilySlopes(
        names=("001 MIRI", "002 MIRI", "003 MIRI", "004 MIRI"),
        slopes=np.array([(1e-6, 0.0), (3e-4, 4e-4), (1e-4, 0.0), (np.nan, np.nan)]),
        errors=np.array([(1e-8, 1e-8), (1e-5, 1e-5), (1e-4, 1e-4), (np.nan, np.nan)]),
    )
    uneven = replace(
        match, stack_pairs=(), backgrounds=BackgroundScatter(visit_slope=1e-4), slopes=slopes
    )
    seen = [replace(e, detector="MIRI") for e in exposures]
    (finding,) = findings_of_match(uneven, seen, grid, threshold=1.0)
    assert finding.brief == "visit 002 has a gradient of 0.06 per arcmin"
    assert finding.exposures == ("2_cal.fits",)
    assert finding.details == ("visit 002: gradient of 0.06 per arcmin",)
    seen[0] = replace(seen[0], detector="MIRI2")
    (finding,) = findings_of_match(uneven, seen, grid, threshold=1.0)
    assert finding.brief.startswith("visit 002 MIRI has")
    nothing = replace(uneven, slopes=FamilySlopes())
    (finding,) = findings_of_match(nothing, seen, grid, threshold=1.0)
    assert finding.brief == "backgrounds of visits have gradients"


def test_one_visit_aside_is_named_alone(exposures, match, grid):
    """It moves the mean of all, but not their median."""
    many = [replace(exposures[0], filename=f"{k}_cal.fits", visit_id=str(k // 2)) for k in range(8)]
    shifts = np.zeros((8, 2))
    shifts[:2] = 0.5
    moved = replace(
        match,
        shifts=shifts - shifts.mean(axis=0),
        shift_variances=np.full((8, 2), 1e-6),
        components=np.zeros(8, dtype=int),
        stack_pairs=(),
    )
    (finding,) = findings_of_match(moved, many, grid, threshold=0.1)
    assert finding.exposures == ("0_cal.fits", "1_cal.fits")
    assert finding.brief == "visit 0 is displaced by 1.41 pixels"
    assert finding.remedy == "run tweakreg again"


def test_findings_say_whom_they_concern_and_what_to_do(match, exposures, grid):
    found = findings_of_match(match, exposures, grid, threshold=0.1)
    assert [finding.kind for finding in found] == ["spoiled overlap", "displaced"]
    assert found[0].exposures == ("jw001", "jw002")
    assert found[0].brief == "the overlap of jw001 and jw002 is spoiled"
    for finding in found:
        assert finding.remedy in finding.sentence


def test_open_loops(match, exposures, grid):
    scaled = replace(match, closure_factor=3.0)
    sentence = lines_of(scaled, exposures, grid, threshold=1.0)[0]
    assert sentence.startswith("Differences do not close: chi2 is 400 for 1 degrees of freedom.")
    assert "multiplied by 3;" in sentence


def test_ties():
    tied = TiedLevels(np.zeros(4), np.zeros(4), np.array([0, 0, 0, 1]), 2, 0.003)
    (line,) = describe_ties(tied, 3)
    assert line.startswith(
        "Detectors of 2 exposures tie 3 components, and images without overlap, "
    )
    assert "to 2: detectors of an exposure agree in the mean; scatter by 0.003" in line
    assert "no more of them" in describe_ties(replace(tied, pedestal_rms=np.nan), 3)[0]
    assert describe_ties(replace(tied, n_ties=0), 3) == []
