"""From tiles to the level of every exposure.

Levels inside each group come first, from the differences of its members;
then whole groups, averaged to one tile each, are compared with each other.
The level of an exposure is the sum of the two.
"""

from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import numpy as np

from jwst_mosaic_skymatch.covariance import covariance_of_components, joint_normal_matrix
from jwst_mosaic_skymatch.footprint import coarse_map
from jwst_mosaic_skymatch.outliers import reject_outliers
from jwst_mosaic_skymatch.pairs import measure_offset
from jwst_mosaic_skymatch.propagation import GroupCovariance, level_errors
from jwst_mosaic_skymatch.results import Group, Match, MatchedMembers, PairResult
from jwst_mosaic_skymatch.selection import choose_pairs, stacks
from jwst_mosaic_skymatch.solution import connected_parts, solve_levels
from jwst_mosaic_skymatch.stack import robust_stack
from jwst_mosaic_skymatch.statistic import Statistic
from jwst_mosaic_skymatch.tasks import summarize
from jwst_mosaic_skymatch.tile import crop_to_overlap, shift_tile

__all__ = ["Method", "apply_gauge", "match_groups", "match_members"]


# A displacement below this many sigma is left alone: moving an image adds noise.
SIGNIFICANCE = 4.0
# The same for one below this many cells.
WORTH_MOVING = 0.02
# Cells of all members up to which these are not made ready twice, 8 MB.
HELD_CELLS = 1_000_000
# Cells and pairs up to which tiles travel together, so that each is sent once.
SENT_CELLS = 4_000_000
SENT_PAIRS = 16


@dataclass(frozen=True)
class Method:
    """How tiles are compared.

    Attributes
    ----------
    statistic : Statistic
        Location of the differences of two tiles.
    min_cells : int
        Least number of common cells for a pair to be used.
    weighted : bool
        Weigh the equations by the inverse variance of their offset.
    rigid : bool
        One level for all members of a group, whether they overlap or not (the
        detectors of one exposure).
    fit_shift : bool
        Fit the misalignment of each pair along with its offset.
    """

    statistic: Statistic
    min_cells: int
    weighted: bool = True
    rigid: bool = False
    fit_shift: bool = True


def match_members(label, tiles, positions, method, engine):
    """Match the members of one group and average them.

    Parameters
    ----------
    label : str
        Name of the group.
    tiles : sequence of Tile or None
        The members' tiles, or handles for them; None for a member without a
        good pixel.
    positions : sequence of int
        Position of each member among all exposures.
    method : Method
        How to compare them.
    engine : Engine
        Where to.

    Returns
    -------
    MatchedMembers
        The group, in several parts where members do not lie upon each other;
        its tiles are set aside by the engine.
    """
    summaries = engine.each(summarize, tiles)
    known = [k for k, summary in enumerate(summaries) if summary is not None]
    tiles, positions = [tiles[k] for k in known], [positions[k] for k in known]
    summaries = [summaries[k] for k in known]
    if not tiles:
        return MatchedMembers((), ())
    offsets = ()
    if not method.rigid:
        offsets = _measure(tiles, summaries, method, engine, within_stacks=True, keep_outliers=True)
    matched = engine.beside(
        _assemble, label, tiles, tuple(summaries), tuple(positions), offsets, method
    )
    groups = tuple(replace(group, tile=engine.set_aside(group.tile)) for group in matched.groups)
    skies = {k: summary.sky for k, summary in zip(positions, summaries, strict=True)}
    return replace(matched, groups=groups, skies=skies)


def _measure(
    tiles, summaries, method, engine, *, within_stacks=False, keep_outliers=False, crop=False
):
    """Measure the offsets of pairs of tiles, in the order of their positions.

    Tiles that are here, and large, are cropped before they are sent.
    """
    quoted = all(summary.measured for summary in summaries)
    how = {
        "min_cells": method.min_cells,
        "fit_shift": method.fit_shift,
        "quoted": quoted,
        "keep_outliers": keep_outliers,
    }
    coverage = [summary.coverage for summary in summaries]
    pairs = choose_pairs(coverage)
    if within_stacks:
        stack = stacks(coverage)
        pairs = [(i, j) for i, j in pairs if stack[i] == stack[j]]
    if crop:
        ends = (crop_to_overlap(*(engine.result(tiles[k]) for k in pair)) for pair in pairs)
        jobs = ((list(two), [(0, 1)], method.statistic, how) for two in ends)
    else:
        batches = _batches(pairs, [s.n_cells for s in summaries], engine.width)
        jobs = ((*_among_themselves(tiles, batch), method.statistic, how) for batch in batches)
    found = chain.from_iterable(engine.run(_measure_pairs, jobs))
    return tuple(
        replace(offset, first=i, second=j)
        for (i, j), offset in zip(pairs, found, strict=True)
        if offset is not None
    )


