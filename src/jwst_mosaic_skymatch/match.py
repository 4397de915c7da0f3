"""From tiles to the level of every exposure.

Levels inside each group come first, from the differences of its members;
then whole groups, averaged to one tile each, are compared with each other.
The level of an exposure is the sum of the two.
"""

from dataclasses import replace

import numpy as np

from jwst_mosaic_skymatch.covariance import covariance_of_components, joint_normal_matrix
from jwst_mosaic_skymatch.footprint import coarse_map, member_shares
from jwst_mosaic_skymatch.pairs import measure_offsets
from jwst_mosaic_skymatch.results import Group, Match, MatchedMembers, PairResult
from jwst_mosaic_skymatch.solution import (
    Solution,
    connected_parts,
    incidence_matrix,
    solve_levels,
    solve_shifts,
)
from jwst_mosaic_skymatch.tile import shift_tile, stack_tiles

__all__ = ["apply_gauge", "match_groups", "match_members"]


# A displacement below this many sigma is left alone: moving an image adds noise.
SIGNIFICANCE = 4.0


def match_members(
    label,
    tiles,
    positions,
    statistic,
    *,
    min_cells,
    weighted=True,
    rigid=False,
    fit_shift=True,
):
    """Match the members of one group and average them.

    Parameters
    ----------
    label : str
        Name of the group.
    tiles : sequence of Tile or None
        The members' tiles; None for a member without a good pixel.
    positions : sequence of int
        Position of each member among all exposures.
    statistic : Statistic
        Location of the differences of two tiles.
    min_cells : int
        Least number of common cells for a pair to be used.
    weighted : bool, optional
        Weigh the equations by the inverse variance of their offset.
    rigid : bool, optional
        One level for all members, whether they overlap or not (the detectors
        of one exposure).
    fit_shift : bool, optional
        Fit the misalignment of each pair along with its offset.

    Returns
    -------
    MatchedMembers
        The group, in several parts where overlaps do not connect it.
    """
    known = [k for k, tile in enumerate(tiles) if tile is not None]
    tiles, positions = [tiles[k] for k in known], [positions[k] for k in known]
    if not tiles:
        return MatchedMembers((), ())
    offsets = ()
    if not rigid:
        offsets = measure_offsets(tiles, statistic, min_cells=min_cells, fit_shift=fit_shift)
    solution = solve_levels(len(tiles), offsets, weighted=weighted)
    parts = np.zeros(len(tiles), dtype=int) if rigid else connected_parts(len(tiles), offsets)
    covariance = np.zeros((len(tiles),) * 2)
    if offsets:
        covariance = _covariance(tiles, offsets, parts)
    shifts, shift_variances = solve_shifts(len(tiles), offsets, solution.trust, covariance)
    # A member that overlaps no other is a part of its own, at level zero.
    levels = np.nan_to_num(solution.levels)
    groups = []
    for number in range(parts.max() + 1):
        part = np.flatnonzero(parts == number)
        chosen = [_aligned(tiles[k], shifts[k], shift_variances[k]) for k in part]
        groups.append(
            Group(
                label if parts.max() == 0 else f"{label}_{number + 1}",
                tuple(positions[k] for k in part),
                levels[part],
                covariance[np.ix_(part, part)],
                shifts[part],
                shift_variances[part],
                tuple(coarse_map(tile) for tile in chosen),
                stack_tiles(chosen, levels[part]),
            )
        )
    pairs = _pair_results(offsets, solution, covariance)
    return MatchedMembers(tuple(groups), tuple(_renumber(p, positions) for p in pairs))


def match_groups(n, matched, statistic, *, min_cells, weighted=True, rigid=False, fit_shift=True):
    """Compare groups with each other and add up levels.

    Parameters
    ----------
    n : int
        Number of all exposures.
    matched : sequence of MatchedMembers
        What `match_members` found for each group.
    statistic, min_cells, weighted, rigid, fit_shift
        As for `match_members`.

    Returns
    -------
    Match
        Levels, their covariance, and the pairs and groups behind them.
    """
    groups = tuple(group for found in matched for group in found.groups)
    tiles = [group.tile for group in groups]
    offsets = measure_offsets(tiles, statistic, min_cells=min_cells, fit_shift=fit_shift)
    between = solve_levels(len(groups), offsets, weighted=weighted)
    covariance = np.zeros((len(groups),) * 2)
    if offsets:
        covariance = _covariance(tiles, offsets, connected_parts(len(groups), offsets))
    levels, components, centre = _combine(n, groups, between, rigid)
    shifts, shift_variances = solve_shifts(len(groups), offsets, between.trust, covariance)
    total_shifts, total_variances = _add_shifts(n, groups, shifts, shift_variances)
    return Match(
        levels,
        _total_covariance(n, groups, offsets, between, covariance, centre),
        components,
        total_shifts,
        total_variances,
        groups,
        tuple(pair for found in matched for pair in found.pairs),
        tuple(_pair_results(offsets, between, covariance)),
    )


def apply_gauge(levels, *, match_down):
    """Subtract the smallest, or the largest, level of all.

    Parameters
    ----------
    levels : ndarray, shape (n,)
        Levels, MJy/sr; NaN is passed on.
    match_down : bool
        Take the smallest; if False, the largest.

    Returns
    -------
    ndarray, shape (n,)
        Levels with the reference at zero.
    """
    if not np.isfinite(levels).any():
        return levels.copy()
    return levels - (np.nanmin(levels) if match_down else np.nanmax(levels))


