"""Exposures that lie upon each other: compared with each other, and averaged.

    exposures -> tiles -> offsets -> gradients and levels -> mean of the tiles

Nothing here knows of jwst, so that processes that run `match_stack` start quickly.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Self

import numpy as np

from jwst_mosaic_skymatch.exposures.sky import SkyStatistic
from jwst_mosaic_skymatch.levels.joint import JointSolution, pair_results, solve_jointly
from jwst_mosaic_skymatch.levels.operator import OffsetSolver
from jwst_mosaic_skymatch.levels.planes import GradientEquations, fit_gradients
from jwst_mosaic_skymatch.levels.results import (
    ALL_EXCLUDED,
    FEW_CELLS,
    NO_PIXEL,
    SCATTERED,
    MatchedStack,
    Stack,
)
from jwst_mosaic_skymatch.levels.solution import incidence_matrix, pair_ends
from jwst_mosaic_skymatch.levels.trends import family_matrix, find_structure, include_structure
from jwst_mosaic_skymatch.offsets.lyot import (
    LyotContrast,
    LyotOffset,
    common_offset,
    measure_contrast,
)
from jwst_mosaic_skymatch.offsets.measure import PairOffset, measure_offset
from jwst_mosaic_skymatch.offsets.outliers import OutlierVotes
from jwst_mosaic_skymatch.offsets.quality import doubt, find_spoiled
from jwst_mosaic_skymatch.offsets.selection import choose_pairs
from jwst_mosaic_skymatch.offsets.statistic import Statistic
from jwst_mosaic_skymatch.tiles.blocks import TileSummary, summarize
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame, mean_places
from jwst_mosaic_skymatch.tiles.lyot import without_lyot
from jwst_mosaic_skymatch.tiles.mean import robust_mean
from jwst_mosaic_skymatch.tiles.observation import Observation, TiledExposure, make_tile
from jwst_mosaic_skymatch.tiles.tile import Tile, shift_tile

__all__ = [
    "MatchSettings",
    "all_quoted",
    "make_exposure_tile",
    "match_stack",
    "measure_pair",
    "outside_shares",
]

# A shift below this many sigma, or this many cells, is left alone: moving an image adds noise.
SIGNIFICANCE = 4.0
LEAST_SHIFT = 0.02


@dataclass(frozen=True)
class MatchSettings:
    """How exposures are matched.

    Attributes
    ----------
    statistic : Statistic
        Location of the differences of two tiles.
    good_bits : int or None
        Data quality flags that do not make a pixel bad; None ignores all.
    lower, upper : float or None
        Limits of usable pixels, MJy/sr.
    min_coverage : float
        Least fraction of a cell to be covered by good pixels. Two exposures that cover
        different parts of a cell see different sky in it; at the default cell size one
        bad pixel may be missing.
    min_cells : int
        Least number of common cells of a pair: fewer say nothing robust.
    weighted : bool
        Weigh pairs by the inverse variance of their offset.
    rigid : bool
        One level for all members of a group, whether they overlap or not (the
        detectors of one exposure).
    fit_shift : bool
        Fit the shift of each pair along with its offset.
    plane_per : {'group', 'exposure'} or None
        Fit gradients of backgrounds along with their levels: of each group, or of each
        exposure. None not to.
    sky_statistic : SkyStatistic or None
        How to measure the level of each exposure's own pixels; None not to.
    keep_pictures : bool
        Keep a small picture of the differences of each pair.
    """

    statistic: Statistic
    good_bits: int | None = None
    lower: float | None = None
    upper: float | None = None
    min_coverage: float = 0.75
    min_cells: int = 25
    weighted: bool = True
    rigid: bool = False
    fit_shift: bool = True
    plane_per: str | None = None
    sky_statistic: SkyStatistic | None = None
    keep_pictures: bool = False


def match_stack(
    label: str,
    members: tuple[int, ...],
    exposures: Sequence[Observation | TiledExposure],
    families: Sequence[str],
    settings: MatchSettings,
) -> MatchedStack:
    """Match exposures that lie upon each other, and average them.

    Parameters
    ----------
    label : str
        Name of their group.
    members : tuple of int
        Position of each among all exposures.
    exposures : sequence of Observation or TiledExposure
        The exposures.
    families : sequence of str
        Name that those have in common whose backgrounds have one gradient.
    settings : MatchSettings
        How to match them.

    Returns
    -------
    MatchedStack
        Levels inside the stack, and its mean.
    """
    tiled = [
        e if isinstance(e, TiledExposure) else make_exposure_tile(e, settings) for e in exposures
    ]
    skies = tuple(exposure.sky for exposure in tiled)
    obstacles = {
        k: _obstacle(exposure)
        for k, exposure in zip(members, tiled, strict=True)
        if not exposure.tile
    }
    there = [bool(exposure.tile) for exposure in tiled]
    positions = list(compress(members, there))
    tiles = [exposure.tile for exposure in tiled if exposure.tile]
    frames = [tile.frames[0] if tile.frames else None for tile in tiles]
    if not tiles:
        return MatchedStack(
            stacks=(), pairs=(), members=members, skies=skies, obstacles=obstacles, remarks={}
        )
    summaries = [summarize(tile) for tile in tiles]
    del tiled, exposures  # tiles are replaced by clean ones
    offsets, failed, votes, contrasts = _compare_members(tiles, summaries, settings)
    obstacles |= {positions[k]: FEW_CELLS for k in failed}
    spoiled = find_spoiled(len(tiles), offsets, [vote.share for vote in votes])
    offsets = doubt(offsets, spoiled)
    planes = _MemberPlanes.none(len(tiles))
    if settings.plane_per:
        # Of a group only detectors may differ.
        names = families if settings.plane_per == "group" else map(str, members)
        offsets, planes = _fit_planes(
            offsets, frames, list(compress(names, there)), summaries, settings.weighted
        )
    offsets = _with_structure(offsets, frames, summaries)
    joint = solve_jointly(summaries, offsets, weighted=settings.weighted, rigid=settings.rigid)
    _clean(tiles, votes, joint)
    for k in np.flatnonzero(planes.gradients.any(axis=1)).tolist():
        tiles[k] = _without_plane(tiles[k], planes.gradients[k])
    members_of = _Members(label, positions, tiles, summaries, frames, planes, joint, spoiled)
    return MatchedStack(
        stacks=tuple(members_of.average(part) for part in joint.members),
        pairs=pair_results(offsets, joint, positions),
        members=members,
        skies=skies,
        obstacles=obstacles,
        remarks={positions[k]: remark for k, remark in spoiled.items()},
        contrasts=contrasts,
    )


def _obstacle(exposure: TiledExposure) -> str:
    """Say why an exposure has no tile."""
    if exposure.all_excluded:
        return ALL_EXCLUDED
    return SCATTERED if exposure.has_good_pixel else NO_PIXEL


def _compare_members(
    tiles: Sequence[Tile], summaries: Sequence[TileSummary], settings: MatchSettings
) -> tuple[list[PairOffset], set[int], list[OutlierVotes], tuple[LyotContrast, ...]]:
    """Measure the pairs of a stack, and collect what they say of cells and of Lyot fields.

    The second result are the members of pairs with too few common cells.
    """
    offsets: list[PairOffset] = []
    failed: set[int] = set()
    votes = [OutlierVotes(tile) for tile in tiles]
    if settings.rigid:
        return offsets, failed, votes, ()
    pairs = choose_pairs([summary.coverage for summary in summaries])
    contrasts = [measure_contrast(tiles[i], tiles[j]) for i, j in pairs]
    lyot, quoted = common_offset(contrasts), all_quoted(summaries)
    for (i, j), contrast in zip(pairs, contrasts, strict=True):
        offset = measure_pair(tiles[i], tiles[j], settings, quoted, True, contrast, lyot)
        if offset is None:
            failed |= {i, j}
            continue
        if offset.outliers:
            votes[i].add(offset.outliers, offset.outliers.first)
            votes[j].add(offset.outliers, offset.outliers.second)
        offsets.append(replace(offset, first=i, second=j, outliers=None))
    return offsets, failed, votes, tuple(filter(None, contrasts))


def _with_structure(
    offsets: list[PairOffset],
    frames: Sequence[DetectorFrame | None],
    summaries: Sequence[TileSummary],
) -> list[PairOffset]:
    """Let offsets count less, the more the members' backgrounds may have changed them."""
    if not offsets:
        return offsets
    found = find_structure(
        offsets,
        incidence_matrix(len(summaries), offsets),
        frames,
        ["one visit"] * len(summaries),
        outside_shares(offsets, summaries),
    )
    return include_structure(offsets, found.structure_variances, found.trend_variances)


