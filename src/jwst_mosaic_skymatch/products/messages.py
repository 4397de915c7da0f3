"""What users should be told about a match."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from jwst_mosaic_skymatch.exposures.metadata import LYOT_MARK, Exposure, family_names
from jwst_mosaic_skymatch.levels.results import Match, PairResult
from jwst_mosaic_skymatch.levels.ties import TiedLevels
from jwst_mosaic_skymatch.offsets.quality import find_rough
from jwst_mosaic_skymatch.products.findings import Finding, name_members
from jwst_mosaic_skymatch.products.tables import sky_gradients
from jwst_mosaic_skymatch.tiles.grid import Grid

__all__ = [
    "describe_planes",
    "describe_ties",
    "findings_of_match",
    "name_components",
    "summarize_match",
]

# A shift below this many sigma is not significant.
SIGNIFICANCE = 5.0
# Exposures out of place that are listed.
LISTED = 10
# A visit has a gradient to be named from so many of its errors on, and this share of the largest.
GRADIENT_SIGNIFICANCE = 5.0
GRADIENT_SHARE = 0.3


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


def findings_of_match(
    match: Match, exposures: Sequence[Exposure], grid: Grid, threshold: float
) -> list[Finding]:
    """Say what users should be told: components, bad overlaps, and exposures out of place.

    Parameters
    ----------
    match : Match
        The match.
    exposures : sequence of Exposure
        The exposures, in the same order.
    grid : Grid
        The grid.
    threshold : float
        Shift in native pixels below which nothing is said.

    Returns
    -------
    list of Finding
        What there is to say, if anything.
    """
    return [
        *_single_exposure(exposures),
        *_separate_components(match, exposures),
        *_spoiled_exposures(match, exposures),
        *_uneven_backgrounds(match, exposures, grid),
        *_open_loops(match),
        *_unused_pairs(match, exposures),
        *_rough_pairs(match, exposures),
        *_misaligned_exposures(match, exposures, grid, threshold),
    ]


def _single_exposure(exposures: Sequence[Exposure]) -> list[Finding]:
    if len({exposure.name.removesuffix(LYOT_MARK) for exposure in exposures}) > 1:
        return []
    name = exposures[0].name
    remedy = "give all exposures of the mosaic, or choose skymethod='local'"
    what = f"{name}: a single exposure has nothing to be matched with"
    return [Finding(f"{what}; {remedy}.", "a single exposure", remedy, (name,))]


def _separate_components(match: Match, exposures: Sequence[Exposure]) -> list[Finding]:
    n = match.n_components
    if n < 2:
        return []
    visits = "; ".join(name_components(match, exposures))
    sentence = (
        f"The exposures form {n} components that do not overlap each other; "
        f"levels are matched only within each. Visits by component: {visits}"
    )
    remedy = "add exposures in between, or give an image of the field as reference"
    concerned = np.flatnonzero(match.components > 0).tolist()
    return [
        Finding(sentence, f"{n} components do not overlap", remedy, _names(concerned, exposures))
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


def _names(positions: Iterable[int], exposures: Sequence[Exposure]) -> tuple[str, ...]:
    return tuple(exposures[k].name for k in positions)


def _spoiled_exposures(match: Match, exposures: Sequence[Exposure]) -> list[Finding]:
    listed = sorted(match.remarks)
    found = []
    for k in listed[:LISTED]:
        name, remedy = exposures[k].name, "look at the image; flag what is wrong, or leave it out"
        brief = f"{name} disagrees with its visit"
        found.append(Finding(f"{name}: {match.remarks[k]}.", brief, remedy, (name,)))
    more = listed[LISTED:]
    if more:
        sentence = f"The same is true of {len(more)} more exposures; save_diagnostics lists them."
        found.append(Finding(sentence, exposures=_names(more, exposures)))
    return found


def _uneven_backgrounds(match: Match, exposures: Sequence[Exposure], grid: Grid) -> list[Finding]:
    """Say how large gradients and gains are, whose they are, and what they do to levels."""
    backgrounds = match.backgrounds
    errors = match.level_errors[np.isfinite(match.level_errors)]
    typical = float(np.median(errors)) if errors.size else np.nan
    arcmin = 60.0 / grid.cell_scale
    slopes = {
        what: f"{slope * arcmin:.2g} per arcmin (rms, of {what})"
        for what, slope in (
            ("visits", backgrounds.visit_slope),
            ("single exposures", backgrounds.exposure_slope),
        )
        if slope
    }
    found = []
    if slopes:
        remedy = "background='plane' with subtract=True fits and subtracts them"
        if match.planes:
            remedy = "these are what is left beside the planes"
        if backgrounds.exposure_slope:
            remedy += "; plane_per='exposure' those of single exposures"
        sentence = (
            f"Backgrounds have gradients of {' and '.join(slopes.values())}. A level describes "
            f"them badly: levels are uncertain by {typical:.2g} (level_error), and steps remain at "
            f"the edges of overlaps; {remedy}."
        )
        named = _steep_families(match, arcmin) if backgrounds.visit_slope else {}
        found.append(_gradient(sentence, remedy, " and ".join(slopes), named, exposures))
    if backgrounds.gain:
        remedy = "check the flat fields and photometric keywords"
        sentence = (
            "Differences grow with brightness: gains of exposures differ by "
            f"{backgrounds.gain:.2%} (rms). Levels are uncertain by {typical:.2g} (level_error); "
            f"{remedy}."
        )
        brief = f"gains of exposures differ by {backgrounds.gain:.2%}"
        found.append(Finding(sentence, brief, remedy))
    return found


def _gradient(
    sentence: str, remedy: str, what: str, sizes: dict[str, float], exposures: Sequence[Exposure]
) -> Finding:
    """Say of gradients which visits have the largest."""
    families = family_names(exposures)
    several = len({exposure.detector for exposure in exposures}) > 1
    named = {f"visit {f if several else f.split()[0]}": size for f, size in sizes.items()}
    brief = f"backgrounds of {what} have gradients"
    if named:
        first, *others = named
        brief = f"{first} has a gradient of {named[first]:.2g} per arcmin"
        brief += f", and {len(others)} more have one" * bool(others)
    return Finding(
        sentence,
        brief,
        remedy,
        tuple(e.name for e, family in zip(exposures, families, strict=True) if family in sizes),
        "gradient",
        tuple(f"{name}: gradient of {size:.2g} per arcmin" for name, size in named.items()),
    )


def _steep_families(match: Match, per_arcmin: float) -> dict[str, float]:
    """Find families with a significant gradient, the largest first, and give its size."""
    found = match.slopes
    if not found.names or not np.isfinite(found.sizes).any():
        return {}
    steep = found.significances > GRADIENT_SIGNIFICANCE
    steep &= found.sizes > GRADIENT_SHARE * np.nanmax(found.sizes)
    order = [k for k in np.argsort(-np.nan_to_num(found.sizes)).tolist() if steep[k]]
    return {found.names[k]: float(found.sizes[k] * per_arcmin) for k in order[:LISTED]}


def _open_loops(match: Match) -> list[Finding]:
    chi2, dof = match.closure
    if match.closure_factor == 1.0:
        return []
    sentence = (
        f"Differences do not close: chi2 is {chi2:.4g} for {dof:.4g} degrees of freedom. Errors "
        f"are multiplied by {match.closure_factor:.2g}; the table of pairs (save_diagnostics) "
        "shows which disagree."
    )
    brief = f"differences do not close, errors are {match.closure_factor:.2g} times larger"
    return [Finding(sentence, brief, "look at the pairs with the largest residuals")]


def _unused_pairs(match: Match, exposures: Sequence[Exposure]) -> list[Finding]:
    found = []
    for names, pairs in _named_pairs(match, exposures):
        for pair in pairs:
            if not pair.used:
                sigmas = abs(pair.residual) / pair.offset.variance**0.5
                how = (
                    f"disagrees with all others by {pair.residual:.4g} ({sigmas:.0f} sigma) and is "
                    "left out"
                )
                found.append(_spoiled_overlap(names, pair, how))
    return found


def _rough_pairs(match: Match, exposures: Sequence[Exposure]) -> list[Finding]:
    found = []
    for names, pairs in _named_pairs(match, exposures):
        for k in find_rough([pair.offset for pair in pairs])[:LISTED]:
            if pairs[k].used:
                how = (
                    "is uneven by far more than noise, as no gradient explains, and its offset is "
                    f"uncertain by {pairs[k].offset.variance ** 0.5:.2g}"
                )
                found.append(_spoiled_overlap(names, pairs[k], how))
    return found


def _named_pairs(
    match: Match, exposures: Sequence[Exposure]
) -> list[tuple[list[str], tuple[PairResult, ...]]]:
    """Give pairs inside stacks and between them, each with the names of what they compare."""
    return [
        ([exposure.name for exposure in exposures], match.exposure_pairs),
        ([stack.label for stack in match.stacks], match.stack_pairs),
    ]


def _spoiled_overlap(names: Sequence[str], pair: PairResult, how: str) -> Finding:
    ends = names[pair.offset.first], names[pair.offset.second]
    where, remedy = f"overlap of {ends[0]} and {ends[1]}", "look for persistence, scattered light"
    remedy += " or a moving object in it"
    return Finding(
        f"The {where} {how}: {remedy}.",
        f"the {where} is spoiled",
        remedy,
        ends,
        "spoiled overlap",
    )


def _misaligned_exposures(
    match: Match, exposures: Sequence[Exposure], grid: Grid, threshold: float
) -> list[Finding]:
    pixels = np.sqrt(np.mean([s.summary.pixels_per_cell for s in match.stacks] or [1.0]))
    shifts = _from_the_median(match)
    length = np.hypot(*shifts.T)
    error = np.sqrt(match.shift_variances.sum(axis=1))
    far = np.flatnonzero((length * pixels > threshold) & (length > SIGNIFICANCE * error))
    if not far.size:
        return []
    on_sky = shifts @ grid.sky_axes.T
    far = far[np.argsort(-length[far], kind="stable")]
    more = f" The {LISTED} farthest:" if far.size > LISTED else ""
    sentence = (
        f"{far.size} of {len(exposures)} exposures are displaced by more than {threshold:g} pixels "
        f"from where most lie; run tweakreg again.{more}"
    )
    details = (
        f"{exposures[k].name}: displaced by {length[k] * pixels:.2f} pixels, "
        f"{on_sky[k, 0]:+.3f} arcsec east and {on_sky[k, 1]:+.3f} north"
        for k in far[:LISTED].tolist()
    )
    who = name_members(far.tolist(), exposures)
    plural = far.size > 1 and not (who.startswith("visit ") and "," not in who and "and" not in who)
    brief = f"{who} {'are' if plural else 'is'} displaced by {length[far[0]] * pixels:.2f} pixels"
    return [
        Finding(
            sentence,
            brief,
            "run tweakreg again",
            _names(far.tolist(), exposures),
            "displaced",
            tuple(details),
        )
    ]


def _from_the_median(match: Match) -> np.ndarray:
    """Shifts from the median of each component, cells: one visit aside moves the mean of all."""
    shifts = match.shifts.copy()
    for component in range(match.n_components):
        members = match.components == component
        known = members & np.isfinite(shifts).all(axis=1)
        if known.any():
            shifts[members] -= np.median(shifts[known], axis=0)
    return shifts
