"""The algorithm from the first pixel to the last level; read from top to bottom.

    exposures -> tiles -> offsets -> levels inside each stack -> mean of the stack
              -> offsets of stacks -> levels of stacks -> levels of exposures

The free constant of all levels is the caller's (`levels.gauge`). Nothing here knows of
jwst, so that processes that run `match_stack` start quickly.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, cast

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.compute.executors import BoundedSubmitter, Workers, run_jobs
from jwst_mosaic_skymatch.exposures.sky import SkyStatistic
from jwst_mosaic_skymatch.levels.combine import combine_levels
from jwst_mosaic_skymatch.levels.errors import level_errors, offset_shares
from jwst_mosaic_skymatch.levels.joint import JointSolution, pair_results, solve_jointly
from jwst_mosaic_skymatch.levels.operator import level_operator
from jwst_mosaic_skymatch.levels.results import (
    ALL_EXCLUDED,
    FEW_CELLS,
    NO_OVERLAP,
    NO_PIXEL,
    SCATTERED,
    BackgroundScatter,
    Match,
    MatchedStack,
    Stack,
    closure_factor,
)
from jwst_mosaic_skymatch.levels.slopes import family_slopes
from jwst_mosaic_skymatch.levels.solution import incidence_matrix
from jwst_mosaic_skymatch.levels.trends import find_structure, include_structure
from jwst_mosaic_skymatch.offsets.measure import PairOffset, measure_offset
from jwst_mosaic_skymatch.offsets.outliers import OutlierVotes
from jwst_mosaic_skymatch.offsets.quality import doubt, find_spoiled
from jwst_mosaic_skymatch.offsets.selection import choose_pairs, find_stacks
from jwst_mosaic_skymatch.offsets.statistic import Statistic
from jwst_mosaic_skymatch.tiles.blocks import (
    COVERAGE_BLOCK,
    TileSummary,
    footprint_blocks,
    summarize,
)
from jwst_mosaic_skymatch.tiles.mean import robust_mean
from jwst_mosaic_skymatch.tiles.observation import Observation, TiledExposure, make_tile
from jwst_mosaic_skymatch.tiles.tile import (
    StoredTile,
    Tile,
    crop_to_overlap,
    shift_tile,
    store_tile,
)

__all__ = ["MatchSettings", "match_exposures", "match_stack"]

# A shift below this many sigma, or this many cells, is left alone: moving an image adds noise.
SIGNIFICANCE = 4.0
LEAST_SHIFT = 0.02

# An exposure, or the tile that is being made of it.
_Started = Observation | Future[TiledExposure]


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
    sky_statistic: SkyStatistic | None = None
    keep_pictures: bool = False


def match_exposures(
    labels: Sequence[str],
    footprints: Sequence[np.ndarray],
    observe: Callable[[int], Observation],
    settings: MatchSettings,
    workers: Workers,
    *,
    directory: str | Path,
    families: Sequence[str] | None = None,
    whole_stacks: bool = False,
) -> Match:
    """Find the level of each exposure.

    Parameters
    ----------
    labels : sequence of str
        Group of each exposure.
    footprints : sequence of ndarray, shape (n_corners, 2)
        Corners (x, y) of each exposure on the grid, cells.
    observe : callable
        Takes the position of an exposure and returns its `Observation`; called once for
        each, stack by stack.
    settings : MatchSettings
        How to match them.
    workers : Workers
        Where to.
    directory : str or Path
        Where means of stacks wait in files until these are compared.
    families : sequence of str, optional
        Name that exposures have in common whose backgrounds may have one gradient; by default
        their groups.
    whole_stacks : bool, optional
        Whether a whole stack is one task, so that no tile travels; else there is one for each
        exposure before it, and workers are busy sooner.

    Returns
    -------
    Match
        Levels, their errors, and the pairs and stacks behind them.
    """

    def stack_jobs() -> Iterator[tuple[Any, ...]]:
        waiting: deque[tuple[str, tuple[int, ...], list[_Started]]] = deque()
        for label, members in _plan_stacks(labels, footprints, settings.rigid):
            waiting.append((label, members, [start(observe(k)) for k in members]))
            # While the tiles of a stack are made elsewhere, those of the next are submitted.
            if len(waiting) > workers.remote:
                yield match_stack, *_finished(*waiting.popleft()), settings
        while waiting:
            yield match_stack, *_finished(*waiting.popleft()), settings

    def start(observation: Observation) -> _Started:
        return observation if whole_stacks else tiles.submit(_make_tile, observation, settings)

    tiles = BoundedSubmitter(workers.executor, workers.n_ahead)
    paths = (Path(directory) / f"{number}.npy" for number in count())
    matched = [
        replace(found, stacks=tuple(_set_mean_aside(s, next(paths)) for s in found.stacks))
        for found in run_jobs(workers.executor, stack_jobs(), workers.n_ahead)
    ]
    stacks = _number_stacks([stack for found in matched for stack in found.stacks])
    offsets, failed = _compare_stacks(stacks, settings, workers)
    return _solve_stacks(families or labels, matched, stacks, offsets, failed, settings)


def _finished(
    label: str, members: tuple[int, ...], exposures: Sequence[_Started]
) -> tuple[Any, ...]:
    return label, members, [e.result() if isinstance(e, Future) else e for e in exposures]


def _plan_stacks(
    labels: Sequence[str], footprints: Sequence[np.ndarray], rigid: bool
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Divide groups into stacks by where their members lie."""
    blocks = footprint_blocks(footprints)
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for position, label in enumerate(labels):
        groups[label].append(position)
    for label, members in groups.items():
        stack = find_stacks([blocks[k] for k in members]) * (not rigid)
        for number in range(stack.max() + 1):
            yield label, tuple(np.array(members)[stack == number].tolist())


