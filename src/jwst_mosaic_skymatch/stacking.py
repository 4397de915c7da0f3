"""Exposures that lie upon each other: compared with each other, and averaged.

Nothing here imports jwst, so that worker processes start quickly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.exposures.sky import SkyStatistic
from jwst_mosaic_skymatch.levels.equations import Unknowns, build_equations
from jwst_mosaic_skymatch.levels.information import information_ratios, noise_factors
from jwst_mosaic_skymatch.levels.quality import LARGEST_FACTOR
from jwst_mosaic_skymatch.levels.results import (
    ALL_EXCLUDED,
    NO_PIXEL,
    SCATTERED,
    Flattening,
    Stack,
)
from jwst_mosaic_skymatch.levels.shifts import at_common_shifts, solve_shifts
from jwst_mosaic_skymatch.levels.solve import solve
from jwst_mosaic_skymatch.levels.structure import structure_variances
from jwst_mosaic_skymatch.levels.variances import estimate_variances
from jwst_mosaic_skymatch.offsets.graph import connected_parts
from jwst_mosaic_skymatch.offsets.measure import PairMeasurement, PairSettings, measure_pair
from jwst_mosaic_skymatch.tiles.blocks import TileSummary, summarize
from jwst_mosaic_skymatch.tiles.mean import robust_mean
from jwst_mosaic_skymatch.tiles.observation import Observation, TiledExposure, make_tile
from jwst_mosaic_skymatch.tiles.tile import Tile, shift_tile
from jwst_mosaic_skymatch.tiles.windows import overlapping_pairs

__all__ = ["MatchedStack", "TileSettings", "match_stack", "outside_shares", "pair_shares"]

# A shift below this many sigma, or this many cells, is left alone: moving an image adds noise.
SIGNIFICANCE = 4.0
LEAST_SHIFT = 0.02


@dataclass(frozen=True)
class TileSettings:
    """How exposures become tiles.

    Attributes
    ----------
    good_bits : int or None
        Data quality flags that do not make a pixel bad; None ignores all.
    lower, upper : float or None
        Limits of usable pixels, MJy/sr.
    min_coverage : float
        Least fraction of a cell to be covered by good pixels. Two exposures that cover different
        parts of a cell see different sky in it; at the default cell size one bad pixel may be
        missing.
    sky_statistic : SkyStatistic or None
        How to measure the level of each exposure's own pixels; None not to.
    """

    good_bits: int | None = None
    lower: float | None = None
    upper: float | None = None
    min_coverage: float = 0.75
    sky_statistic: SkyStatistic | None = None


@dataclass(frozen=True)
class MatchedStack:
    """Exposures that may form a stack, after they have been compared with each other.

    Attributes
    ----------
    stacks : tuple of Stack
        The stack, or the parts that too few common cells leave unconnected.
    pairs : tuple of PairMeasurement
        Pairs of its members, by position of the exposures.
    ratios : ndarray, shape (n_pairs,)
        Part of the information of each pair that no other pair shares.
    outside : ndarray, shape (n_pairs,)
        Share of the two tiles outside of their overlap.
    skies : mapping of int to float
        Level of each exposure's own pixels, MJy/sr; NaN if there are none or it was not asked for.
    obstacles : mapping of int to str
        Why exposures have no tile.
    factors : mapping of int to float
        Factor between actual and quoted noise variance of exposures.
    """

    stacks: tuple[Stack, ...]
    pairs: tuple[PairMeasurement, ...]
    ratios: np.ndarray
    outside: np.ndarray
    skies: Mapping[int, float]
    obstacles: Mapping[int, str]
    factors: Mapping[int, float]


def match_stack(
    label: str,
    members: Sequence[int],
    exposures: Sequence[Observation | TiledExposure],
    settings: tuple[TileSettings, PairSettings],
    rigid: bool,
) -> MatchedStack:
    """Match exposures that lie upon each other, and average them.

    Parameters
    ----------
    label : str
        Name of their group.
    members : sequence of int
        Position of each among all exposures.
    exposures : sequence of Observation or TiledExposure
        The exposures.
    settings : tuple of TileSettings and PairSettings
        How exposures become tiles, and how two tiles are compared.
    rigid : bool
        Whether all have one level, and are not compared.

    Returns
    -------
    MatchedStack
        Pairs inside the stack, and its mean.
    """
    of_tiles, of_pairs = settings
    tiled = [
        e if isinstance(e, TiledExposure) else make_tile(e, **vars(of_tiles)) for e in exposures
    ]
    skies = {k: one.sky for k, one in zip(members, tiled, strict=True)}
    obstacles = {k: _obstacle(one) for k, one in zip(members, tiled, strict=True) if not one.tile}
    positions = [k for k in members if k not in obstacles]
    tiles = [one.tile for one in tiled if one.tile]
    summaries = [summarize(tile) for tile in tiles]
    pairs: list[PairMeasurement] = []
    if not rigid:
        for i, j in overlapping_pairs([summary.coverage for summary in summaries]):
            pair = measure_pair(tiles[i], tiles[j], of_pairs)
            if pair is not None:
                pairs.append(replace(pair, first=i, second=j))
    factors = noise_factors(pairs, summaries)
    ratios = information_ratios(pairs, [s.information for s in summaries], factors)
    outside = outside_shares(pairs, summaries)
    flattening = _flattening(pairs, ratios, outside, [tile.frames[0].centre for tile in tiles])
    tiles = [
        _flattened(tile, *values) for tile, *values in zip(tiles, *_parts(flattening), strict=True)
    ]
    close = [p for p in pairs if not _is_noisy(p, factors, summaries)]
    parts = [np.arange(len(tiles))] if rigid else _connected(len(tiles), close)
    stacks = tuple(
        _average(label, part, positions, tiles, summaries, factors, flattening)
        for part in parts
        if part.size
    )
    return MatchedStack(
        stacks=stacks,
        pairs=tuple(
            replace(p, first=positions[p.first], second=positions[p.second]) for p in pairs
        ),
        ratios=ratios,
        outside=outside,
        skies=skies,
        obstacles=obstacles,
        factors=dict(zip(positions, factors.tolist(), strict=True)),
    )


def pair_shares(n: int, pairs: Sequence[PairMeasurement]) -> sparse.csr_array:
    """Build the matrix of the shares of n tiles in pairs of two: +1 and -1.

    Parameters
    ----------
    n : int
        Number of tiles.
    pairs : sequence of PairMeasurement
        The pairs.

    Returns
    -------
    sparse array, shape (n_pairs, n)
        The shares.
    """
    ends = np.array([(pair.first, pair.second) for pair in pairs], dtype=int).reshape(-1, 2)
    rows = np.repeat(np.arange(len(pairs)), 2)
    values = np.tile([1.0, -1.0], len(pairs))
    return sparse.coo_array((values, (rows, ends.ravel())), shape=(len(pairs), n)).tocsr()


def outside_shares(
    pairs: Sequence[PairMeasurement], summaries: Sequence[TileSummary]
) -> np.ndarray:
    """Compute the share of the two tiles of each pair that lies outside of their overlap.

    Parameters
    ----------
    pairs : sequence of PairMeasurement
        The pairs.
    summaries : sequence of TileSummary
        The tiles.

    Returns
    -------
    ndarray, shape (n_pairs,)
        The shares, 0 to 1.
    """
    both = np.array([summaries[p.first].n_cells + summaries[p.second].n_cells for p in pairs])
    overlap = np.array([pair.quality.n_cells for pair in pairs])
    return np.clip(1.0 - 2.0 * overlap / np.maximum(both, 1), 0.0, 1.0)


def _obstacle(exposure: TiledExposure) -> str:
    if exposure.all_excluded:
        return ALL_EXCLUDED
    return SCATTERED if exposure.has_good_pixel else NO_PIXEL


def _flattening(
    pairs: Sequence[PairMeasurement],
    ratios: np.ndarray,
    outside: np.ndarray,
    centres: Sequence[np.ndarray],
) -> Flattening:
    """Solve for the members' levels, gradients and shifts, each zero in the mean."""
    n = len(centres)
    levels, gradients, shifts = np.zeros(n), np.zeros((n, 2)), np.zeros((n, 2))
    if not pairs:
        return Flattening(levels, gradients, shifts)
    shares = pair_shares(n, pairs)
    nothing = np.zeros((len(pairs), 2))
    common, errors = solve_shifts(pairs, shares, nothing)
    pairs = at_common_shifts(pairs, shares, nothing, common, errors)
    variances = structure_variances(pairs, np.full(len(pairs), 2.0), outside)
    variances[:, 0] += [pair.variance for pair in pairs] / ratios
    variances[:, 1] /= ratios
    numbers = np.arange(n)
    unknowns = Unknowns(numbers, numbers, numbers, np.array(centres), np.full(n, np.nan))
    equations = build_equations(pairs, shares, variances, unknowns)
    fit = solve(equations, estimate_variances(equations, ("exposure gradient",)))
    levels = fit.unknowns[:n]
    gradients = fit.unknowns[equations.columns["exposure gradient"]].reshape(2, n).T
    size = np.nan_to_num(np.hypot(*common.T))
    far = size > np.maximum(SIGNIFICANCE * np.sqrt(2.0 * errors), LEAST_SHIFT)
    shifts[far] = common[far]
    for part in _connected(n, pairs):
        levels[part] -= levels[part].mean()
    return Flattening(levels, gradients, shifts)