@dataclass(frozen=True)
class _MemberPlanes:
    """What the background of each member has of its own."""

    gradients: np.ndarray  # (n, 2), MJy/sr per cell
    errors: np.ndarray  # (n, 2)
    level_covariance: np.ndarray  # of the levels, by errors of the gradients, (n, n)

    @classmethod
    def none(cls, n: int) -> Self:
        return cls(np.zeros((n, 2)), np.zeros((n, 2)), np.zeros((n, n)))


def _fit_planes(
    offsets: list[PairOffset],
    frames: Sequence[DetectorFrame | None],
    families: Sequence[str],
    summaries: Sequence[TileSummary],
    weighted: bool,
) -> tuple[list[PairOffset], _MemberPlanes]:
    """Fit the gradients by which families differ, and take them out of the offsets."""
    n = len(frames)
    if not offsets or len(set(families)) == 1:
        return offsets, _MemberPlanes.none(n)
    shares = incidence_matrix(n, offsets)
    found = find_structure(offsets, shares, frames, families, outside_shares(offsets, summaries))
    if not found.of_families.slope:
        return offsets, _MemberPlanes.none(n)
    membership = family_matrix(families)
    first, second = membership.indices[pair_ends(offsets)]
    equations = GradientEquations.of(offsets, first, second, membership.shape[1])
    gradients = fit_gradients(n, [], offsets, found, equations, weighted=weighted)
    solver = OffsetSolver.of(n, offsets, 1.0 / np.array([o.variance for o in offsets]))
    to_levels = equations.levels(solver)
    # What all have in common levels follow; it is found between stacks.
    return equations.corrected(offsets, gradients.own), _MemberPlanes(
        gradients=membership @ gradients.own,
        errors=membership @ gradients.errors,
        level_covariance=to_levels @ gradients.covariance @ to_levels.T,
    )


