"""From tiles to the level of every exposure.

Levels inside each group come first, from the differences of its members;
then whole groups, averaged to one tile each, are compared with each other.
The level of an exposure is the sum of the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.pairs import PairOffset, measure_offsets
from jwst_mosaic_skymatch.solution import connected_parts, solve_levels
from jwst_mosaic_skymatch.tile import Tile, stack_tiles

__all__ = ["Group", "Match", "apply_gauge", "match_tiles"]


@dataclass(frozen=True)
class Group:
    """Exposures that are compared with others as one image.

    Attributes
    ----------
    label : str
        Name of the group; the number of the part is added when a group had to
        be split.
    members : tuple of int
        Positions of its exposures.
    tile : Tile
        Mean image of the members after their in-group levels are subtracted.
    """

    label: str
    members: tuple[int, ...]
    tile: Tile


@dataclass(frozen=True)
class Match:
    """Matched levels and what they rest on.

    Attributes
    ----------
    levels : ndarray of float64, shape (n,)
        Level of each exposure, MJy/sr, with zero mean over each connected
        component; NaN for an exposure without a usable overlap.
    components : ndarray of int, shape (n,)
        Connected component of each exposure; -1 where the level is NaN.
    groups : tuple of Group
        The groups after splitting.
    member_offsets : tuple of PairOffset
        Offsets inside groups, between positions of exposures.
    group_offsets : tuple of PairOffset
        Offsets between groups, between positions in ``groups``.
    """

    levels: np.ndarray
    components: np.ndarray
    groups: tuple[Group, ...]
    member_offsets: tuple[PairOffset, ...]
    group_offsets: tuple[PairOffset, ...]

    @property
    def n_components(self):
        """Number of connected components."""
        return int(self.components.max(initial=-1)) + 1


def match_tiles(tiles, labels, statistic, *, min_cells, weighted=True, rigid=False):
    """Find the levels that make overlapping exposures agree.

    Parameters
    ----------
    tiles : sequence of Tile or None
        Each exposure's tile; None for an exposure without a good pixel.
    labels : sequence of str
        Name of the group that each exposure belongs to.
    statistic : callable
        Location of the differences of two tiles, see
        `~jwst_mosaic_skymatch.pairs.measure_offset`.
    min_cells : int
        Least number of common cells for a pair to be used.
    weighted : bool, optional
        Weigh the equations by the inverse variance of their offset.
    rigid : bool, optional
        One level for all members of a group, whether they overlap or not
        (the detectors of one exposure). By default members get levels of
        their own and a group falls into the parts that overlaps connect.

    Returns
    -------
    Match
        Levels and the offsets and groups behind them.
    """
    groups, in_group, member_offsets = [], np.zeros(len(tiles)), []
    for label, members in _by_label(tiles, labels):
        if rigid:
            groups.append(_make_group(label, members, tiles, in_group))
            continue
        parts, levels, offsets = _solve_group(
            [tiles[k] for k in members], statistic, min_cells, weighted
        )
        in_group[members] = levels
        member_offsets += [_renumber(offset, members) for offset in offsets]
        for number in range(parts.max() + 1):
            name = label if parts.max() == 0 else f"{label}_{number + 1}"
            part = [k for k, p in zip(members, parts, strict=True) if p == number]
            groups.append(_make_group(name, part, tiles, in_group))
    group_offsets = measure_offsets([g.tile for g in groups], statistic, min_cells=min_cells)
    between = solve_levels(len(groups), group_offsets, weighted=weighted)
    levels, components = _combine(len(tiles), groups, in_group, between, rigid)
    return Match(levels, components, tuple(groups), tuple(member_offsets), group_offsets)


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


def _by_label(tiles: Sequence[Tile | None], labels: Sequence[str]):
    members: dict[str, list[int]] = {}
    for position, (tile, label) in enumerate(zip(tiles, labels, strict=True)):
        if tile is not None:
            members.setdefault(label, []).append(position)
    return members.items()


def _solve_group(tiles, statistic, min_cells, weighted):
    offsets = measure_offsets(tiles, statistic, min_cells=min_cells)
    solution = solve_levels(len(tiles), offsets, weighted=weighted)
    # A member that overlaps no other is a part of its own, at level zero here.
    return connected_parts(len(tiles), offsets), np.nan_to_num(solution.levels), offsets


def _make_group(label, members, tiles, in_group):
    tile = stack_tiles([tiles[k] for k in members], [in_group[k] for k in members])
    return Group(label, tuple(members), tile)


def _renumber(offset, members):
    return PairOffset(
        members[offset.first],
        members[offset.second],
        offset.value,
        offset.variance,
        offset.n_cells,
    )


def _combine(n, groups, in_group, between, rigid):
    """Add up group and in-group levels, each component with zero mean."""
    levels, components = np.full(n, np.nan), np.full(n, -1)
    count = between.n_components
    component_of_group = between.components.copy()
    for k, group in enumerate(groups):
        members = list(group.members)
        if component_of_group[k] < 0:
            if rigid or len(members) == 1:
                continue  # nothing to compare it with
            component_of_group[k], count = count, count + 1
        levels[members] = np.nan_to_num(between.levels[k]) + in_group[members]
        components[members] = component_of_group[k]
    # Zero mean over what has a level of its own: a rigid group counts once.
    own = [g.members[0] for g in groups] if rigid else range(n)
    own = np.array([k for k in own if components[k] >= 0], dtype=int)
    for component in range(count):
        mean = levels[own[components[own] == component]].mean()
        levels[components == component] -= mean
    return levels, _in_order(components)


def _in_order(components):
    """Number components in the order of their first member."""
    known = components >= 0
    values, start = np.unique(components[known], return_index=True)
    rank = dict(zip(values[np.argsort(start)].tolist(), range(len(values)), strict=True))
    ordered = components.copy()
    ordered[known] = [rank[c] for c in components[known].tolist()]
    return ordered
