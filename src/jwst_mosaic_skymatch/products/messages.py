"""Sentences for users: lines for the log, and findings with their remedies."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from jwst_mosaic_skymatch.exposures.metadata import (
    Exposure,
    Exposures,
    describe_differences,
    family_names,
)
from jwst_mosaic_skymatch.levels.results import Levels, Match, PairResult
from jwst_mosaic_skymatch.offsets.graph import connected_parts
from jwst_mosaic_skymatch.offsets.results import PairMeasurement
from jwst_mosaic_skymatch.offsets.trends import LYOT
from jwst_mosaic_skymatch.products.tables import named_pairs, sky_gradients
from jwst_mosaic_skymatch.tiles.grid import Grid

__all__ = [
    "Finding",
    "count",
    "describe_levels",
    "empty_area",
    "findings_of_input",
    "findings_of_match",
    "findings_of_unmatched",
    "findings_of_zero_point",
    "name_components",
    "summarize_match",
]

# Names in a sentence, levels in the log.
NAMED, LISTED = 3, 100
# A shift or contrast below this many sigma is not significant.
SIGNIFICANCE = 5.0
# Shift in native pixels from which on an exposure is displaced: it costs no accuracy of levels.
DISPLACED = 0.1
# The same in units of the median shift: where most of 100 lie 0.3 pixels aside, none is displaced.
APART = 4.0
# Share of the largest gradient of a visit from which on another is named.
GRADIENT_SHARE = 0.5
# Share of Lyot fields on an imager in an overlap from which on the pair hangs on these.
LYOT_SHARE = 0.5
# Error of the offset of a pair, in units of its noise, from which on the overlap is rough.
ROUGH = 20.0


@dataclass(frozen=True)
class Finding:
    """Trouble of one kind in a run, the reason of one warning.

    Attributes
    ----------
    sentence : str
        The trouble, as the report has it.
    brief : str
        The same in few words for a verdict; empty where no verdict needs it.
    remedy : str
        A remedy.
    exposures : tuple of str
        Names of the exposures, or groups, that it concerns.
    kind : str
        One or two words, for a table; empty where none needs it.
    details : tuple of str
        One line for each case, the worst first.
    """

    sentence: str
    brief: str = ""
    remedy: str = ""
    exposures: tuple[str, ...] = ()
    kind: str = ""
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.sentence} {_few(self.details, '; ')}".rstrip()


def count(number: int, name: str) -> str:
    """Put a number before a noun: no pairs, 1 pair, 2 pairs.

    Parameters
    ----------
    number : int
        The number.
    name : str
        The noun in the singular.

    Returns
    -------
    str
        Both.
    """
    return f"{number or 'no'} {name}{'' if number == 1 else 's'}"


def _few(names: Sequence[str], separator: str = ", ") -> str:
    """List the first names, and the number of the others."""
    more = len(names) - NAMED
    return separator.join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _first(names: Sequence[str], others: str) -> str:
    """Write the first name, and the number of the others."""
    return names[0] + (f", and {len(names) - 1} more {others}" if len(names) > 1 else "")


# --- Lines for the log -------------------------------------------------------


def summarize_match(
    match: Match, groups: Sequence[str], exposures: Exposures, grid: Grid, grouping: str
) -> list[str]:
    """Describe a match in some lines.

    Parameters
    ----------
    match : Match
        The match.
    groups : sequence of str
        Group of each exposure.
    exposures : sequence of Exposure
        The exposures.
    grid : Grid
        The grid.
    grouping : str
        Kind of the groups.

    Returns
    -------
    list of str
        The lines.
    """
    (chi2, dof), backgrounds = match.levels.closure, match.backgrounds
    lines = [
        f"{count(len(set(groups)), 'group')} by {grouping}, {count(len(match.stacks), 'stack')}; "
        f"{count(len(match.exposure_pairs), 'pair')} inside stacks, "
        f"{len(match.stack_pairs)} between them; "
        f"{count(match.levels.n_components, 'connected component')}",
        f"Closure of the pairs: chi2 {chi2:.4g} for {dof:.4g} degrees of freedom",
    ]
    if backgrounds.n_ties:
        lines.append(
            f"Detectors of {count(backgrounds.n_ties, 'exposure')} agree but for pedestals of "
            f"{backgrounds.sigmas['pedestal']:.2g} (rms), which ties components that do not "
            "overlap (tie_detectors)"
        )
    lines += [
        f"The {name} region lies {value:.4g} above the rest of the detector, error {error:.2g}; "
        "levels are those of the rest"
        for name, (value, error) in backgrounds.contrasts.items()
        if abs(value) > SIGNIFICANCE * error
    ]
    return lines + ([_describe_planes(match, exposures, grid)] if backgrounds.planes else [])


def _describe_planes(match: Match, exposures: Exposures, grid: Grid) -> str:
    sizes = np.hypot(*sky_gradients(match, grid)[0].T)
    steep = sizes > 0
    if not steep.any():
        return "No gradient of a background is significant; only levels are subtracted"
    largest = int(np.argmax(sizes))
    return (
        f"Gradients of {np.count_nonzero(steep)} of {len(exposures)} exposures are "
        f"subtracted: {np.sqrt(np.mean(sizes[steep] ** 2)):.2g} per arcmin (rms), "
        f"{sizes[largest]:.2g} in {exposures[largest].name}. No overlap constrains a gradient that "
        "all have in common: it stays in the data"
    )


def describe_levels(exposures: Exposures, levels: np.ndarray) -> list[str]:
    """Describe recorded levels.

    Parameters
    ----------
    exposures : sequence of Exposure
        The exposures.
    levels : ndarray, shape (n,)
        Their levels; NaN for none.

    Returns
    -------
    list of str
        A line for each level, or one for all if there are many. Jwst keeps the log in every file:
        lines of all would take room as the square of their number.
    """
    known = np.flatnonzero(np.isfinite(levels)).tolist()
    if len(known) <= LISTED:
        return [f"{exposures[k].name}: sky level {levels[k]:.6g}" for k in known]
    return [
        f"Sky levels of {len(known)} exposures, from {np.nanmin(levels):.6g} to "
        f"{np.nanmax(levels):.6g}; save_diagnostics lists them"
    ]


# --- Findings before and after the match -------------------------------------


def findings_of_input(exposures: Exposures) -> list[Finding]:
    """Warn of exposures that were subtracted before, or differ from each other.

    Parameters
    ----------
    exposures : sequence of Exposure
        The exposures.

    Returns
    -------
    list of Finding
        The warnings.
    """
    findings = []
    before = [e.name for e in exposures if e.subtracted is True]
    if before:
        remedy = "if the stock skymatch has done so, of which this step is a hook, skip it"
        sentence = (
            f"Levels were subtracted from {len(before)} of {len(exposures)} exposures before; the "
            "levels of this run are subtracted too, and meta.background.level is the sum. "
            f"{remedy.capitalize()} (skip=True)."
        )
        findings.append(Finding(sentence, remedy=remedy, exposures=tuple(before)))
    remedy = "make one association for each kind of exposures"
    differences = describe_differences(exposures)
    return findings + [Finding(sentence, remedy=remedy) for sentence in differences]


def empty_area(exclude: str) -> Finding:
    """Warn that no exposure has a pixel in an area that is to be excluded.

    Parameters
    ----------
    exclude : str
        File of the area.

    Returns
    -------
    Finding
        The warning.
    """
    brief = f"exclude={exclude}: no exposure has a pixel there"
    sentence = f"{brief}, so that nothing is left out; are its coordinates those of this field?"
    return Finding(sentence, brief, "check it")


def findings_of_zero_point(
    levels: Levels,
    reference: str,
    positions: Sequence[int],
    unreached: Sequence[int],
    exposures: Exposures,
) -> list[Finding]:
    """Warn of components that the reference of the zero point does not reach.

    Parameters
    ----------
    levels : Levels
        Levels of the match.
    reference : str
        Its name.
    positions : sequence of int
        Exposures that are the reference; empty for an image or a table.
    unreached : sequence of int
        Components that it does not reach.
    exposures : sequence of Exposure
        The exposures.

    Returns
    -------
    list of Finding
        At most one warning.
    """
    if positions and len(unreached) == levels.n_components:
        remedy, brief = "choose another reference", f"the reference {reference} has no level"
        sentence = (
            f"The reference {reference} has no level ({levels.reasons[positions[0]]}), so that the "
            f"smallest or largest level is zero as usual (match_down); {remedy}."
        )
        return [Finding(sentence, brief, remedy, _names(positions, exposures))]
    if not len(unreached):
        return []
    visits = name_components(levels.components, exposures)
    named = [visits[k] for k in unreached]
    remedy = "add exposures in between, or give an image that covers all as reference"
    sentence = (
        f"Visits {_few(named, '; ')} do not overlap the reference {reference}: their levels are as "
        f"usual (match_down); {remedy}."
    )
    concerned = np.flatnonzero(np.isin(levels.components, unreached)).tolist()
    brief = f"no anchor for visits {_first(named, 'components')}"
    return [Finding(sentence, brief, remedy, _names(concerned, exposures))]


def findings_of_unmatched(
    exposures: Exposures, levels: np.ndarray, reasons: Sequence[str]
) -> list[Finding]:
    """Warn of exposures that could not be matched.

    Parameters
    ----------
    exposures : sequence of Exposure
        The exposures.
    levels : ndarray, shape (n,)
        Their levels; NaN for none.
    reasons : sequence of str
        Obstacle of each; empty for a matched one.

    Returns
    -------
    list of Finding
        One for exposures without a level, one for exposures with the common sky level alone.
    """
    remedy = "check pointing and data quality, add exposures in between, or leave it out"
    findings = []
    for has_level, text in (
        (False, "No level could be measured for {} of {} exposures; SKIPPED:"),
        (True, "{} of {} exposures could not be matched and got the common sky level alone:"),
    ):
        cases = {
            exposures[k].name: reason
            for k, reason in enumerate(reasons)
            if reason and np.isfinite(levels[k]) == has_level
        }
        if cases:
            sentence = text.format(len(cases), len(exposures))
            obstacles = [f"{name} has {reason}" for name, reason in cases.items()]
            details = tuple(f"{name} ({reason})" for name, reason in cases.items())
            brief = _first(obstacles, "are unmatched")
            findings.append(Finding(sentence, brief, remedy, tuple(cases), details=details))
    return findings


# --- Findings of a match -----------------------------------------------------


def findings_of_match(match: Match, exposures: Exposures, grid: Grid) -> list[Finding]:
    """Collect warnings: components, bad overlaps, and exposures out of place.

    Parameters
    ----------
    match : Match
        The match.
    exposures : sequence of Exposure
        The exposures, in the same order.
    grid : Grid
        The grid.

    Returns
    -------
    list of Finding
        The warnings, the most general first, at most one of each kind.
    """
    return [
        *_single_exposure(exposures),
        *_separate_components(match, exposures),
        *_spoiled_exposures(match, exposures),
        *_gradients(match, exposures, grid),
        *_gains(match),
        *_open_loops(match),
        *_spoiled_overlaps(match, exposures),
        *_lyot_ties(match),
        *_misaligned_exposures(match, exposures, grid),
    ]


def _names(positions: Iterable[int], exposures: Exposures) -> tuple[str, ...]:
    return tuple(exposures[k].name for k in positions)


def _single_exposure(exposures: Exposures) -> list[Finding]:
    if len({exposure.name for exposure in exposures}) > 1:
        return []
    name = exposures[0].name
    remedy = "give all exposures of the mosaic, or choose skymethod='local'"
    sentence = f"{name}: a single exposure has nothing to be matched with; {remedy}."
    return [Finding(sentence, "a single exposure", remedy, (name,))]


def _separate_components(match: Match, exposures: Exposures) -> list[Finding]:
    components, n = match.levels.components, match.levels.n_components
    if n < 2:
        return []
    return [
        Finding(
            f"The exposures form {n} components that do not overlap each other; levels are matched "
            "only within each. Visits by component: "
            + "; ".join(name_components(components, exposures)),
            f"{n} components do not overlap",
            "add exposures in between, or give an image of the field as reference",
            _names(np.flatnonzero(components > 0).tolist(), exposures),
        )
    ]


def name_components(components: np.ndarray, exposures: Exposures) -> list[str]:
    """Name the visits of each component, and the detectors where a visit is in several.

    Parameters
    ----------
    components : ndarray of int, shape (n,)
        Component of each exposure; -1 for none.
    exposures : sequence of Exposure
        The exposures.

    Returns
    -------
    list of str
        A text for each component.
    """
    own = list(zip(components.tolist(), exposures, strict=True))
    parts = Counter(visit for _, visit in {(c, e.visit_id) for c, e in own if c >= 0})

    def label(exposure: Exposure) -> str:
        if not exposure.visit_id:
            return exposure.name
        detector = exposure.detector if parts[exposure.visit_id] > 1 else None
        return f"{exposure.visit_id} {detector or ''}".rstrip()

    return [
        ", ".join(sorted({label(exposure) for c, exposure in own if c == component}))
        for component in range(components.max(initial=-1) + 1)
    ]


def _spoiled_exposures(match: Match, exposures: Exposures) -> list[Finding]:
    reasons = {exposures[k].name: reason for k, reason in sorted(match.remarks.items())}
    if not reasons:
        return []
    return [
        Finding(
            f"{len(reasons)} of {len(exposures)} exposures disagree with all others:",
            _first([f"{name} disagrees with its visit" for name in reasons], "do"),
            "look at the image; flag what is wrong, or leave it out",
            tuple(reasons),
            details=tuple(f"{name}: {reason}" for name, reason in reasons.items()),
        )
    ]


def _uncertainty(match: Match) -> str:
    errors = match.levels.errors[np.isfinite(match.levels.errors)]
    return (
        f"levels are uncertain by {np.median(errors) if errors.size else np.nan:.2g} (level_error)"
    )


def _gradients(match: Match, exposures: Exposures, grid: Grid) -> list[Finding]:
    """Describe the size of gradients and their effect, and name the visits with the largest."""
    slopes = {
        kind: f"{match.backgrounds.sigmas[name] * 60.0 / grid.cell_scale:.2g} per arcmin "
        f"(rms, of {kind})"
        for name, kind in (("visit gradient", "visits"), ("exposure gradient", "single exposures"))
        if name in match.backgrounds.sigmas
    }
    if not slopes:
        return []
    remedy = "background='plane' with subtract=True subtracts them"
    if match.backgrounds.planes:
        remedy = "the planes that are subtracted leave less of them"
    if "single exposures" in slopes:
        remedy += "; background='plane_per_exposure' those of single exposures"
    names, sizes = np.array(family_names(exposures)), np.hypot(*sky_gradients(match, grid)[0].T)
    largest = {name: sizes[names == name].max() for name in names.tolist()}
    limit = GRADIENT_SHARE * sizes.max()
    steep = sorted((n for n in largest if largest[n] > limit), key=lambda n: -largest[n])
    details = [f"{name} has a gradient of {largest[name]:.2g} per arcmin" for name in steep]
    return [
        Finding(
            f"Backgrounds have gradients of {' and '.join(slopes.values())}. A level describes "
            f"them badly: {_uncertainty(match)}, and steps remain at the edges of overlaps; "
            f"{remedy}.",
            _first(details or ["backgrounds have gradients"], "have one"),
            remedy,
            _names(np.flatnonzero(np.isin(names, steep)).tolist(), exposures),
            "gradient",
            tuple(details),
        )
    ]


def _gains(match: Match) -> list[Finding]:
    gain = match.backgrounds.sigmas.get("gain")
    if gain is None:
        return []
    remedy = "check the flat fields and photometric keywords"
    sentence = (
        f"Differences grow with brightness: gains of exposures differ by {gain:.2%} (rms); "
        f"{_uncertainty(match)}; {remedy}."
    )
    return [Finding(sentence, f"gains of exposures differ by {gain:.2%}", remedy)]


def _open_loops(match: Match) -> list[Finding]:
    (chi2, dof), misfit = match.levels.closure, match.backgrounds.sigmas.get("misfit")
    if misfit is None:
        return []
    sentence = (
        f"Differences do not close: chi2 is {chi2:.4g} for {dof:.4g} degrees of freedom. Offsets "
        f"are uncertain by {misfit:.2g} beside their noise; the table of pairs "
        "(save_diagnostics) has their residuals."
    )
    brief = "differences do not close, errors are larger"
    return [Finding(sentence, brief, "look at the pairs with the largest residuals")]


def _spoiled_overlaps(match: Match, exposures: Exposures) -> list[Finding]:
    """Name pairs that are rejected, and pairs whose overlap is rough, the worst first."""
    pairs = named_pairs(match, exposures)
    rejected = [(abs(pair.residual) / pair.error, names) for names, pair in pairs if not pair.used]
    remarked = {exposures[k].name for k in match.remarks}
    remarked |= {s.label for s in match.stacks if match.remarks.keys() & set(s.members)}
    # An exposure that is no image of this sky opens all loops through it.
    rough = [
        (_roughness(pair, with_seam=not match.remarks), names)
        for names, pair in pairs
        if pair.used and not match.backgrounds.sigmas and remarked.isdisjoint(names)
    ]
    rough = [case for case in rough if case[0] > ROUGH]
    return [
        *_worst_overlaps(rejected, "disagrees with all others and is left out of the levels"),
        *_worst_overlaps(rough, "is uneven by far more than noise, and its offset is uncertain"),
    ]


def _roughness(pair: PairResult, *, with_seam: bool) -> float:
    """Compute the error of an offset in units of its noise, as far as the pair itself causes it.

    The error of a smooth overlap that closes is the scatter that most of the others have.
    """
    strips = pair.measurement.quality.strips
    own = max(*(np.sqrt(axis.raw[:, 0].max()) for axis in strips), abs(pair.residual) * with_seam)
    noise = np.sqrt(pair.measurement.variance)
    return float(min(pair.error, own) / noise) if noise > 0.0 else 0.0


def _worst_overlaps(cases: list[tuple[float, tuple[str, str]]], effect: str) -> list[Finding]:
    if not cases:
        return []
    cases.sort(key=lambda case: -case[0])
    places = [" and ".join(names) for _, names in cases]
    remedy = "look for persistence, scattered light or a moving object in it"
    return [
        Finding(
            f"The overlap of {_first(places, 'pairs')} {effect}: {remedy}.",
            f"the overlap of {places[0]} is spoiled",
            remedy,
            tuple(dict.fromkeys(name for _, names in cases for name in names)),
            "spoiled overlap",
            tuple(f"{p}: {size:.3g} sigma" for p, (size, _) in zip(places, cases, strict=True)),
        )
    ]


def _lyot_ties(match: Match) -> list[Finding]:
    """Name stacks that nothing but the Lyot field ties, if no overlap constrains its offset."""
    if "lyot" in match.backgrounds.sigmas:
        return []
    pairs = [pair.measurement for pair in match.stack_pairs]
    others = [(m.first, m.second) for m in pairs if not _is_of_lyot(m)]
    ends = np.array(others, dtype=int).reshape(-1, 2)
    parts = connected_parts(len(match.stacks) + 1, *ends.T)
    labels = [*(stack.label for stack in match.stacks), "reference image"]
    tied = [(labels[m.first], labels[m.second]) for m in pairs if parts[m.first] != parts[m.second]]
    if not tied:
        return []
    remedy, brief = "miri_lyot='mask' excludes it", "only the Lyot field ties some visits"
    sentence = (
        f"MIRI's Lyot field alone ties {_first([' and '.join(t) for t in tied], 'pairs')}. No "
        "overlap constrains its offset from the imager, which level_error does not contain; "
        f"{remedy}."
    )
    return [Finding(sentence, brief, remedy, tuple(dict.fromkeys(chain(*tied))))]


def _is_of_lyot(measurement: PairMeasurement) -> bool:
    """Whether a Lyot field makes up the most of the overlap in one tile, and not in the other."""
    shares = zip(measurement.regions, measurement.centre[3:].tolist(), strict=True)
    return any(region.name == LYOT and abs(share) > LYOT_SHARE for region, share in shares)


def _misaligned_exposures(match: Match, exposures: Exposures, grid: Grid) -> list[Finding]:
    pixels = np.sqrt(np.mean([s.summary.pixels_per_cell for s in match.stacks] or [1.0]))
    shifts = _shifts_from_median(match)
    length, error = np.hypot(*shifts.T), np.hypot(*match.levels.shift_errors.T)
    length = np.where(length > SIGNIFICANCE * error, length, 0.0)
    usual = np.quantile(length, 0.5, method="lower")
    far = np.flatnonzero(length > max(DISPLACED / pixels, APART * usual))
    # An exposure that is no image of this sky has no displacement.
    far = far[~np.isin(far, list(match.remarks))]
    if not far.size:
        return []
    far = far[np.argsort(-length[far], kind="stable")]
    on_sky = shifts @ grid.sky_axes.T
    return [
        Finding(
            f"{far.size} of {len(exposures)} exposures are displaced by more than {DISPLACED:g} "
            "pixels from where most lie; run tweakreg again.",
            f"{_members_are(far.tolist(), exposures)} displaced by "
            f"{length[far[0]] * pixels:.2f} pixels",
            "run tweakreg again",
            _names(far.tolist(), exposures),
            "displaced",
            tuple(
                f"{exposures[k].name}: displaced by {length[k] * pixels:.2f} pixels, "
                f"{on_sky[k, 0]:+.3f} arcsec east and {on_sky[k, 1]:+.3f} north"
                for k in far.tolist()
            ),
        )
    ]


def _shifts_from_median(match: Match) -> np.ndarray:
    """Shifts from the median of each component, cells: one visit aside moves the mean of all."""
    shifts, components = match.levels.shifts.copy(), match.levels.components
    known = np.isfinite(shifts).all(axis=1)
    for component in np.unique(components[known & (components >= 0)]):
        members = components == component
        shifts[members] -= np.median(shifts[members & known], axis=0)
    return shifts


def _members_are(positions: Sequence[int], exposures: Exposures) -> str:
    """Begin a sentence with exposures, or with the visit where a whole one is meant."""
    visits = [exposure.visit_id for exposure in exposures]
    sizes, meant = Counter(visits), Counter(visits[k] for k in positions)
    whole = sorted(v for v, n in meant.items() if v and 1 < n == sizes[v] < len(exposures))
    singles = [exposures[k].name for k in sorted(positions) if visits[k] not in whole]
    visit = f"visit{'s' * (len(whole) > 1)} {_few(whole)}" if whole else ""
    named = " and ".join(filter(None, [visit, _few(singles)]))
    return f"{named} {'is' if len(whole) + len(singles) == 1 else 'are'}"