def _without_plane(tile: Tile, gradient: np.ndarray) -> Tile:
    """Subtract a plane from a tile."""
    ny, nx = tile.shape
    x, y = np.meshgrid(np.arange(nx) + tile.x0, np.arange(ny) + tile.y0)
    plane = np.tensordot(gradient, mean_places(tile.frames, x, y), axes=1)
    return replace(tile, data=tile.data - plane.astype(np.float32))


def outside_shares(
    offsets: Sequence[PairOffset], summaries: Sequence[TileSummary]
) -> np.ndarray:  # numpydoc ignore=PR01,RT01
    """Find the share of the two tiles of each pair that lies outside of their overlap."""
    n_cells = np.array([[summaries[k].n_cells for k in (o.first, o.second)] for o in offsets])
    overlap = np.array([offset.n_cells for offset in offsets])
    return np.clip(1.0 - 2.0 * overlap / n_cells.reshape(-1, 2).sum(axis=1), 0.0, 1.0)


def measure_pair(
    first: Tile,
    second: Tile,
    settings: MatchSettings,
    quoted: bool,
    keep_outliers: bool,
    contrast: LyotContrast | None,
    lyot: LyotOffset,
    all_cells: bool = False,
) -> PairOffset | None:
    """Measure the offset of two tiles, see `measure_offset`.

    Parameters
    ----------
    first, second : Tile
        The tiles.
    settings : MatchSettings
        How to match them.
    quoted, keep_outliers : bool
        See `measure_offset`.
    contrast : LyotContrast or None
        What their overlap shows of Lyot fields, if there are any.
    lyot : LyotOffset
        How much these lie above the imager.
    all_cells : bool, optional
        Use what Lyot fields show, less ``lyot``, although imagers alone overlap as well.

    Returns
    -------
    PairOffset or None
        The offset, of imagers if Lyot fields lie above them.

    Notes
    -----
    Where imagers alone overlap, too, Lyot fields are left out at first (see `compare_stacks`). The
    joint covariance of levels counts all common cells: what is lost with these is a variance of
    this pair.
    """
    is_raised = contrast is not None and lyot.value != 0.0
    tells = contrast is not None and np.isfinite(contrast.value) and not all_cells
    if is_raised:
        first = without_lyot(first, second, None if tells else lyot.value)
    offset = measure_offset(
        first,
        second,
        settings.statistic,
        min_cells=settings.min_cells,
        fit_shift=settings.fit_shift,
        fit_plane=settings.plane_per is not None,
        quoted=quoted,
        keep_outliers=keep_outliers,
        keep_picture=settings.keep_pictures,
    )
    if offset is None or contrast is None or not is_raised:
        return offset
    if all_cells:
        return offset
    if not tells:
        return offset.with_variance(structure=(contrast.share * lyot.error) ** 2)
    kept = min(offset.n_cells / contrast.n_cells, 1.0)
    return replace(
        offset,
        quoted_variance=kept * offset.quoted_variance,
        structure_variance=(1.0 - kept) * offset.variance,
    )


