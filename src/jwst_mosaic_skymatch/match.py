"""The algorithm from the first pixel to the last level; read from top to bottom.

    exposures -> tiles -> offsets -> levels inside each stack -> mean of the stack
              -> offsets of stacks -> levels of stacks -> levels of exposures

The free constant of all levels is the caller's (`levels.gauge`). Nothing here knows of
jwst, so that processes that run `match_stack` start quickly.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, cast

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.comparison import ComparedStacks, compare_stacks
from jwst_mosaic_skymatch.compute.executors import BoundedSubmitter, Workers, run_jobs
from jwst_mosaic_skymatch.levels.combine import combine_levels
from jwst_mosaic_skymatch.levels.errors import level_errors, offset_shares
from jwst_mosaic_skymatch.levels.joint import JointSolution, pair_results, solve_jointly
from jwst_mosaic_skymatch.levels.likelihood import likely_slope_variance
from jwst_mosaic_skymatch.levels.operator import OffsetSolver, level_operator
from jwst_mosaic_skymatch.levels.planes import GradientEquations, fit_gradients
from jwst_mosaic_skymatch.levels.results import (
    FEW_CELLS,
    NO_OVERLAP,
    BackgroundScatter,
    Match,
    MatchedStack,
    PairResult,
    Stack,
    closure_factor,
)
from jwst_mosaic_skymatch.levels.slopes import family_slopes
from jwst_mosaic_skymatch.levels.solution import incidence_matrix, pair_ends
from jwst_mosaic_skymatch.levels.trends import (
    BackgroundStructure,
    family_matrix,
    find_structure,
    include_structure,
)
from jwst_mosaic_skymatch.offsets.measure import PairOffset
from jwst_mosaic_skymatch.offsets.quality import doubt, find_unlike
from jwst_mosaic_skymatch.offsets.selection import find_stacks
from jwst_mosaic_skymatch.stack import (
    MatchSettings,
    make_exposure_tile,
    match_stack,
    outside_shares,
)
from jwst_mosaic_skymatch.tiles.blocks import footprint_blocks
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame
from jwst_mosaic_skymatch.tiles.observation import Observation, TiledExposure
from jwst_mosaic_skymatch.tiles.tile import Tile, store_tile

__all__ = ["match_exposures"]

# An exposure, or the tile that is being made of it.
_Started = Observation | Future[TiledExposure]


def match_exposures(
    labels: Sequence[str],
    footprints: Sequence[np.ndarray],
    observe: Callable[[int], Observation],
    settings: MatchSettings,
    workers: Workers,
    *,
    directory: str | Path,
    families: Sequence[str] | None = None,
    pieces: Mapping[int, int] | None = None,
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
    pieces : mapping of int to int, optional
        Positions of those that are pieces of others, and of these: the mean level of a component
        is without them, and a group's gradient is theirs.
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
                yield job(*waiting.popleft())
        while waiting:
            yield job(*waiting.popleft())

    def job(label: str, members: tuple[int, ...], started: Sequence[_Started]) -> tuple[Any, ...]:
        exposures = [e.result() if isinstance(e, Future) else e for e in started]
        return match_stack, label, members, exposures, [kin[k] for k in members], settings

    def start(observation: Observation) -> _Started:
        return (
            observation if whole_stacks else tiles.submit(make_exposure_tile, observation, settings)
        )

    tiles = BoundedSubmitter(workers.executor, workers.n_ahead)
    kin = families or labels
    paths = (Path(directory) / f"{number}.npy" for number in count())
    matched = [
        replace(found, stacks=tuple(_set_mean_aside(s, next(paths)) for s in found.stacks))
        for found in run_jobs(workers.executor, stack_jobs(), workers.n_ahead)
    ]
    stacks = _number_stacks([stack for found in matched for stack in found.stacks])
    contrasts = [contrast for found in matched for contrast in found.contrasts]
    compared = compare_stacks(stacks, settings, workers, contrasts)
    owners = pieces or {}
    groups = [labels[owners.get(k, k)] for k in range(len(labels))]
    match = _solve_stacks(groups, kin, matched, stacks, compared, owners, settings)
    return replace(match, lyot=compared.lyot, lyot_pairs=compared.lyot_pairs)


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


def _solve_stacks(
    labels: Sequence[str],
    families: Sequence[str],
    matched: Sequence[MatchedStack],
    stacks: tuple[Stack, ...],
    compared: ComparedStacks,
    pieces: Collection[int],
    settings: MatchSettings,
) -> Match:
    """Solve for the levels of stacks, and add them up with those inside."""
    n = len(labels)
    inside = tuple(pair for part in matched for pair in part.pairs)
    unlike = find_unlike(len(stacks), compared.offsets)
    remarks = {k: remark for part in matched for k, remark in part.remarks.items()}
    remarks |= {k: remark for number, remark in unlike.items() for k in stacks[number].members}
    planes = _Planes(inside, stacks, doubt(compared.offsets, unlike), np.zeros((n, 2)))
    if settings.plane_per:
        groups = labels if settings.plane_per == "group" else _stack_labels(n, stacks)
        planes = _fit_planes(groups, planes, settings.weighted)
    inside, stacks, offsets = planes.inside, planes.stacks, planes.offsets
    found, offsets, joint = _solve_levels(families, inside, stacks, offsets, settings.weighted)
    combined = combine_levels(n, stacks, joint, rigid=settings.rigid, uncounted={*remarks, *pieces})
    operator = level_operator(inside, stacks, offsets, joint, combined)
    noise = np.hypot(
        level_errors(stacks, offsets, joint, combined),
        np.sqrt(operator.variances(planes.changes)),
    )
    structure = np.array([o.structure_variance for o in (*(p.offset for p in inside), *offsets)])
    between_pairs = pair_results(offsets, joint, range(len(stacks)))
    factor = closure_factor((*inside, *between_pairs))
    errors = factor * np.sqrt(noise**2 + operator.variances(found.changes(structure)))
    skies = np.full(n, np.nan)
    obstacles: dict[int, str] = {}
    for stack in matched:
        skies[list(stack.members)] = stack.skies
        obstacles |= stack.obstacles
    obstacles |= {k: FEW_CELLS for number in compared.failed for k in stacks[number].members}
    return Match(
        levels=combined.without(planes.common, _frames(n, stacks)),
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
        slopes=family_slopes(
            (*inside, *between_pairs), _all_shares(n, inside, stacks, offsets), families
        ),
        **(_planes_of(n, stacks) if settings.plane_per else {}),
    )


def _solve_levels(
    families: Sequence[str],
    inside: Sequence[PairResult],
    stacks: Sequence[Stack],
    measured: Sequence[PairOffset],
    weighted: bool,
) -> tuple[BackgroundStructure, list[PairOffset], JointSolution]:
    """Solve for the levels of stacks; what backgrounds have beside them enters errors of pairs."""
    between = slice(len(inside), None)

    def solve(found: BackgroundStructure) -> tuple[list[PairOffset], JointSolution]:
        offsets = include_structure(
            measured, found.structure_variances[between], found.trend_variances[between]
        )
        return offsets, solve_jointly([s.summary for s in stacks], offsets, weighted=weighted)

    found = _find_structure(families, inside, stacks, measured)
    offsets, joint = solve(found)
    slope = likely_slope_variance(len(stacks), measured, joint.solution, found.part(between))
    if slope != found.of_families.slope:
        found = found.with_family_slope(slope)
        offsets, joint = solve(found)
    return found, offsets, joint


def _planes_of(n: int, stacks: Sequence[Stack]) -> dict[str, Any]:
    """Collect what was fitted besides levels."""
    gradients = _of_members(n, stacks, "gradients")
    return {
        "planes": tuple(
            frame.plane(gradient) if frame and gradient.any() else None
            for frame, gradient in zip(_frames(n, stacks), gradients, strict=True)
        ),
        "gradients": gradients,
        "gradient_errors": _of_members(n, stacks, "gradient_errors"),
    }


def _find_structure(
    families: Sequence[str],
    inside: Sequence[PairResult],
    stacks: Sequence[Stack],
    offsets: Sequence[PairOffset],
) -> BackgroundStructure:
    """Find what backgrounds have beside their levels, from all pairs."""
    return find_structure(
        [*(pair.offset for pair in inside), *offsets],
        _all_shares(len(families), inside, stacks, offsets),
        _frames(len(families), stacks),
        families,
        np.concatenate(
            [np.zeros(len(inside)), outside_shares(offsets, [s.summary for s in stacks])]
        ),
    )


@dataclass(frozen=True)
class _Planes:
    """Pairs and stacks without the gradients of groups."""

    inside: tuple[PairResult, ...]
    stacks: tuple[Stack, ...]
    offsets: Sequence[PairOffset]
    common: np.ndarray  # gradient that is to stay in the data, of each exposure, (n, 2)
    changes: Iterable[np.ndarray] = ()  # of all offsets, by errors of the gradients


def _fit_planes(groups: Sequence[str], measured: _Planes, weighted: bool) -> _Planes:
    """Fit the gradients that the exposures of a group share, and take them out."""
    inside, stacks, offsets = measured.inside, measured.stacks, measured.offsets
    n, n_inside = len(groups), len(inside)
    found = _find_structure(groups, inside, stacks, offsets)
    if not found.of_families.slope:
        return measured
    membership = family_matrix(groups)
    family = membership.indices  # of each exposure
    of_stacks = family[[stack.members[0] for stack in stacks]]
    measured_inside = [pair.offset for pair in inside]
    first, second = np.concatenate(
        [family[pair_ends(measured_inside)], of_stacks[pair_ends(offsets)]], axis=1
    )
    measured_pairs = [*measured_inside, *offsets]
    equations = GradientEquations.of(measured_pairs, first, second, membership.shape[1])
    within, between = equations.part(slice(n_inside)), equations.part(slice(n_inside, None))
    gradients = fit_gradients(
        len(stacks), measured_inside, offsets, found, equations, weighted=weighted
    )
    # Levels inside stacks have followed the gradients already.
    followed = within.levels(OffsetSolver.inside(n, inside))
    levels = -followed @ gradients.values.T.ravel()
    own, errors = membership @ gradients.own, membership @ gradients.errors
    corrected = within.corrected(measured_inside, gradients.values)
    carried = offset_shares(n, stacks, offsets) @ followed
    changes = sparse.vstack([within.effects[0], between.effects[0] + carried]).tocsr()
    return _Planes(
        inside=tuple(replace(p, offset=o) for p, o in zip(inside, corrected, strict=True)),
        stacks=tuple(
            stack.with_gradient(
                own[stack.members[0]], errors[stack.members[0]], levels[list(stack.members)]
            )
            for stack in stacks
        ),
        offsets=between.corrected(offsets, gradients.values),
        common=membership @ gradients.common,
        changes=gradients.changes(changes),
    )


def _all_shares(
    n: int, inside: Sequence[PairResult], stacks: Sequence[Stack], offsets: Sequence[PairOffset]
) -> sparse.csr_array:
    """Share of each exposure in each offset, inside stacks and then between them."""
    within = incidence_matrix(n, [pair.offset for pair in inside])
    return sparse.vstack([within, offset_shares(n, stacks, offsets)], format="csr")


def _frames(n: int, stacks: Sequence[Stack]) -> list[DetectorFrame | None]:
    """Collect the frames of the exposures; None for those without a good pixel."""
    frames: list[DetectorFrame | None] = [None] * n
    for stack in stacks:
        for k, frame in zip(stack.members, stack.frames, strict=True):
            frames[k] = frame
    return frames


def _of_members(n: int, stacks: Sequence[Stack], name: str) -> np.ndarray:
    """Collect a pair of numbers of each exposure, (n, 2); zero for those in no stack."""
    values = np.zeros((n, 2))
    for stack in stacks:
        values[list(stack.members)] = getattr(stack, name)
    return values


def _stack_labels(n: int, stacks: Sequence[Stack]) -> list[str]:
    """Name the stack of each exposure; empty for none."""
    labels = [""] * n
    for stack in stacks:
        for k in stack.members:
            labels[k] = stack.label
    return labels
