"""What users should be told about a match."""

import numpy as np

from jwst_mosaic_skymatch.products.tables import sky_shifts

__all__ = ["summarize_match", "warnings_of_match"]

# A shift below this many sigma is not significant.
SIGNIFICANCE = 5.0


def summarize_match(match, labels, grouping):  # numpydoc ignore=PR01,RT01
    """Say in some lines for the log what has been matched, and how well."""
    chi2, dof = match.closure
    return [
        f"{len(set(labels))} groups by {grouping}, {len(match.stacks)} stacks; "
        f"{len(match.exposure_pairs)} pairs inside stacks, {len(match.stack_pairs)} between them; "
        f"{match.n_components} connected components",
        f"Closure of the pairs: chi2 {chi2:.4g} for {dof:.4g} degrees of freedom",
    ]


def warnings_of_match(match, exposures, grid, threshold):  # numpydoc ignore=PR01,RT01
    """Say what users should be told: components, bad overlaps, and exposures out of place.

    ``threshold`` is the shift in native pixels below which nothing is said.
    """
    return [
        *_separate_components(match, exposures),
        *_unused_pairs(match, exposures),
        *_misaligned_exposures(match, exposures, grid, threshold),
    ]


def _separate_components(match, exposures):
    if match.n_components < 2:
        return []
    visits = [set() for _ in range(match.n_components)]
    for exposure, component in zip(exposures, match.components.tolist(), strict=True):
        if component >= 0:
            visits[component].add(exposure.visit_id or exposure.name)
    listed = "; ".join(", ".join(sorted(names)) for names in visits)
    return [
        f"The exposures form {match.n_components} components that do not overlap each other; "
        f"levels are matched only within each. Visits by component: {listed}"
    ]


def _unused_pairs(match, exposures):
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


def _misaligned_exposures(match, exposures, grid, threshold):
    pixels = np.sqrt(np.mean([s.summary.pixels_per_cell for s in match.stacks] or [1.0]))
    length = np.hypot(*match.shifts.T)
    error = np.sqrt(match.shift_variances.sum(axis=1))
    far = np.flatnonzero((length * pixels > threshold) & (length > SIGNIFICANCE * error))
    if not far.size:
        return []
    shifts, _ = sky_shifts(match, grid)
    listed = ", ".join(
        f"{exposures[k].name} ({shifts[k, 0]:+.3f}, {shifts[k, 1]:+.3f})" for k in far
    )
    return [
        f"{far.size} of {len(exposures)} exposures are displaced by more than {threshold:g} pixels "
        "from the mean of all; run tweakreg again. Displacement (east, north) in arcsec: "
        f"{listed}"
    ]
