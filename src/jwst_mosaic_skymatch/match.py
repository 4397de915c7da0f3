"""From tiles to the level of every exposure.

Levels inside each group come first, from the differences of its members;
then whole groups, averaged to one tile each, are compared with each other.
The level of an exposure is the sum of the two.
"""

from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.pairs import PairOffset, measure_offsets
from jwst_mosaic_skymatch.solution import connected_parts, solve_levels
from jwst_mosaic_skymatch.tile import Tile, stack_tiles

__all__ = [
    "Group",
    "Match",
    "MatchedMembers",
    "apply_gauge",
    "match_groups",
    "match_members",
]


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
    levels : tuple of float
        Level of each member inside the group, MJy/sr, with zero mean.
    tile : Tile
        Mean image of the members after their in-group levels are subtracted.
    """

    label: str
    members: tuple[int, ...]
    levels: tuple[float, ...]
    tile: Tile


@dataclass(frozen=True)
class MatchedMembers:
    """One group after its members have been compared with each other.

    Attributes
    ----------
    groups : tuple of Group
        The group, or the parts that it fell into.
    offsets : tuple of PairOffset
        Offsets between positions of exposures.
    """

    groups: tuple[Group, ...]
    offsets: tuple[PairOffset, ...]


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


def match_members(label, tiles, positions, statistic, *, min_cells, weighted=True, rigid=False):
    """Match the members of one group and average them.

    Parameters
    ----------
    label : str
        Name of the group.
    tiles : sequence of Tile or None
        The members' tiles; None for a member without a good pixel.
    positions : sequence of int
        Position of each member among all exposures.
    statistic : callable
        Location of the differences of two tiles, see
        `~jwst_mosaic_skymatch.pairs.measure_offset`.
    min_cells : int
        Least number of common cells for a pair to be used.
    weighted : bool, optional
        Weigh the equations by the inverse variance of their offset.
    rigid : bool, optional
        One level for all members, whether they overlap or not (the detectors
        of one exposure).

    Returns
    -------
    MatchedMembers
        The group, in several parts where overlaps do not connect it.
    """
    known = [k for k, tile in enumerate(tiles) if tile is not None]
    tiles, positions = [tiles[k] for k in known], [positions[k] for k in known]
    if not tiles:
        return MatchedMembers((), ())
    if rigid:
        parts, levels, offsets = np.zeros(len(tiles), dtype=int), np.zeros(len(tiles)), ()
    else:
        offsets = measure_offsets(tiles, statistic, min_cells=min_cells)
        parts = connected_parts(len(tiles), offsets)
        # A member that overlaps no other is a part of its own, at level zero.
        levels = np.nan_to_num(solve_levels(len(tiles), offsets, weighted=weighted).levels)
    groups = []
    for number in range(parts.max() + 1):
        part = np.flatnonzero(parts == number).tolist()
        groups.append(
            Group(
                label if parts.max() == 0 else f"{label}_{number + 1}",
                tuple(positions[k] for k in part),
                tuple(levels[part].tolist()),
                stack_tiles([tiles[k] for k in part], levels[part]),
            )
        )
    return MatchedMembers(tuple(groups), tuple(_renumber(offset, positions) for offset in offsets))


def match_groups(n, matched, statistic, *, min_cells, weighted=True, rigid=False):
    """Compare groups with each other and add up levels.

    Parameters
    ----------
    n : int
        Number of all exposures.
    matched : sequence of MatchedMembers
        What `match_members` found for each group.
    statistic, min_cells, weighted, rigid
        As for `match_members`.

    Returns
    -------
    Match
        Levels and the offsets and groups behind them.
    """
    groups = tuple(group for found in matched for group in found.groups)
    offsets = measure_offsets([g.tile for g in groups], statistic, min_cells=min_cells)
    between = solve_levels(len(groups), offsets, weighted=weighted)
    levels, components = _combine(n, groups, between, rigid)
    member_offsets = tuple(offset for found in matched for offset in found.offsets)
    return Match(levels, components, groups, member_offsets, offsets)


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


def _renumber(offset, members):
    return PairOffset(
        members[offset.first],
        members[offset.second],
        offset.value,
        offset.variance,
        offset.n_cells,
    )


def _combine(n, groups, between, rigid):
    """Add up group and in-group levels, each component with zero mean."""
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