def _batches(pairs, cells, width):
    """Split pairs into lists of which there are enough to work on at a time."""
    most = min(SENT_PAIRS, -(-2 * len(pairs) // max(width, 2)))
    batch, members = [], set()
    for pair in pairs:
        more = members.union(pair)
        if batch and (len(batch) == most or sum(cells[k] for k in more) > SENT_CELLS):
            yield batch
            batch, more = [], set(pair)
        batch.append(pair)
        members = more
    if batch:
        yield batch


def _among_themselves(tiles, pairs):
    """Take the tiles of some pairs, each once, and the pairs' places among these."""
    chosen = sorted({k for pair in pairs for k in pair})
    place = {k: n for n, k in enumerate(chosen)}
    return [tiles[k] for k in chosen], [(place[i], place[j]) for i, j in pairs]


def _measure_pairs(tiles, pairs, statistic, how):
    return [measure_offset(tiles[i], tiles[j], statistic, **how) for i, j in pairs]


def _assemble(label, tiles, summaries, positions, offsets, method):
    """Solve for the members' levels and average their tiles."""
    n = len(tiles)
    solution = solve_levels(n, offsets, weighted=method.weighted)
    parts = np.zeros(n, dtype=int) if method.rigid else connected_parts(n, offsets)
    covariance, fitted = np.zeros((n, n)), np.zeros(0)
    if offsets:
        normal = _joint_normal_matrix(summaries, offsets, solution)
        covariance = covariance_of_components(normal.toarray(), parts)
        fitted = _differences(np.diag(covariance), covariance, offsets)
    shift_variances = _shared(solution, np.diag(covariance))
    inflation = np.sqrt(solution.inflation)
    # A member that overlaps no other is a part of its own, at level zero.
    levels = np.nan_to_num(solution.levels)

    def ready(k):
        tile = reject_outliers(tiles[k], k, offsets)
        return _aligned(tile, solution.shifts[k], shift_variances[k])

    groups = []
    for number in range(parts.max() + 1):
        part = np.flatnonzero(parts == number)
        stack, maps = _average(ready, part, levels[part], [summaries[k] for k in part])
        groups.append(
            Group(
                label if parts.max() == 0 else f"{label}_{number + 1}",
                tuple(positions[k] for k in part),
                levels[part],
                covariance[np.ix_(part, part)] * np.outer(inflation[part], inflation[part]),
                solution.shifts[part],
                shift_variances[part],
                maps,
                summarize(stack),
                stack,
            )
        )
    pairs = _pair_results(offsets, solution, fitted)
    return MatchedMembers(tuple(groups), tuple(_renumber(p, positions) for p in pairs))


def _average(ready, part, levels, extents):
    """Average some tiles, each as ``ready`` gives it; also give where each has data."""
    maps = {}

    def chosen():
        for k in part:
            tile = ready(k)
            if k not in maps:
                maps[k] = coarse_map(tile)
            yield tile

    if sum(extent.n_cells for extent in extents) <= HELD_CELLS:
        chosen = partial(iter, list(chosen()))
    stack = robust_stack(chosen, levels, extents=extents)
    return stack, tuple(maps[k] for k in part)


def match_groups(n, matched, method, engine):
    """Compare groups with each other and add up levels.

    Parameters
    ----------
    n : int
        Number of all exposures.
    matched : sequence of MatchedMembers
        What `match_members` found for each group.
    method : Method
        How to compare groups.
    engine : Engine
        Where to.

    Returns
    -------
    Match
        Levels, their errors, and the pairs and groups behind them.
    """
    groups = tuple(group for found in matched for group in found.groups)
    summaries = [group.summary for group in groups]
    tiles = [group.tile for group in groups]
    offsets = _measure(tiles, summaries, method, engine, crop=True)
    between = solve_levels(len(groups), offsets, weighted=method.weighted)
    variances, fitted, covariance = np.full(len(groups), np.nan), np.zeros(0), None
    if offsets:
        normal = _joint_normal_matrix(summaries, offsets, between)
        covariance = GroupCovariance(normal, connected_parts(len(groups), offsets))
        variances, fitted = covariance.variances, covariance.of_differences(offsets)
    levels, components, counted = _combine(n, groups, between, method.rigid)
    shifts, shift_variances = _add_shifts(n, groups, between.shifts, _shared(between, variances))
    errors = level_errors(n, groups, offsets, between, covariance, components, counted)
    return Match(
        levels,
        errors,
        components,
        shifts,
        shift_variances,
        groups,
        tuple(pair for found in matched for pair in found.pairs),
        tuple(_pair_results(offsets, between, fitted)),
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
    length2 = np.sum(shift**2)
    if length2 > max(SIGNIFICANCE**2 * np.sum(variance), WORTH_MOVING**2):
        return shift_tile(tile, *shift)
    return tile


def _joint_normal_matrix(summaries, offsets, solution):
    """Joint normal matrix, with the noise that the pairs of each tile really show."""
    quoted = all(summary.measured for summary in summaries)
    ratios = [[] for _ in summaries]
    for offset, variance in zip(offsets, solution.variances.tolist(), strict=True):
        for end in (offset.first, offset.second):
            ratios[end].append(variance / offset.noise_variance)
    # Without any noise the errors are zero, but the matrix must stay finite.
    inflation = [max(np.median(r), 1e-20) if r else 1.0 for r in ratios]
    if not quoted:  # the pairs then take all pixels to be alike
        inflation = [
            factor / summary.pixel_variance
            for factor, summary in zip(inflation, summaries, strict=True)
        ]
    return joint_normal_matrix([summary.information for summary in summaries], inflation)


def _shared(solution, level_variances):
    """Variances of displacements, with the noise that pairs share.

    It makes pairwise errors of levels too small by a factor that depends on how
    often the sky was seen, and those of displacements by the same.
    """
    naive = np.maximum(solution.level_variances, np.finfo(float).tiny)
    return solution.shift_variances * np.maximum(level_variances / naive, 1.0)[:, None]


def _differences(variances, covariance, offsets):
    """Variance of the fitted difference of each pair."""
    i, j = (np.array([getattr(o, end) for o in offsets]) for end in ("first", "second"))
    return variances[i] + variances[j] - 2.0 * covariance[i, j]


def _pair_results(offsets, solution, fitted):
    """Put pairs beside the solution, of which ``fitted`` are the joint variances.

    Of the noise of a pair, the share that outliers have not thinned out is common
    to all pairs of an exposure; the rest is its own, as are the cells it leaves out.
    """
    share = np.array([offset.share for offset in offsets])
    common, own = fitted * solution.pair_inflation, solution.pair_variances
    expected = solution.variances - share * common - (1.0 - share) * own
    return [
        PairResult(
            replace(
                offset,
                value=float(solution.offsets[k]),
                variance=float(solution.variances[k]),
                outliers=None,
            ),
            float(solution.residuals[k]),
            float(max(expected[k], 0.0)),
            float(solution.weights[k]),
            float(solution.trust[k]),
        )
        for k, offset in enumerate(offsets)
    ]


def _renumber(pair, positions):
    first, second = positions[pair.offset.first], positions[pair.offset.second]
    return replace(pair, offset=replace(pair.offset, first=first, second=second))


def _combine(n, groups, between, rigid):
    """Add up group and in-group levels, less the mean of each component.

    Also tells which exposures count in the mean: those with a level of their
    own, so that a rigid group counts once.
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
    counted = np.zeros(n, dtype=bool)
    counted[[g.members[0] for g in groups] if rigid else slice(None)] = True
    counted &= components >= 0
    components = _in_order(components)
    if counted.any():
        mean = np.bincount(components[counted], levels[counted]) / np.bincount(components[counted])
        known = components >= 0
        levels[known] -= mean[components[known]]
    return levels, components, counted


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
