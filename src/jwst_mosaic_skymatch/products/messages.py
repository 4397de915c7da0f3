"""What users should be told about a match."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from jwst_mosaic_skymatch.exposures.metadata import LYOT_MARK, Exposure
from jwst_mosaic_skymatch.levels.results import Match
from jwst_mosaic_skymatch.levels.ties import TiedLevels
from jwst_mosaic_skymatch.products.tables import sky_gradients, sky_shifts
from jwst_mosaic_skymatch.tiles.grid import Grid

__all__ = [
    "describe_planes",
    "describe_ties",
    "name_components",
    "summarize_match",
    "warnings_of_match",
]

# A shift below this many sigma is not significant.
SIGNIFICANCE = 5.0
# Exposures out of place that are listed.
LISTED = 10


def summarize_match(  # numpydoc ignore=PR01,RT01
    match: Match, labels: Sequence[str], grouping: str
) -> list[str]:
    """Say in some lines for the log what has been matched, and how well."""
    chi2, dof = match.closure
    return [
        f"{_count(len(set(labels)), 'group')} by {grouping}, "
        f"{_count(len(match.stacks), 'stack')}; "
        f"{_count(len(match.exposure_pairs), 'pair')} inside stacks, "
        f"{len(match.stack_pairs)} between them; "
        f"{_count(match.n_components, 'connected component')}",
        f"Closure of the pairs: chi2 {chi2:.4g} for {dof:.4g} degrees of freedom",
    ]


def describe_ties(tied: TiedLevels, n_before: int) -> list[str]:
    """Say in words which components were tied, if any.

    Parameters
    ----------
    tied : TiedLevels
        The levels after that.
    n_before : int
        Number of components before.

    Returns
    -------
    list of str
        A line, or none.
    """
    if not tied.n_ties:
        return []
    scatter = f"scatter by {tied.pedestal_rms:.2g}"
    if np.isnan(tied.pedestal_rms):
        scatter = "no more of them than it takes: errors are without that of the ties"
    return [
        f"Detectors of {_count(tied.n_ties, 'exposure')} tie {n_before} components, and images "
        f"without overlap, to {tied.components.max() + 1}: detectors of an exposure agree in the "
        f"mean; {scatter} (tie_detectors)"
    ]


def describe_planes(match: Match, exposures: Sequence[Exposure], grid: Grid) -> list[str]:
    """Say in words which gradients were fitted, if that was asked for.

    Parameters
    ----------
    match : Match
        The match.
    exposures : sequence of Exposure
        The exposures.
    grid : Grid
        The grid.

    Returns
    -------
    list of str
        A line, or none.
    """
    if not match.planes:
        return []
    sizes = np.hypot(*sky_gradients(match, grid)[0].T)
    found = sizes > 0
    if not found.any():
        return ["No gradient of a background is significant; nothing but levels is subtracted"]
    largest = int(np.argmax(sizes))
    return [
        f"Gradients of {np.count_nonzero(found)} of {len(exposures)} exposures are significant and "
        f"subtracted: {np.sqrt(np.mean(sizes[found] ** 2)):.2g} per arcmin (rms), "
        f"{sizes[largest]:.2g} in {exposures[largest].name}. What all have in common no overlap "
        "tells: it stays in the data"
    ]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def warnings_of_match(  # numpydoc ignore=PR01,RT01
    match: Match, exposures: Sequence[Exposure], grid: Grid, threshold: float
) -> list[str]:
    """Say what users should be told: components, bad overlaps, and exposures out of place.

    ``threshold`` is the shift in native pixels below which nothing is said.
    """
    return [
        *_single_exposure(exposures),
        *_separate_components(match, exposures),
        *_spoiled_exposures(match, exposures),
        *_uneven_backgrounds(match, grid),
        *_open_loops(match),
        *_unused_pairs(match, exposures),
        *_misaligned_exposures(match, exposures, grid, threshold),
    ]


def _single_exposure(exposures: Sequence[Exposure]) -> list[str]:
    if len({exposure.name.removesuffix(LYOT_MARK) for exposure in exposures}) > 1:
        return []
    return [
        f"{exposures[0].name}: a single exposure has nothing to be matched with; give all "
        "exposures of the mosaic, or choose skymethod='local'."
    ]


def _separate_components(match: Match, exposures: Sequence[Exposure]) -> list[str]:
    if match.n_components < 2:
        return []
    return [
        f"The exposures form {match.n_components} components that do not overlap each other; "
        "levels are matched only within each. Visits by component: "
        + "; ".join(name_components(match, exposures))
    ]


def name_components(  # numpydoc ignore=PR01,RT01
    match: Match, exposures: Sequence[Exposure]
) -> list[str]:
    """Name the visits of each component, and the detectors where a visit is in several."""
    members = [
        [exposures[k] for k in np.flatnonzero(match.components == component).tolist()]
        for component in range(match.n_components)
    ]
    visits = [{exposure.visit_id for exposure in component} for component in members]
    counts = Counter(visit for component in visits for visit in component if visit)

    def label(exposure: Exposure) -> str:
        if not exposure.visit_id:
            return exposure.name
        if counts[exposure.visit_id] == 1 or not exposure.detector:
            return exposure.visit_id
        return f"{exposure.visit_id} {exposure.detector}"

    return [", ".join(sorted({label(e) for e in group})) for group in members]


def _spoiled_exposures(match: Match, exposures: Sequence[Exposure]) -> list[str]:
    listed = sorted(match.remarks)[:LISTED]
    more = len(match.remarks) - len(listed)
    return [
        *(f"{exposures[k].name}: {match.remarks[k]}." for k in listed),
        *(
            [f"The same is true of {more} more exposures; save_diagnostics lists them."]
            * (more > 0)
        ),
    ]


def _uneven_backgrounds(match: Match, grid: Grid) -> list[str]:
    """Say how large gradients and gains are, what they do to levels, and what to do."""
    backgrounds = match.backgrounds
    errors = match.level_errors[np.isfinite(match.level_errors)]
    typical = float(np.median(errors)) if errors.size else np.nan
    arcmin = 60.0 / grid.cell_scale
    slopes = [
        f"{slope * arcmin:.2g} per arcmin (rms, {what})"
        for what, slope in (
            ("of visits", backgrounds.visit_slope),
            ("of single exposures", backgrounds.exposure_slope),
        )
        if slope
    ]
    sentences = []
    if slopes:
        remedy = "background='plane' with subtract=True fits and subtracts them"
        if match.planes:
            remedy = "these are what is left beside the planes"
        if backgrounds.exposure_slope:
            remedy += "; plane_per='exposure' those of single exposures"
        sentences.append(
            f"Backgrounds have gradients of {' and '.join(slopes)}. A level describes them badly: "
            f"levels are uncertain by {typical:.2g} (level_error), and steps remain at the edges "
            f"of overlaps; {remedy}."
        )
    if backgrounds.gain:
        sentences.append(
            "Differences grow with brightness: gains of exposures differ by "
            f"{backgrounds.gain:.2%} (rms). Levels are uncertain by {typical:.2g} (level_error); "
            "check the flat fields and photometric keywords."
        )
    return sentences


def _open_loops(match: Match) -> list[str]:
    chi2, dof = match.closure
    if match.closure_factor == 1.0:
        return []
    return [
        f"Differences do not close: chi2 is {chi2:.4g} for {dof:.4g} degrees of freedom. Errors "
        f"are multiplied by {match.closure_factor:.2g}; the table of pairs (save_diagnostics) "
        "shows which disagree."
    ]


def _unused_pairs(match: Match, exposures: Sequence[Exposure]) -> list[str]:
    filenames = [exposure.name for exposure in exposures]
    labels = [stack.label for stack in match.stacks]
    return [
        f"The overlap of {names[p.offset.first]} and {names[p.offset.second]} disagrees with all "
        f"others by {p.residual:.4g} ({abs(p.residual) / p.offset.variance**0.5:.0f} sigma) and is "
        "left out: look for persistence, scattered light or a moving object in it."
        for names, pairs in ((filenames, match.exposure_pairs), (labels, match.stack_pairs))
        for p in pairs
        if not p.used
    ]


def _misaligned_exposures(
    match: Match, exposures: Sequence[Exposure], grid: Grid, threshold: float
) -> list[str]:
    pixels = np.sqrt(np.mean([s.summary.pixels_per_cell for s in match.stacks] or [1.0]))
    length = np.hypot(*match.shifts.T)
    error = np.sqrt(match.shift_variances.sum(axis=1))
    far = np.flatnonzero((length * pixels > threshold) & (length > SIGNIFICANCE * error))
    if not far.size:
        return []
    shifts, _ = sky_shifts(match, grid)
    far = far[np.argsort(-length[far], kind="stable")]
    more = f" The {LISTED} farthest:" if far.size > LISTED else ""
    return [
        f"{far.size} of {len(exposures)} exposures are displaced by more than {threshold:g} pixels "
        f"from the mean of all; run tweakreg again.{more}",
        *(
            f"{exposures[k].name}: displaced by {length[k] * pixels:.2f} pixels, "
            f"{shifts[k, 0]:+.3f} arcsec east and {shifts[k, 1]:+.3f} north"
            for k in far[:LISTED].tolist()
        ),
    ]
