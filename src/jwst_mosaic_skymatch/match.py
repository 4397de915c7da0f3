r"""The algorithm, from the first pixel to the last level.

    exposures -> tiles -> pairs inside stacks, means of stacks -> pairs of stacks
              -> equations -> variance components -> levels

Pairs p of tiles give the measurements of a linear mixed model,

.. math:: y = X b + U u + e, \quad u \sim N(0, \Theta), \quad e \sim N(0, R)

with the levels b of all exposures and the random effects u of their backgrounds: gradients of
visits and of exposures, gains, pedestals of detectors, contrasts of detector regions. The
variances in :math:`\Theta` maximize the restricted likelihood; levels, their errors, and the
predictions of u come from one matrix,

.. math:: C = \begin{pmatrix} X^T R^{-1} X + T & X^T R^{-1} U \\ U^T R^{-1} X &
          U^T R^{-1} U + \Theta^{-1} \end{pmatrix}

The free constant of each component is the caller's (`levels.gauge`). Nothing here imports jwst, so
that worker processes start quickly.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from jwst_mosaic_skymatch.compute.executors import Workers, run_jobs
from jwst_mosaic_skymatch.levels.assembly import assemble
from jwst_mosaic_skymatch.levels.estimate import estimate_levels
from jwst_mosaic_skymatch.levels.results import Match, Stack
from jwst_mosaic_skymatch.offsets.measure import PairMeasurement, PairSettings, measure_pair
from jwst_mosaic_skymatch.offsets.selection import find_stacks
from jwst_mosaic_skymatch.stacking import MatchedStack, TileSettings, match_stack
from jwst_mosaic_skymatch.tiles.blocks import footprint_blocks
from jwst_mosaic_skymatch.tiles.observation import Observation
from jwst_mosaic_skymatch.tiles.tile import Tile, crop_to_overlap, store_tile
from jwst_mosaic_skymatch.tiles.windows import overlapping_pairs

__all__ = ["MatchSettings", "Names", "match_exposures"]

# Most exposures of a stack: their pairs grow as the square, and deeper fields are stacks of stacks.
LARGEST_STACK = 8


@dataclass(frozen=True)
class Names:
    """Names that exposures have in common.

    Attributes
    ----------
    groups : sequence of str
        Exposures that may be averaged: their visit, as a rule.
    families : sequence of str
        Exposures whose backgrounds may have one gradient: those of a detector in a visit.
    exposures : sequence of str
        Detectors of one exposure, whose levels agree but for pedestals.
    """

    groups: Sequence[str]
    families: Sequence[str]
    exposures: Sequence[str]


@dataclass(frozen=True)
class MatchSettings:
    """How exposures are matched.

    Attributes
    ----------
    tiles : TileSettings
        How exposures become tiles.
    pairs : PairSettings
        How two tiles are compared.
    weighted : bool
        Weigh pairs by the inverse variance of their offset.
    rigid : bool
        One level for all members of a group, whether they overlap or not.
    tied : bool
        Detectors of an exposure agree, which ties components that do not overlap.
    plane_per : {'group', 'exposure'} or None
        Predict planes of backgrounds: of each visit and detector, or of each exposure.
    """

    tiles: TileSettings
    pairs: PairSettings
    weighted: bool = True
    rigid: bool = False
    tied: bool = True
    plane_per: str | None = None


def match_exposures(
    names: Names,
    footprints: Sequence[np.ndarray],
    observe: Callable[[int], Observation],
    settings: MatchSettings,
    workers: Workers,
    *,
    directory: str | Path,
    held: np.ndarray | None = None,
    image: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> Match:
    """Match exposures.

    Parameters
    ----------
    names : Names
        Names that exposures have in common; n of each.
    footprints : sequence of ndarray, shape (n_corners, 2)
        Corners (x, y) of each exposure on the grid, cells.
    observe : callable
        Takes the position of an exposure and returns its `Observation`; called once for each,
        stack by stack.
    settings : MatchSettings
        How to match them.
    workers : Workers
        Executor of the tasks: one for each stack, and one for each pair of stacks.
    directory : str or Path
        Directory where means of stacks wait in files until they are compared.
    held : ndarray, shape (n,), optional
        Levels that are constraints, MJy/sr; NaN for others.
    image : callable, optional
        Takes places x and y on the grid, cells, and returns the brightness of a reference image
        there, MJy/sr, NaN for none; it is one more stack, whose level is held at zero.

    Returns
    -------
    Match
        Levels with zero mean over each component without a constraint, their errors, and the pairs
        behind them.
    """
    inside = _match_stacks(names.groups, footprints, observe, settings, workers, Path(directory))
    stacks = _numbered([stack for matched in inside for stack in matched.stacks])
    between = _compare_stacks(stacks, settings.pairs, workers)
    if image is not None:
        between += _compare_with_image(stacks, image, settings.pairs)
    measurements = assemble(len(footprints), inside, stacks, between)
    return estimate_levels(names, measurements, inside, stacks, settings, held)


def _match_stacks(
    groups: Sequence[str],
    footprints: Sequence[np.ndarray],
    observe: Callable[[int], Observation],
    settings: MatchSettings,
    workers: Workers,
    directory: Path,
) -> list[MatchedStack]:
    """Compare the members of each stack, and store its mean."""
    how = settings.tiles, settings.pairs
    jobs = (
        (match_stack, label, members, [observe(k) for k in members], how, settings.rigid)
        for label, members in _plan_stacks(groups, footprints, settings.rigid)
    )
    inside, n_stored = [], 0
    for matched in run_jobs(workers.executor, jobs, workers.n_ahead):
        stored = []
        for stack in matched.stacks:
            mean = store_tile(stack.mean, directory / f"{n_stored}.npy")
            stored.append(replace(stack, mean=mean))
            n_stored += 1
        inside.append(replace(matched, stacks=tuple(stored)))
    return inside


def _plan_stacks(
    groups: Sequence[str], footprints: Sequence[np.ndarray], rigid: bool
) -> Iterator[tuple[str, list[int]]]:
    """Divide groups into stacks of exposures that lie upon each other."""
    blocks = footprint_blocks(footprints)
    positions: defaultdict[str, list[int]] = defaultdict(list)
    for position, label in enumerate(groups):
        positions[label].append(position)
    for label, members in positions.items():
        if rigid:
            yield label, members
            continue
        stack = find_stacks([blocks[k] for k in members])
        for number in range(stack.max() + 1):
            together = np.array(members)[stack == number]
            n_parts = -(-together.size // LARGEST_STACK)
            for part in np.array_split(together, n_parts):
                yield label, part.tolist()


def _numbered(stacks: Sequence[Stack]) -> tuple[Stack, ...]:
    """Number the stacks of a group in their labels, if it has several."""
    total, seen = Counter(stack.label for stack in stacks), Counter()
    numbered = []
    for stack in stacks:
        seen[stack.label] += 1
        label = f"{stack.label}_{seen[stack.label]}" if total[stack.label] > 1 else stack.label
        numbered.append(replace(stack, label=label))
    return tuple(numbered)


def _compare_stacks(
    stacks: Sequence[Stack], settings: PairSettings, workers: Workers
) -> list[PairMeasurement]:
    """Measure all pairs of stacks whose means overlap."""
    ends = overlapping_pairs([stack.summary.coverage for stack in stacks])
    jobs = (
        (measure_pair, *crop_to_overlap(stacks[i].mean, stacks[j].mean), settings) for i, j in ends
    )
    pairs = run_jobs(workers.executor, jobs, workers.n_ahead)
    return [
        replace(pair, first=i, second=j)
        for (i, j), pair in zip(ends, pairs, strict=True)
        if pair is not None
    ]


def _compare_with_image(
    stacks: Sequence[Stack],
    image: Callable[[np.ndarray, np.ndarray], np.ndarray],
    settings: PairSettings,
) -> list[PairMeasurement]:
    """Measure the offsets of all stacks from a reference image."""
    pairs = []
    for number, stack in enumerate(stacks):
        tile = stack.mean.read()
        y, x = np.indices(tile.shape, dtype=float)
        data = image((x + tile.x0).ravel(), (y + tile.y0).ravel()).reshape(tile.shape)
        weight = np.isfinite(data).astype(np.float32)
        reference = Tile(tile.x0, tile.y0, data.astype(np.float32), weight)
        pair = measure_pair(tile, reference, settings)
        if pair is not None:
            pairs.append(replace(pair, first=number, second=len(stacks)))
    return pairs
