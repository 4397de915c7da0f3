"""Messages about a match: lines for the log, and its defects with their remedies."""

from itertools import chain

import numpy as np
from astropy.table import QTable

from jwst_mosaic_skymatch.exposures.metadata import Exposures, family_names
from jwst_mosaic_skymatch.levels.matrices import connected_parts
from jwst_mosaic_skymatch.levels.results import Match, PairResult
from jwst_mosaic_skymatch.offsets.results import PairMeasurement
from jwst_mosaic_skymatch.products.findings import (
    Finding,
    count,
    findings_of_cases,
    name_components,
    names_at,
)
from jwst_mosaic_skymatch.products.tables import named_pairs, sky_gradients
from jwst_mosaic_skymatch.tiles.frame import LYOT
from jwst_mosaic_skymatch.tiles.grid import Grid

__all__ = ["describe_levels", "findings_of_match", "summarize_match"]

# Most levels in the log.
LISTED = 100
# A shift or contrast below this many sigma is not significant.
SIGNIFICANCE = 5.0
# Shift in native pixels from which on an exposure is displaced: it costs no accuracy of levels.
DISPLACED = 0.1
# The same in units of the median shift, without its noise; below it, no place has most exposures.
APART = 4.0
# Effects that no level describes, and their remedies.
EFFECTS = {
    "gain": (
        "Gains of exposures differ by {:.2%} (rms)",
        "check the flat fields and photometric keywords",
    ),
    "misfit": (
        "Differences do not close: beside their noise, offsets are uncertain by {:.2g}",
        "check the pairs with the largest residuals in the table of pairs (save_diagnostics)",
    ),
}
# Share of Lyot fields on an imager in an overlap from which on the pair hangs on these.
LYOT_SHARE = 0.5
# Error of their contrast, in its standard deviation, below which overlaps constrain it.
CONSTRAINED = 0.5
# Error of the offset of a pair, in units of its noise, from which on the overlap is rough.
ROUGH = 20.0