def _make_tile(observation: Observation, settings: MatchSettings) -> TiledExposure:
    return make_tile(
        observation,
        good_bits=settings.good_bits,
        lower=settings.lower,
        upper=settings.upper,
        min_coverage=settings.min_coverage,
        sky_statistic=settings.sky_statistic,
    )


# --- inside a stack ----------------------------------------------------------


def match_stack(
    label: str,
    members: tuple[int, ...],
    exposures: Sequence[Observation | TiledExposure],
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
    settings : MatchSettings
        How to match them.

    Returns
    -------
    MatchedStack
        Levels inside the stack, and its mean.
    """
    tiled = [e if isinstance(e, TiledExposure) else _make_tile(e, settings) for e in exposures]
    skies = tuple(exposure.sky for exposure in tiled)
    obstacles = {
        k: _obstacle(exposure)
        for k, exposure in zip(members, tiled, strict=True)
        if not exposure.tile
    }
    positions = [k for k, exposure in zip(members, tiled, strict=True) if exposure.tile]
    tiles = [exposure.tile for exposure in tiled if exposure.tile]
    if not tiles:
        return MatchedStack(
            stacks=(), pairs=(), members=members, skies=skies, obstacles=obstacles, remarks={}
        )
    summaries = [summarize(tile) for tile in tiles]
    del tiled, exposures  # tiles are replaced by clean ones
    offsets, failed, votes = _compare_members(tiles, summaries, settings)
    obstacles |= {positions[k]: FEW_CELLS for k in failed}
    spoiled = find_spoiled(len(tiles), offsets, [vote.share for vote in votes])
    offsets = _with_structure(doubt(offsets, spoiled), summaries)
    joint = solve_jointly(summaries, offsets, weighted=settings.weighted, rigid=settings.rigid)
    _clean(tiles, votes, joint)
    return MatchedStack(
        stacks=tuple(
            _average(label, part, tiles, positions, summaries, joint, spoiled)
            for part in joint.members
        ),
        pairs=pair_results(offsets, joint, positions),
        members=members,
        skies=skies,
        obstacles=obstacles,
        remarks={positions[k]: remark for k, remark in spoiled.items()},
    )


def _obstacle(exposure: TiledExposure) -> str:
    """Say why an exposure has no tile."""
    if exposure.all_excluded:
        return ALL_EXCLUDED
    return SCATTERED if exposure.has_good_pixel else NO_PIXEL


def _compare_members(
    tiles: Sequence[Tile], summaries: Sequence[TileSummary], settings: MatchSettings
) -> tuple[list[PairOffset], set[int], list[OutlierVotes]]:
    """Measure the pairs of a stack, and collect what they say of cells.

    The second result are the members of pairs with too few common cells.
    """
    offsets: list[PairOffset] = []
    failed: set[int] = set()
    votes = [OutlierVotes(tile) for tile in tiles]
    if settings.rigid:
        return offsets, failed, votes
    for i, j in choose_pairs([summary.coverage for summary in summaries]):
        offset = _measure_pair(tiles[i], tiles[j], settings, _quoted(summaries), True)
        if offset is None:
            failed |= {i, j}
            continue
        if offset.outliers:
            votes[i].add(offset.outliers, offset.outliers.first)
            votes[j].add(offset.outliers, offset.outliers.second)
        offsets.append(replace(offset, first=i, second=j, outliers=None))
    return offsets, failed, votes


def _with_structure(
    offsets: list[PairOffset], summaries: Sequence[TileSummary]
) -> list[PairOffset]:
    """Let offsets count less, the more the members' backgrounds may have changed them."""
    if not offsets:
        return offsets
    found = find_structure(
        offsets,
        incidence_matrix(len(summaries), offsets),
        np.array([summary.coverage.centre(COVERAGE_BLOCK) for summary in summaries]),
        ["one visit"] * len(summaries),
        _outside(offsets, summaries),
    )
    return include_structure(offsets, found.structure_variances, found.trend_variances)


def _outside(offsets: Sequence[PairOffset], summaries: Sequence[TileSummary]) -> np.ndarray:
    """Find the share of the two tiles of each pair that lies outside of their overlap."""
    n_cells = np.array([[summaries[k].n_cells for k in (o.first, o.second)] for o in offsets])
    overlap = np.array([offset.n_cells for offset in offsets])
    return np.clip(1.0 - 2.0 * overlap / n_cells.reshape(-1, 2).sum(axis=1), 0.0, 1.0)


def _measure_pair(
    first: Tile, second: Tile, settings: MatchSettings, quoted: bool, keep_outliers: bool
) -> PairOffset | None:
    return measure_offset(
        first,
        second,
        settings.statistic,
        min_cells=settings.min_cells,
        fit_shift=settings.fit_shift,
        quoted=quoted,
        keep_outliers=keep_outliers,
        keep_picture=settings.keep_pictures,
    )


def _quoted(summaries: Sequence[TileSummary]) -> bool:
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


def _average(
    label: str,
    part: np.ndarray,
    tiles: Sequence[Tile],
    positions: Sequence[int],
    summaries: Sequence[TileSummary],
    joint: JointSolution,
    spoiled: Collection[int],
) -> Stack:
    """Make the stack of some connected tiles; spoiled ones are kept out of the mean."""
    # A member that overlaps no other is a part of its own, at level zero.
    levels = np.nan_to_num(joint.solution.levels[part])
    good = np.array([k not in spoiled for k in part])
    good |= not good.any()
    mean = robust_mean([tiles[k] for k in part[good]], levels[good])
    coverage = [summaries[k].coverage for k in part]
    return Stack(
        label=label,
        members=tuple(positions[k] for k in part),
        levels=levels,
        covariance=joint.covariance_of(part),
        shifts=joint.solution.shifts[part],
        shift_variances=joint.shift_variances[part],
        coverage=tuple(
            own if used else replace(own, weight=np.zeros_like(own.weight))
            for own, used in zip(coverage, good, strict=True)
        ),
        centres=np.array([own.centre(COVERAGE_BLOCK) for own in coverage]),
        summary=summarize(mean),
        mean=mean,
    )


# --- between stacks ----------------------------------------------------------


def _set_mean_aside(stack: Stack, path: Path) -> Stack:
    return replace(stack, mean=store_tile(cast(Tile, stack.mean), path))


def _number_stacks(stacks: Sequence[Stack]) -> tuple[Stack, ...]:
    """Tell stacks of one group apart by their labels."""
    total = Counter(stack.label for stack in stacks)
    seen: Counter[str] = Counter()
    numbered = []
    for stack in stacks:
        seen[stack.label] += 1
        label = f"{stack.label}_{seen[stack.label]}" if total[stack.label] > 1 else stack.label
        numbered.append(replace(stack, label=label))
    return tuple(numbered)


def _compare_stacks(
    stacks: Sequence[Stack], settings: MatchSettings, workers: Workers
) -> tuple[tuple[PairOffset, ...], set[int]]:
    """Measure the pairs of all stacks.

    The second result are the stacks in pairs with too few common cells.
    """
    pairs = choose_pairs([stack.summary.coverage for stack in stacks])
    quoted = _quoted([stack.summary for stack in stacks])
    means = [cast(StoredTile, stack.mean) for stack in stacks]
    jobs = (
        (_measure_pair, *crop_to_overlap(means[i], means[j]), settings, quoted, False)
        for i, j in pairs
    )
    offsets: list[PairOffset] = []
    failed: set[int] = set()
    measured = run_jobs(workers.executor, jobs, workers.n_ahead)
    for (i, j), offset in zip(pairs, measured, strict=True):
        if offset is None:
            failed |= {i, j}
        else:
            offsets.append(replace(offset, first=i, second=j))
    return tuple(offsets), failed


def _solve_stacks(
    families: Sequence[str],
    matched: Sequence[MatchedStack],
    stacks: tuple[Stack, ...],
    offsets: Sequence[PairOffset],
    failed: set[int],
    settings: MatchSettings,
) -> Match:
    """Solve for the levels of stacks, and add them up with those inside."""
    n = len(families)
    inside = tuple(pair for part in matched for pair in part.pairs)
    shares = sparse.vstack(
        [
            incidence_matrix(n, [pair.offset for pair in inside]),
            offset_shares(n, stacks, offsets),
        ]
    )
    found = find_structure(
        [*(pair.offset for pair in inside), *offsets],
        shares,
        _centres(n, stacks),
        families,
        np.concatenate([np.zeros(len(inside)), _outside(offsets, [s.summary for s in stacks])]),
    )
    between = slice(len(inside), None)
    offsets = include_structure(
        offsets, found.structure_variances[between], found.trend_variances[between]
    )
    joint = solve_jointly([s.summary for s in stacks], offsets, weighted=settings.weighted)
    remarks = {k: remark for part in matched for k, remark in part.remarks.items()}
    combined = combine_levels(n, stacks, joint, rigid=settings.rigid, spoiled=remarks)
    noise = level_errors(stacks, offsets, joint, combined)
    operator = level_operator(inside, stacks, offsets, joint, combined)
    structure = np.array([o.structure_variance for o in (*(p.offset for p in inside), *offsets)])
    between_pairs = pair_results(offsets, joint, range(len(stacks)))
    factor = closure_factor((*inside, *between_pairs))
    errors = factor * np.sqrt(noise**2 + operator.variances(found.changes(structure)))
    skies = np.full(n, np.nan)
    obstacles: dict[int, str] = {}
    for stack in matched:
        skies[list(stack.members)] = stack.skies
        obstacles |= stack.obstacles
    obstacles |= {k: FEW_CELLS for number in failed for k in stacks[number].members}
    return Match(
        levels=combined.levels,
        level_errors=errors,
        level_noise=noise,
        components=combined.components,
        shifts=combined.shifts,
        shift_variances=combined.shift_variances,
        stacks=stacks,
        exposure_pairs=inside,
        stack_pairs=between_pairs,
        skies=skies,
        reasons=tuple(
            "" if np.isfinite(level) else obstacles.get(k, NO_OVERLAP)
            for k, level in enumerate(combined.levels)
        ),
        remarks=remarks,
        backgrounds=BackgroundScatter(
            visit_slope=float(np.sqrt(found.of_families.slope)),
            exposure_slope=float(np.sqrt(found.of_exposures.slope)),
            gain=float(np.sqrt(found.of_exposures.gain)),
        ),
        closure_factor=factor,
        slopes=family_slopes((*inside, *between_pairs), shares, families),
    )


def _centres(n: int, stacks: Sequence[Stack]) -> np.ndarray:
    """Collect the centres of the exposures, (n, 2); zero for those without a good pixel."""
    centres = np.zeros((n, 2))
    for stack in stacks:
        centres[list(stack.members)] = stack.centres
    return centres
