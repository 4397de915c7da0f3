"""What users should be told about a match."""

import numpy as np

from jwst_mosaic_skymatch.tables import sky_shifts

__all__ = ["distrusted_pairs", "misaligned_exposures", "separate_components"]

# A displacement below this many sigma is not significant.
SIGNIFICANCE = 5.0


def separate_components(match, members):
    """Describe sets of exposures without a chain of overlaps between them.

    Parameters
    ----------
    match : Match
        What was found.
    members : sequence of Member
        The exposures.

    Returns
    -------
    list of str
        One sentence that names the visits of each set, or none if there is one set.
    """
    if match.n_components < 2:
        return []
    visits = [set() for _ in range(match.n_components)]
    for member, component in zip(members, match.components.tolist(), strict=True):
        if component >= 0:
            visits[component].add(member.visit_id or member.stem)
    listed = "; ".join(", ".join(sorted(names)) for names in visits)
    return [
        f"The exposures form {match.n_components} components that do not overlap each other; "
        f"levels are matched only within each. Visits by component: {listed}"
    ]


def distrusted_pairs(match, members):
    """Describe overlaps that contradict all others.

    Parameters
    ----------
    match : Match
        What was found.
    members : sequence of Member
        The exposures.

    Returns
    -------
    list of str
        One sentence for each pair that was left out or lost most of its weight.
    """
    names = [m.filename for m in members]
    labels = [g.label for g in match.groups]
    return [
        f"The overlap of {ends[p.offset.first]} and {ends[p.offset.second]} disagrees with all "
        f"others by {p.residual:.4g} ({abs(p.residual) / p.offset.variance**0.5:.0f} sigma) and is "
        "left out: look for persistence, scattered light or a moving object in it."
        for ends, pairs in ((names, match.member_pairs), (labels, match.group_pairs))
        for p in pairs
        if not p.used
    ]


def misaligned_exposures(match, members, grid, threshold):
    """Describe exposures that do not lie where their WCS says.

    Parameters
    ----------
    match : Match
        What was found.
    members : sequence of Member
        The exposures.
    grid : Grid
        The grid.
    threshold : float
        Displacement, native pixels, below which nothing is said.

    Returns
    -------
    list of str
        One sentence that names all of them, or none.
    """
    pixels = np.sqrt(np.mean([g.summary.pixels_per_cell for g in match.groups] or [1.0]))
    length = np.hypot(*match.shifts.T)
    error = np.sqrt(match.shift_variances.sum(axis=1))
    far = (length * pixels > threshold) & (length > SIGNIFICANCE * error)
    if not far.any():
        return []
    shifts, _ = sky_shifts(match, grid)
    listed = ", ".join(
        f"{members[k].filename} ({shifts[k, 0]:+.3f}, {shifts[k, 1]:+.3f})"
        for k in np.flatnonzero(far)
    )
    return [
        f"{far.sum()} of {len(members)} exposures are displaced by more than {threshold:g} pixels "
        "from the mean of all; run tweakreg again. Displacement (east, north) in arcsec: "
        f"{listed}"
    ]
