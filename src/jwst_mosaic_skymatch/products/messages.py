"""Findings of a match: lines for the log, and warnings with their remedies."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.levels.results import Match, PairResult
from jwst_mosaic_skymatch.offsets.graph import connected_parts
from jwst_mosaic_skymatch.offsets.results import PairMeasurement
from jwst_mosaic_skymatch.offsets.trends import LYOT
from jwst_mosaic_skymatch.products.findings import Finding, name_members
from jwst_mosaic_skymatch.products.tables import sky_gradients
from jwst_mosaic_skymatch.tiles.grid import Grid

__all__ = [
    "findings_of_match",
    "name_components",
    "summarize_match",
]

# A shift below this many sigma is not significant.
SIGNIFICANCE = 5.0
# Shift in native pixels from which on an exposure is displaced: it costs no accuracy of levels.
DISPLACED = 0.1
# Exposures out of place that are listed.
LISTED = 10
# Share of the largest gradient of a visit from which on another is named.
GRADIENT_SHARE = 0.5
# Share of Lyot fields on an imager in an overlap from which on the pair hangs on these.
LYOT_SHARE = 0.5
# Error of the offset of a pair, in units of its noise, from which on the overlap is rough.
ROUGH = 20.0


def summarize_match(
    match: Match,
    groups: Sequence[str],
    exposures: Sequence[Exposure],
    grid: Grid,
    grouping: str,
) -> list[str]:
    """Describe a match in some lines for the log.

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
    chi2, dof = match.levels.closure
    return [
        f"{_count(len(set(groups)), 'group')} by {grouping}, "
        f"{_count(len(match.stacks), 'stack')}; "
        f"{_count(len(match.exposure_pairs), 'pair')} inside stacks, "
        f"{len(match.stack_pairs)} between them; "
        f"{_count(match.levels.n_components, 'connected component')}",
        f"Closure of the pairs: chi2 {chi2:.4g} for {dof:.4g} degrees of freedom",
        *_describe_ties(match),
        *_describe_regions(match),
        *_describe_planes(match, exposures, grid),
    ]


def _describe_ties(match: Match) -> list[str]:
    backgrounds = match.backgrounds
    if not backgrounds.n_ties:
        return []
    return [
        f"Detectors of {_count(backgrounds.n_ties, 'exposure')} agree but for pedestals of "
        f"{backgrounds.sigmas['pedestal']:.2g} (rms), which ties components that do not overlap "
        "(tie_detectors)"
    ]


def _describe_regions(match: Match) -> list[str]:
    return [
        f"The {name} region lies {value:.4g} above the rest of the detector, error {error:.2g}; "
        "levels are those of the rest"
        for name, (value, error) in match.backgrounds.contrasts.items()
        if abs(value) > SIGNIFICANCE * error
    ]