def summarize_match(match: Match, exposures: Exposures, grid: Grid, grouping: str) -> list[str]:
    """Describe a match in some lines.

    Parameters
    ----------
    match : Match
        The match.
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
    backgrounds = match.backgrounds
    lines = [
        f"{count(len(match.stacks), 'stack')} by {grouping}; "
        f"{count(len(match.exposure_pairs), 'pair')} inside stacks, "
        f"{len(match.stack_pairs)} between them; "
        f"{count(len(match.levels.anchored), 'connected component')}",
    ]
    if "pedestal" in backgrounds.sigmas:
        lines.append(
            "Components that do not overlap are tied by detectors of an exposure, which agree but "
            f"for pedestals of {backgrounds.sigmas['pedestal']:.2g} (rms; tie_detectors)"
        )
    lines += [
        f"The {name} region lies {value:.4g} above the rest of the detector, error {error:.2g}; "
        "levels are those of the rest"
        for name, (value, error) in backgrounds.contrasts.items()
        if abs(value) > SIGNIFICANCE * error
    ]
    if backgrounds.planes:
        sizes = np.hypot(*sky_gradients(match, grid)[0].T)
        lines.append(
            f"Gradients of {np.count_nonzero(sizes)} of {len(exposures)} exposures are "
            f"subtracted: up to {sizes.max():.2g} per arcmin. No overlap constrains a gradient "
            "that all have in common: it stays in the data"
        )
    return lines


def describe_levels(table: QTable) -> list[str]:
    """Describe recorded levels.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        See `~jwst_mosaic_skymatch.products.tables.levels_table`.

    Returns
    -------
    list of str
        A line for each level, or one for all if there are many. Jwst keeps the log in every file:
        lines of all would take room as the square of their number.
    """
    known = table[table["status"] == "COMPLETE"]
    levels = np.asarray(known["level"])
    if len(known) <= LISTED:
        own = zip(known["filename"], levels, strict=True)
        return [f"{name}: sky level {level:.6g}" for name, level in own]
    return [
        f"Sky levels of {len(known)} exposures, from {levels.min():.6g} to {levels.max():.6g}; "
        "save_diagnostics lists them"
    ]


# --- Defects -----------------------------------------------------------------


def findings_of_match(
    match: Match, exposures: Exposures, grid: Grid, plane_per: str | None = None
) -> list[Finding]:
    """Collect warnings: components, bad overlaps, and exposures out of place.

    Parameters
    ----------
    match : Match
        The match.
    exposures : sequence of Exposure
        The exposures, in the same order.
    grid : Grid
        The grid.
    plane_per : {'group', 'exposure'} or None, optional
        Gradients that are subtracted: those of visits, or of exposures as well.

    Returns
    -------
    list of Finding
        The warnings, the most general first, at most one of each kind.
    """
    return [
        *_separate_components(match, exposures),
        *findings_of_cases(
            "{} disagree with all others",
            dict(sorted(match.remarks.items())),
            exposures,
            "check the image; flag what is wrong, or leave it out",
        ),
        *_gradients(match, exposures, grid, plane_per),
        *_effects(match),
        *_spoiled_overlaps(match, exposures),
        *_lyot_ties(match, exposures),
        *findings_of_cases(
            f"{{}} are displaced by more than {DISPLACED:g} pixels from where most lie",
            _displacements(match, grid),
            exposures,
            "run tweakreg again",
            "displaced",
        ),
    ]


def _separate_components(match: Match, exposures: Exposures) -> list[Finding]:
    components, n = match.levels.components, len(match.levels.anchored)
    if n < 2:
        return []
    visits = "; ".join(name_components(components, exposures))
    return [
        Finding(
            f"{n} components do not overlap, and levels are matched only within each: {visits}",
            "add exposures in between, or give an image of the field as reference",
            names_at(np.flatnonzero(components > 0), exposures),
        )
    ]


def _gradients(
    match: Match, exposures: Exposures, grid: Grid, plane_per: str | None
) -> list[Finding]:
    """Describe gradients that remain, and name the visit and detector with the largest."""
    remain = {None: ("visit", "exposure"), "group": ("exposure",)}.get(plane_per, ())
    slopes = [
        f"{match.backgrounds.sigmas[f'{name} gradient'] * 60.0 / grid.cell_scale:.2g} per arcmin "
        f"(rms, of {name}s)"
        for name in remain
        if f"{name} gradient" in match.backgrounds.sigmas
    ]
    if not slopes:
        return []
    steep: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    remedy = "background='plane_per_exposure' subtracts them"
    if plane_per is None:
        remedy = (
            "subtract=True with background='plane' subtracts those of visits, with "
            "background='plane_per_exposure' those of exposures"
        )
        families = np.array(family_names(exposures))
        sizes = np.hypot(*sky_gradients(match, grid)[0].T)
        steepest = families[np.argmax(sizes)]
        steep = names_at(np.flatnonzero(families == steepest), exposures)
        details = (f"{steepest} has the largest gradient, {sizes.max():.2g} per arcmin",)
    return [
        Finding(
            f"Backgrounds have gradients of {' and '.join(slopes)}. A level describes them badly: "
            f"{_uncertainty(match)}, and steps remain at the edges of overlaps",
            remedy,
            steep,
            details,
            "gradient",
        )
    ]


def _effects(match: Match) -> list[Finding]:
    """Describe effects that make errors larger, if the model has them."""
    sigmas = match.backgrounds.sigmas
    return [
        Finding(f"{words.format(sigmas[name])}; {_uncertainty(match)}", remedy)
        for name, (words, remedy) in EFFECTS.items()
        if name in sigmas
    ]


def _uncertainty(match: Match) -> str:
    return f"levels are uncertain by {np.nanmedian(match.levels.errors):.2g} (level_error)"


def _spoiled_overlaps(match: Match, exposures: Exposures) -> list[Finding]:
    """Name pairs that are rejected, and pairs whose overlap is rough, the worst first."""
    remarked = {exposures[k].name for k in match.remarks}
    remarked |= {s.label for s in match.stacks if match.remarks.keys() & set(s.members)}
    cases = []
    for names, pair in named_pairs(match, exposures):
        if not pair.used:
            size = abs(pair.residual) / pair.error
            weight = f"its weight is {pair.robust_weight:.2g}"
            cases.append((size, names, f"disagrees with all others by {size:.3g} sigma: {weight}"))
        # An exposure that is no image of this sky opens all loops through it.
        elif not match.backgrounds.sigmas and remarked.isdisjoint(names):
            size = _roughness(pair, with_seam=not match.remarks)
            if size > ROUGH:
                cases.append((size, names, f"is uneven by {size:.3g} sigma"))
    if not cases:
        return []
    cases.sort(key=lambda case: -case[0])
    return [
        Finding(
            f"{count(len(cases), 'overlap')} hold more than sky and noise",
            "search for persistence, scattered light, a moving object or a steep background there",
            tuple(dict.fromkeys(chain(*(names for _, names, _ in cases)))),
            tuple(f"the overlap of {' and '.join(names)} {words}" for _, names, words in cases),
            "spoiled overlap",
        )
    ]


def _roughness(pair: PairResult, *, with_seam: bool) -> float:
    """Compute the error of an offset in units of its noise, as far as the pair itself causes it.

    The error of a smooth overlap that closes is the scatter that most of the others have.
    """
    # With the trends; of both axes and both widths, the largest.
    scatter = np.sqrt(pair.measurement.quality.strips.raw.max())
    own = max(scatter, abs(pair.residual) * with_seam)
    noise = np.sqrt(pair.measurement.variance)
    return float(min(pair.error, own) / noise) if noise > 0.0 else 0.0


def _lyot_ties(match: Match, exposures: Exposures) -> list[Finding]:
    """Name stacks that nothing but the Lyot field ties, if no overlap constrains its offset."""
    size = match.backgrounds.sigmas.get(LYOT, 0.0)
    contrasts = match.backgrounds.contrasts.items()
    if any(name.endswith(LYOT) and error < CONSTRAINED * size for name, (_, error) in contrasts):
        return []
    pairs = [pair.measurement for pair in match.stack_pairs]
    others = [(m.first, m.second) for m in pairs if not _is_of_lyot(m)]
    parts = connected_parts(len(match.stacks) + 1, others)
    named = named_pairs(match, exposures)[len(match.exposure_pairs) :]
    tied = [
        names
        for (names, _), m in zip(named, pairs, strict=True)
        if parts[m.first] != parts[m.second]
    ]
    if not tied:
        return []
    contained = "which level_error does not contain"
    if size:
        contained = f"{size:.2g} by the pixels of exposures, which level_error contains"
    return [
        Finding(
            f"MIRI's Lyot field alone ties {count(len(tied), 'pair')} of stacks, and no overlap "
            f"constrains its offset from the imager, {contained}",
            "miri_lyot='mask' excludes it",
            tuple(dict.fromkeys(chain(*tied))),
        )
    ]


def _is_of_lyot(measurement: PairMeasurement) -> bool:
    """Whether a Lyot field makes up the most of the overlap in one tile, and not in the other."""
    shares = zip(measurement.regions, measurement.centre[5:].tolist(), strict=True)
    return any(region.name == LYOT and abs(share) > LYOT_SHARE for region, share in shares)


def _displacements(match: Match, grid: Grid) -> dict[int, str]:
    """Describe exposures that lie beside most of their component, the farthest first."""
    scales = [frame.scale for stack in match.stacks for frame in stack.frames]
    pixels = 1.0 / float(np.mean(scales or [1.0]))
    shifts, components = match.levels.shifts.copy(), match.levels.components
    known = np.isfinite(shifts[:, 0])
    # One visit aside moves the mean of all, about which shifts are.
    for component in np.unique(components[known]):
        own = known & (components == component)
        shifts[own] -= np.median(shifts[own], axis=0)
    length, error = np.hypot(*shifts.T), np.sqrt(2.0) * match.levels.shift_errors
    # Of 100 images of 2MASS half lie 0.28 arcsec aside: none is displaced from the others.
    beside_noise = np.sqrt(np.maximum(length**2 - error**2, 0.0))[known]
    usual = np.quantile(beside_noise, 0.5, method="lower") if known.any() else 0.0
    least = max(DISPLACED / pixels, APART * usual)
    far = np.flatnonzero(length > np.maximum(least, SIGNIFICANCE * error))
    on_sky = shifts @ grid.sky_axes.T
    return {
        k: f"displaced by {length[k] * pixels:.2f} pixels, {on_sky[k, 0]:+.3f} arcsec east and "
        f"{on_sky[k, 1]:+.3f} north"
        for k in far[np.argsort(-length[far], kind="stable")].tolist()
        # An exposure that is no image of this sky has no displacement.
        if k not in match.remarks
    }