def _connected(n: int, pairs: Sequence[PairMeasurement]) -> list[np.ndarray]:
    """Give the positions of the tiles of each connected part."""
    ends = np.array([(pair.first, pair.second) for pair in pairs], dtype=int).reshape(-1, 2)
    parts = connected_parts(n, *ends.T)
    return [np.flatnonzero(parts == number) for number in range(parts.max(initial=-1) + 1)]


def _is_noisy(pair: PairMeasurement, factors: np.ndarray, summaries: Sequence[TileSummary]) -> bool:
    """Decide whether one of two members is so noisy that it is kept out of the mean.

    Alone in a stack it is compared with other visits, which also decides between two members.
    """
    ends = [pair.first, pair.second]
    usual = factors.min()
    if all(summary.quoted for summary in summaries):
        usual = min(usual, 1.0)
    return bool(factors[ends].max() > LARGEST_FACTOR * usual)


def _parts(flattening: Flattening) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return flattening.levels, flattening.gradients, flattening.shifts


def _flattened(tile: Tile, level: float, gradient: np.ndarray, shift: np.ndarray) -> Tile:
    """Correct a tile. Members that lie beside the others would give the mean several shifts."""
    if shift.any():
        tile = shift_tile(tile, *shift)
    data = tile.data - np.float32(level)
    if gradient.any():
        (ny, nx), centre = tile.shape, tile.frames[0].centre
        rows = gradient[1] * (np.arange(ny) + tile.y0 - centre[1])
        columns = gradient[0] * (np.arange(nx) + tile.x0 - centre[0])
        data -= np.add.outer(rows, columns).astype(np.float32)
    return replace(tile, data=data)


def _average(
    label: str,
    part: np.ndarray,
    positions: Sequence[int],
    tiles: Sequence[Tile],
    summaries: Sequence[TileSummary],
    factors: np.ndarray,
    flattening: Flattening,
) -> Stack:
    """Make the stack of some connected members; noisy ones count by their actual noise."""
    relative = factors[part] / factors[part].min()
    chosen = [
        replace(tiles[k], weight=tiles[k].weight / np.float32(factor))
        for k, factor in zip(part, relative, strict=True)
    ]
    mean = robust_mean(chosen, np.zeros(part.size))
    coverage = [summaries[k].coverage for k in part]
    return Stack(
        label=label,
        members=tuple(positions[k] for k in part),
        flattening=Flattening(*(values[part] for values in _parts(flattening))),
        coverage=tuple(
            replace(one, weight=one.weight / np.float32(factor))
            for one, factor in zip(coverage, relative, strict=True)
        ),
        frames=tuple(tiles[k].frames[0] for k in part),
        summary=summarize(mean),
        mean=mean,
    )