def _aligned(tile, shift, variance):
    """Move a member that lies significantly beside the others of its group.

    Left where they are, members would give different parts of the group's mean
    different displacements, of which a pair of groups can fit only one.
    """
    if np.isfinite(shift).all() and np.sum(shift**2) > SIGNIFICANCE**2 * np.sum(variance):
        return shift_tile(tile, *shift)
    return tile


def _covariance(tiles, offsets, parts):
    """Joint covariance, with the scatter that the pairs of each tile really show."""
    ratios = [[] for _ in tiles]
    for offset in offsets:
        for end in (offset.first, offset.second):
            ratios[end].append(offset.variance / offset.noise_variance)
    # Without any noise the errors are zero, but the matrix must stay finite.
    inflation = [max(np.median(r), 1e-20) if r else 1.0 for r in ratios]
    return covariance_of_components(joint_normal_matrix(tiles, inflation), parts)


def _pair_results(offsets, solution, covariance):
    results = []
    for k, offset in enumerate(offsets):
        i, j = offset.first, offset.second
        fitted = covariance[i, i] + covariance[j, j] - 2.0 * covariance[i, j]
        results.append(
            PairResult(
                offset,
                float(solution.residuals[k]),
                max(offset.variance - float(fitted), 0.0),
                float(solution.weights[k]),
                float(solution.trust[k]),
            )
        )
    return results


def _renumber(pair, positions):
    first, second = positions[pair.offset.first], positions[pair.offset.second]
    return replace(pair, offset=replace(pair.offset, first=first, second=second))


def _combine(n, groups, between: Solution, rigid):
    """Add up group and in-group levels.

    Also gives the matrix that takes out the mean of each component: over what
    has a level of its own, so that a rigid group counts once.
    """
    levels, components = np.full(n, np.nan), np.full(n, -1)
    count = between.n_components
    for k, group in enumerate(groups):
        component = between.components[k]
        if component < 0:
            if rigid or len(group.members) == 1:
                continue  # nothing to compare it with
            component, count = count, count + 1
        members = list(group.members)
        levels[members] = np.nan_to_num(between.levels[k]) + group.levels
        components[members] = component
    own = [g.members[0] for g in groups] if rigid else range(n)
    own = np.array([k for k in own if components[k] >= 0], dtype=int)
    centre = np.eye(n)
    for component in range(count):
        counted = own[components[own] == component]
        centre[np.ix_(components == component, counted)] -= 1.0 / len(counted)
    known = components >= 0
    levels[known] = centre[np.ix_(known, known)] @ levels[known]
    return levels, _in_order(components), centre


def _total_covariance(n, groups, offsets, between, group_covariance, centre):
    r"""Propagate in-group errors through the offsets between groups.

    With in-group errors e, shares F of the members in the overlaps, and the
    operator H that takes offsets to group levels, levels are off by
    (1 - P H F) e + P g, g the errors of the group levels; in a mean weighted by
    inverse variance g and e are independent.
    """
    inside, spread = np.zeros((n, n)), np.zeros((n, len(groups)))
    for k, group in enumerate(groups):
        members = list(group.members)
        inside[np.ix_(members, members)] = group.covariance
        spread[members, k] = 1.0
    transfer = np.eye(n)
    if offsets:
        incidence = incidence_matrix(len(groups), offsets).toarray()
        weighted = incidence.T * between.weights
        solve = covariance_of_components(weighted @ incidence, between.components)
        shares = _shares(n, groups, offsets)
        transfer -= spread @ np.nan_to_num(solve) @ weighted @ shares
    total = transfer @ inside @ transfer.T + spread @ np.nan_to_num(group_covariance) @ spread.T
    total = centre @ total @ centre.T
    unknown = np.ones(n, dtype=bool)
    for group, component in zip(groups, between.components, strict=True):
        unknown[list(group.members)] = component < 0 and not np.any(group.covariance)
    total[unknown], total[:, unknown] = np.nan, np.nan
    return total


def _shares(n, groups, offsets):
    shares = np.zeros((len(offsets), n))
    for row, offset in enumerate(offsets):
        ends = groups[offset.first], groups[offset.second]
        for sign, group, other in ((1.0, *ends), (-1.0, *ends[::-1])):
            if len(group.members) > 1:
                shares[row, list(group.members)] = sign * member_shares(group.maps, other.maps)
    return shares


def _add_shifts(n, groups, shifts, variances):
    total, total_variance = np.full((n, 2), np.nan), np.full((n, 2), np.nan)
    for k, group in enumerate(groups):
        members = list(group.members)
        # A group without partners, or an exposure alone in its group, adds nothing.
        alone = len(members) == 1
        total[members] = np.nan_to_num(shifts[k]) + (0.0 if alone else group.shifts)
        total_variance[members] = np.nan_to_num(variances[k]) + (
            0.0 if alone else group.shift_variances
        )
        if alone and not np.isfinite(shifts[k]).all():
            total[members], total_variance[members] = np.nan, np.nan
    return total, total_variance


def _in_order(components):
    """Number components in the order of their first member."""
    known = components >= 0
    values, start = np.unique(components[known], return_index=True)
    rank = dict(zip(values[np.argsort(start)].tolist(), range(len(values)), strict=True))
    ordered = components.copy()
    ordered[known] = [rank[c] for c in components[known].tolist()]
    return ordered