def _describe_planes(match: Match, exposures: Sequence[Exposure], grid: Grid) -> list[str]:
    if not match.backgrounds.planes:
        return []
    sizes = np.hypot(*sky_gradients(match, grid)[0].T)
    steep = sizes > 0
    if not steep.any():
        return ["No gradient of a background is significant; only levels are subtracted"]
    largest = int(np.argmax(sizes))
    return [
        f"Gradients of {np.count_nonzero(steep)} of {len(exposures)} exposures are "
        f"subtracted: {np.sqrt(np.mean(sizes[steep] ** 2)):.2g} per arcmin (rms), "
        f"{sizes[largest]:.2g} in {exposures[largest].name}. No overlap constrains a gradient that "
        "all have in common: it stays in the data"
    ]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def findings_of_match(match: Match, exposures: Sequence[Exposure], grid: Grid) -> list[Finding]:
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
        The warnings, the most general first.
    """
    return [
        *_single_exposure(exposures),
        *_separate_components(match, exposures),
        *_spoiled_exposures(match, exposures),
        *_uneven_backgrounds(match, exposures, grid),
        *_open_loops(match),
        *_spoiled_overlaps(match, exposures),
        *_lyot_ties(match),
        *_misaligned_exposures(match, exposures, grid),
    ]


def _single_exposure(exposures: Sequence[Exposure]) -> list[Finding]:
    if len({exposure.name for exposure in exposures}) > 1:
        return []
    name = exposures[0].name
    remedy = "give all exposures of the mosaic, or choose skymethod='local'"
    what = f"{name}: a single exposure has nothing to be matched with"
    return [Finding(f"{what}; {remedy}.", "a single exposure", remedy, (name,))]


def _separate_components(match: Match, exposures: Sequence[Exposure]) -> list[Finding]:
    components = match.levels.components
    n = match.levels.n_components
    if n < 2:
        return []
    visits = "; ".join(name_components(components, exposures))
    sentence = (
        f"The exposures form {n} components that do not overlap each other; "
        f"levels are matched only within each. Visits by component: {visits}"
    )
    remedy = "add exposures in between, or give an image of the field as reference"
    concerned = np.flatnonzero(components > 0).tolist()
    return [
        Finding(sentence, f"{n} components do not overlap", remedy, _names(concerned, exposures))
    ]


def name_components(components: np.ndarray, exposures: Sequence[Exposure]) -> list[str]:
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
    members = [
        [exposures[k] for k in np.flatnonzero(components == component).tolist()]
        for component in range(int(components.max(initial=-1)) + 1)
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
    findings = []
    for k in listed[:LISTED]:
        name, remedy = exposures[k].name, "look at the image; flag what is wrong, or leave it out"
        brief = f"{name} disagrees with its visit"
        findings.append(Finding(f"{name}: {match.remarks[k]}.", brief, remedy, (name,)))
    more = listed[LISTED:]
    if more:
        sentence = f"The same is true of {len(more)} more exposures; save_diagnostics lists them."
        findings.append(Finding(sentence, exposures=_names(more, exposures)))
    return findings


def _uneven_backgrounds(match: Match, exposures: Sequence[Exposure], grid: Grid) -> list[Finding]:
    """Describe how large gradients and gains are, whose they are, and their effect on levels."""
    errors = match.levels.errors[np.isfinite(match.levels.errors)]
    uncertain = (
        f"levels are uncertain by {np.median(errors):.2g} (level_error)" if errors.size else ""
    )
    sigmas, findings = match.backgrounds.sigmas, []
    slopes = [
        f"{sigmas[name] * 60.0 / grid.cell_scale:.2g} per arcmin (rms, of {kind})"
        for name, kind in (("visit gradient", "visits"), ("exposure gradient", "single exposures"))
        if name in sigmas
    ]
    if slopes:
        remedy = "background='plane' with subtract=True subtracts them"
        if match.backgrounds.planes:
            remedy = "the planes that are subtracted leave less of them"
        if "exposure gradient" in sigmas:
            remedy += "; background='plane_per_exposure' those of single exposures"
        sentence = (
            f"Backgrounds have gradients of {' and '.join(slopes)}. A level describes them badly: "
            f"{uncertain}, and steps remain at the edges of overlaps; {remedy}."
        )
        findings.append(_gradient(sentence, remedy, match, exposures, grid))
    if "gain" in sigmas:
        remedy = "check the flat fields and photometric keywords"
        sentence = (
            "Differences grow with brightness: gains of exposures differ by "
            f"{sigmas['gain']:.2%} (rms); {uncertain}; {remedy}."
        )
        findings.append(
            Finding(sentence, f"gains of exposures differ by {sigmas['gain']:.2%}", remedy)
        )
    return findings


def _gradient(
    sentence: str, remedy: str, match: Match, exposures: Sequence[Exposure], grid: Grid
) -> Finding:
    """Name the visits with the largest gradients."""
    sizes = np.hypot(*sky_gradients(match, grid)[0].T)
    several = len({exposure.detector for exposure in exposures}) > 1
    names = [
        f"visit {e.visit_id}{f' {e.detector}' * several}" if e.visit_id else e.name
        for e in exposures
    ]
    largest: dict[str, float] = {}
    for name, size in zip(names, sizes.tolist(), strict=True):
        largest[name] = max(largest.get(name, 0.0), size)
    limit = GRADIENT_SHARE * max(largest.values())
    steep = sorted((n for n in largest if largest[n] > limit), key=lambda n: -largest[n])[:LISTED]
    brief = "backgrounds have gradients"
    if steep:
        brief = f"{steep[0]} has a gradient of {largest[steep[0]]:.2g} per arcmin"
        brief += f", and {len(steep) - 1} more have one" * (len(steep) > 1)
    return Finding(
        sentence,
        brief,
        remedy,
        tuple(e.name for e, name in zip(exposures, names, strict=True) if name in steep),
        "gradient",
        tuple(f"{name}: gradient of {largest[name]:.2g} per arcmin" for name in steep),
    )


def _open_loops(match: Match) -> list[Finding]:
    (chi2, dof), factor = match.levels.closure, match.backgrounds.factor
    misfit = match.backgrounds.sigmas.get("misfit", 0.0)
    if factor == 1.0 and not misfit:
        return []
    effect = f"Errors are multiplied by {factor:.2g}"
    if misfit:
        effect = f"Offsets are taken to be uncertain by {misfit:.2g} beside their noise"
    sentence = (
        f"Differences do not close: chi2 is {chi2:.4g} for {dof:.4g} degrees of freedom. {effect}; "
        "the table of pairs (save_diagnostics) has their residuals."
    )
    brief = "differences do not close, errors are larger"
    return [Finding(sentence, brief, "look at the pairs with the largest residuals")]


def _spoiled_overlaps(match: Match, exposures: Sequence[Exposure]) -> list[Finding]:
    """Name pairs that are rejected, and pairs whose overlap is rough, the worst first."""
    names = [exposure.name for exposure in exposures]
    labels = [*(stack.label for stack in match.stacks), "the reference image"]
    remarked = {names[k] for k in match.remarks}
    remarked |= {s.label for s in match.stacks if match.remarks.keys() & set(s.members)}
    pairs = [(names, pair) for pair in match.exposure_pairs]
    pairs += [(labels, pair) for pair in match.stack_pairs]
    rejected = [(abs(pair.residual) / pair.error, of, pair) for of, pair in pairs if not pair.used]
    # An exposure that is no image of this sky opens all loops through it.
    sizes = [_roughness(pair, with_seam=not match.remarks) for _, pair in pairs]
    rough = [
        (size, of, pair)
        for size, (of, pair) in zip(sizes, pairs, strict=True)
        if pair.used
        and size > ROUGH
        and not match.backgrounds.sigmas
        and not remarked & {of[pair.measurement.first], of[pair.measurement.second]}
    ]
    findings = []
    for kind, how in (
        (rejected, "disagrees with all others and is left out of the levels"),
        (rough, "is uneven by far more than noise, and its offset is uncertain"),
    ):
        kind.sort(key=lambda item: -item[0])
        if kind:
            findings.append(_worst_overlaps(kind, how))
    return findings


def _roughness(pair: PairResult, with_seam: bool) -> float:
    """Give the error of an offset in units of its noise, as far as the pair itself causes it.

    The error of a smooth overlap that closes is the scatter that most of the others have.
    """
    strips = pair.measurement.quality.strips
    own = max(np.sqrt(axis.raw[:, 0].max()) for axis in strips)
    own = max(own, abs(pair.residual) * with_seam)
    noise = np.sqrt(pair.measurement.variance)
    return float(min(pair.error, own) / noise) if noise > 0.0 else 0.0


def _lyot_ties(match: Match) -> list[Finding]:
    """Name stacks that nothing but the Lyot field ties, if no overlap constrains its offset."""
    if "lyot" in match.backgrounds.sigmas:
        return []
    pairs = [pair.measurement for pair in match.stack_pairs]
    ends = np.array([(m.first, m.second) for m in pairs], dtype=int).reshape(-1, 2)
    lyot = np.array([_lyot_share(m) > LYOT_SHARE for m in pairs], dtype=bool)
    parts = connected_parts(len(match.stacks) + 1, *ends[~lyot].T)
    tying = np.flatnonzero(lyot & (parts[ends[:, 0]] != parts[ends[:, 1]])).tolist()
    if not tying:
        return []
    labels = [stack.label for stack in match.stacks]
    names = [f"{labels[ends[k, 0]]} and {labels[ends[k, 1]]}" for k in tying]
    others = f", and {len(names) - 1} more pairs" if len(names) > 1 else ""
    remedy = "miri_lyot='mask' excludes it"
    return [
        Finding(
            f"MIRI's Lyot field alone ties {names[0]}{others}. No overlap constrains its offset "
            f"from the imager, which level_error does not contain; {remedy}.",
            "only the Lyot field ties some visits",
            remedy,
            tuple(dict.fromkeys(labels[end] for k in tying for end in ends[k])),
        )
    ]


def _lyot_share(measurement: PairMeasurement) -> float:
    """Give the mean share of Lyot fields in one tile of a pair and not in the other."""
    shares = [
        abs(share)
        for region, share in zip(measurement.regions, measurement.centre[3:], strict=True)
        if region.name == LYOT
    ]
    return float(max(shares, default=0.0))


def _worst_overlaps(pairs: list[tuple[float, list[str], PairResult]], how: str) -> Finding:
    places = [
        f"{of[pair.measurement.first]} and {of[pair.measurement.second]}" for _, of, pair in pairs
    ]
    remedy = "look for persistence, scattered light or a moving object in it"
    others = f", and {len(pairs) - 1} more pairs" if len(pairs) > 1 else ""
    return Finding(
        f"The overlap of {places[0]}{others} {how}: {remedy}.",
        f"the overlap of {places[0]} is spoiled",
        remedy,
        tuple(
            dict.fromkeys(
                of[end]
                for _, of, pair in pairs[:LISTED]
                for end in (pair.measurement.first, pair.measurement.second)
            )
        ),
        "spoiled overlap",
        tuple(
            f"{place}: {size:.3g} sigma"
            for place, (size, *_) in zip(places[:LISTED], pairs, strict=False)
        ),
    )


def _misaligned_exposures(match: Match, exposures: Sequence[Exposure], grid: Grid) -> list[Finding]:
    pixels = np.sqrt(np.mean([s.summary.pixels_per_cell for s in match.stacks] or [1.0]))
    shifts = _from_the_median(match)
    length = np.hypot(*shifts.T)
    error = np.hypot(*match.levels.shift_errors.T)
    far = np.flatnonzero((length * pixels > DISPLACED) & (length > SIGNIFICANCE * error))
    if not far.size:
        return []
    on_sky = shifts @ grid.sky_axes.T
    far = far[np.argsort(-length[far], kind="stable")]
    more = f" The {LISTED} farthest:" if far.size > LISTED else ""
    sentence = (
        f"{far.size} of {len(exposures)} exposures are displaced by more than {DISPLACED:g} pixels "
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
    shifts, components = match.levels.shifts.copy(), match.levels.components
    for component in range(match.levels.n_components):
        members = components == component
        known = members & np.isfinite(shifts).all(axis=1)
        if known.any():
            shifts[members] -= np.median(shifts[known], axis=0)
    return shifts