def all_quoted(summaries: Sequence[TileSummary]) -> bool:  # numpydoc ignore=PR01,RT01
    """Tell whether all exposures quote errors."""
    return all(summary.quoted for summary in summaries)


def _clean(tiles: list[Tile], votes: Sequence[OutlierVotes], joint: JointSolution) -> None:
    """Take outliers out of tiles, and move those back that lie beside the others.

    In place, so that no more than one tile is held twice.
    """
    for k in range(len(tiles)):
        tiles[k] = _aligned(
            votes[k].reject(tiles[k]), joint.solution.shifts[k], joint.shift_variances[k]
        )


def _aligned(tile: Tile, shift: np.ndarray, variance: np.ndarray) -> Tile:
    """Move a member that lies significantly beside the others of its stack.

    Left where they are, members would give different parts of the stack's mean
    different shifts, of which a pair of stacks can fit only one.
    """
    if np.sum(shift**2) > max(SIGNIFICANCE**2 * np.sum(variance), LEAST_SHIFT**2):
        return shift_tile(tile, *shift)
    return tile


@dataclass(frozen=True)
class _Members:
    """Members of a stack that have a tile, clean and matched with each other."""

    label: str
    positions: Sequence[int]
    tiles: Sequence[Tile]
    summaries: Sequence[TileSummary]
    frames: Sequence[DetectorFrame | None]
    planes: _MemberPlanes
    joint: JointSolution
    spoiled: Collection[int]

    def average(self, part: np.ndarray) -> Stack:
        """Make the stack of some connected members; spoiled ones are kept out of the mean."""
        joint, planes = self.joint, self.planes
        # A member that overlaps no other is a part of its own, at level zero.
        levels = np.nan_to_num(joint.solution.levels[part])
        good = np.array([k not in self.spoiled for k in part])
        good |= not good.any()
        mean = robust_mean([self.tiles[k] for k in part[good]], levels[good])
        coverage = [self.summaries[k].coverage for k in part]
        return Stack(
            label=self.label,
            members=tuple(self.positions[k] for k in part),
            levels=levels,
            covariance=joint.covariance_of(part) + planes.level_covariance[np.ix_(part, part)],
            shifts=joint.solution.shifts[part],
            shift_variances=joint.shift_variances[part],
            coverage=tuple(
                own if used else replace(own, weight=np.zeros_like(own.weight))
                for own, used in zip(coverage, good, strict=True)
            ),
            frames=tuple(self.frames[k] for k in part),
            gradients=planes.gradients[part],
            gradient_errors=planes.errors[part],
            summary=summarize(mean),
            mean=mean,
        )


def make_exposure_tile(
    observation: Observation, settings: MatchSettings
) -> TiledExposure:  # numpydoc ignore=PR01,RT01
    """Drizzle an exposure, see `make_tile`."""
    return make_tile(
        observation,
        good_bits=settings.good_bits,
        lower=settings.lower,
        upper=settings.upper,
        min_coverage=settings.min_coverage,
        sky_statistic=settings.sky_statistic,
    )
