"""Exposures that lie upon each other: compared with each other, and averaged.

Nothing here imports jwst, so that worker processes start quickly.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from jwst_mosaic_skymatch.compute.executors import Workers
from jwst_mosaic_skymatch.levels.assembly import pair_shares
from jwst_mosaic_skymatch.levels.equations import Unknowns
from jwst_mosaic_skymatch.levels.matrices import connected_parts
from jwst_mosaic_skymatch.levels.model import select_model
from jwst_mosaic_skymatch.levels.quality import LARGEST_FACTOR, noise_factors
from jwst_mosaic_skymatch.levels.results import Stack
from jwst_mosaic_skymatch.levels.shifts import align_pairs
from jwst_mosaic_skymatch.levels.solve import solve
from jwst_mosaic_skymatch.offsets.information import information_links
from jwst_mosaic_skymatch.offsets.measure import PairSettings, measure_pair
from jwst_mosaic_skymatch.offsets.results import Link, PairMeasurement
from jwst_mosaic_skymatch.tiles.frame import LYOT, REGIONS, region_shares
from jwst_mosaic_skymatch.tiles.mean import robust_mean
from jwst_mosaic_skymatch.tiles.observation import (
    Observation,
    TiledExposure,
    TileSettings,
    make_tile,
)
from jwst_mosaic_skymatch.tiles.tile import (
    Tile,
    crop_to_overlap,
    information_map,
    shift_tile,
    store_tile,
)

__all__ = [
    "compare_stacks",
    "compare_with_image",
    "find_stacks",
    "match_stack",
    "match_stacks",
    "plan_stacks",
]

# Exposures belong to one stack if the distances of their centres along both sides, in these sides,
# add up to this at most: they share half of their area, or more.
LARGEST_DISTANCE = 0.5
# Most exposures of a stack: their pairs grow as the square, and deeper fields are stacks of stacks.
LARGEST_STACK = 8
# Contrast of the Lyot field in its standard deviations from which on it is not taken for noise.
SIGNIFICANCE = 3.0
# A shift below this many cells is left alone: moving an image adds noise.
LEAST_SHIFT = 0.02


def plan_stacks(
    groups: Sequence[str], footprints: Sequence[np.ndarray]
) -> Iterator[tuple[str, list[int]]]:
    """Divide groups into stacks of exposures that lie upon each other.

    Parameters
    ----------
    groups : sequence of str
        Group of each exposure.
    footprints : sequence of ndarray, shape (n_corners, 2)
        Corners (x, y) of each exposure on the grid, cells.

    Yields
    ------
    label : str
        The group, with a number if it has several stacks.
    members : list of int
        Positions of the exposures of a stack.
    """
    names, group = np.unique(list(groups), return_inverse=True)
    for k, label in enumerate(names.tolist()):
        members = np.flatnonzero(group == k)
        stack, parts = find_stacks([footprints[j] for j in members.tolist()]), []
        for number in range(stack.max() + 1):
            together = members[stack == number]
            parts += np.array_split(together, -(-together.size // LARGEST_STACK))
        for number, part in enumerate(parts, 1):
            yield label if len(parts) == 1 else f"{label}_{number}", part.tolist()


def find_stacks(footprints: Sequence[np.ndarray]) -> np.ndarray:
    """Find exposures that lie upon each other, directly or through others.

    Parameters
    ----------
    footprints : sequence of ndarray, shape (n_corners, 2)
        Corners (x, y) of each exposure on a plane, one after the other.

    Returns
    -------
    ndarray of int, shape (n,)
        Stack of each exposure, counted in the order of its first member.

    Notes
    -----
    Levels within a stack are the best determined of all, and the mean of the stack keeps all its
    information. Exposures that share a strip only are better tied by the overlaps of both with
    others, which a mean of the two would hide. Exposures of a group count as equal rectangles.
    """
    x, y = np.diff(footprints[0][:3], axis=0)
    centres = np.array([corners.mean(axis=0) for corners in footprints])
    in_sides = KDTree(np.linalg.solve(np.stack([x, y], axis=1), centres.T).T)
    pairs = in_sides.query_pairs(LARGEST_DISTANCE, p=1, output_type="ndarray")
    return connected_parts(len(centres), pairs)


def match_stacks(
    plan: Iterable[tuple[str, list[int]]],
    observe: Callable[[int], Observation],
    tiles: TileSettings,
    settings: PairSettings,
    workers: Workers,
    directory: Path,
) -> tuple[list[PairMeasurement], tuple[Stack, ...], dict[int, TiledExposure]]:
    """Match the members of each stack, and store the means.

    Parameters
    ----------
    plan : iterable of tuple
        Label and members of each stack, see `plan_stacks`.
    observe : callable
        Takes the position of an exposure and returns its `Observation`.
    tiles : TileSettings
        How exposures become tiles.
    settings : PairSettings
        How two tiles are compared.
    workers : Workers
        Executor of the tasks, one for each stack.
    directory : Path
        Directory for the means.

    Returns
    -------
    pairs : list of PairMeasurement
        Pairs inside the stacks, by position of the exposures.
    stacks : tuple of Stack
        The stacks.
    exposures : dict of int to TiledExposure
        All exposures by position, without their tiles.
    """
    plan, exposures = list(plan), {}
    # Tiles first, so that no task holds the pixels of more than one exposure.
    tiled = workers.run((make_tile, observe(k), tiles) for _, members in plan for k in members)

    def jobs() -> Iterator[tuple[Any, ...]]:
        for label, members in plan:
            own = {}
            for k, exposure in zip(members, tiled, strict=False):
                exposures[k] = replace(exposure, tile=None)
                if exposure.tile:
                    own[k] = exposure.tile
            yield match_stack, label, own, settings

    pairs: list[PairMeasurement] = []
    stacks: list[Stack] = []
    for own_stacks, own_pairs in workers.run(jobs()):
        for stack in own_stacks:
            mean = store_tile(stack.mean, directory / f"{len(stacks)}.tile")
            stacks.append(replace(stack, mean=mean))
        pairs += own_pairs
    return pairs, tuple(stacks), exposures


def match_stack(
    label: str, tiled: Mapping[int, Tile], settings: PairSettings
) -> tuple[list[Stack], list[PairMeasurement]]:
    """Match exposures that lie upon each other, and average them.

    Parameters
    ----------
    label : str
        Name of their group.
    tiled : mapping of int to Tile
        Their tiles, by position among all exposures.
    settings : PairSettings
        How two tiles are compared.

    Returns
    -------
    stacks : list of Stack
        The stack with its mean, or the parts that too few common cells leave unconnected.
    pairs : list of PairMeasurement
        Pairs of its members, by position of the exposures.
    """
    positions, tiles = list(tiled), list(tiled.values())
    measured = (
        measure_pair(tiles[link.first], tiles[link.second], settings, link)
        for link in information_links([information_map(tile) for tile in tiles])
    )
    pairs = [pair for pair in measured if pair]
    factors = noise_factors(pairs, len(tiles))
    # A noisy member is kept out of the mean. Alone in a stack it is compared with other visits,
    # which also decides between two members.
    is_noisy = factors > LARGEST_FACTOR * factors.min(initial=1.0)
    close = [pair for pair in pairs if not is_noisy[[pair.first, pair.second]].any()]
    number = connected_parts(len(tiles), [(pair.first, pair.second) for pair in close])
    corrections, contrast = _corrections(close, tiles), _lyot_contrast(close)
    stacks = []
    for k in range(number.max(initial=-1) + 1):
        part = np.flatnonzero(number == k)
        # Hits that are too faint to be rejected add to the noise of their exposure.
        noise = (factors[part] / factors[part].min()).tolist()
        flat = [
            _corrected(tiles[j], corrections[j], contrast, own)
            for j, own in zip(part, noise, strict=True)
        ]
        mean = _with_lyot_field(robust_mean(flat), contrast)
        stacks.append(
            Stack(
                label=f"{label}-{k + 1}" if k else label,
                members=tuple(positions[j] for j in part),
                corrections=corrections[part],
                coverage=tuple(map(information_map, flat)),
                frames=mean.frames,
                information=information_map(mean),
                mean=mean,
            )
        )
    return stacks, [replace(p, first=positions[p.first], second=positions[p.second]) for p in pairs]


def compare_stacks(
    stacks: Sequence[Stack], settings: PairSettings, workers: Workers
) -> list[PairMeasurement]:
    """Measure all pairs of stacks whose means overlap.

    Parameters
    ----------
    stacks : sequence of Stack
        The stacks, with stored means.
    settings : PairSettings
        How two means are compared.
    workers : Workers
        Executor of the tasks, one for each pair.

    Returns
    -------
    list of PairMeasurement
        The pairs, by position of the stacks.
    """
    means = [stack.mean for stack in stacks]
    jobs = (
        (
            measure_pair,
            *crop_to_overlap(means[link.first].read(), means[link.second].read()),
            settings,
            link,
        )
        for link in information_links([stack.information for stack in stacks])
    )
    return [pair for pair in workers.run(jobs) if pair]


def compare_with_image(
    stacks: Sequence[Stack],
    image: Callable[[np.ndarray, np.ndarray], np.ndarray],
    settings: PairSettings,
) -> list[PairMeasurement]:
    """Measure the offsets of all stacks from a reference image.

    Parameters
    ----------
    stacks : sequence of Stack
        The stacks, with stored means.
    image : callable
        Takes places x and y on the grid, cells, and returns the brightness there, MJy/sr, NaN
        for none.
    settings : PairSettings
        How two tiles are compared.

    Returns
    -------
    list of PairMeasurement
        The pairs; the position of the image is that after the last stack.
    """

    tiles = (stack.mean.read() for stack in stacks)
    pairs = (
        measure_pair(tile, _cut_out(image, tile), settings, Link(k, len(stacks)))
        for k, tile in enumerate(tiles)
    )
    return [pair for pair in pairs if pair]


def _cut_out(image: Callable[[np.ndarray, np.ndarray], np.ndarray], tile: Tile) -> Tile:
    """Evaluate a reference image, which counts as exact, in the cells of a tile."""
    x, y = tile.places
    data = image(x.ravel(), y.ravel()).reshape(tile.shape).astype(np.float32)
    weight = np.isfinite(data).astype(np.float32)
    return Tile(tile.x0, tile.y0, weight, data, 0.0, tile.pixels_per_cell)


def _with_lyot_field(tile: Tile, contrast: float) -> Tile:
    """Add a contrast to a tile in proportion to the exposures whose Lyot field a cell is in.

    A robust mean of exposures with and without the field would be the image of either. It is made
    of exposures without contrast, which the mean then has by the shares that pairs assume.
    """
    if contrast == 0.0:
        return tile
    first = REGIONS.index(LYOT)  # the last one; shares of all would take most of the memory
    frames = [replace(frame, regions=frame.regions[first:]) for frame in tile.frames]
    share = region_shares(frames, tile.places)[0]
    return replace(tile, data=tile.data + np.float32(contrast) * share)


def _lyot_contrast(pairs: Sequence[PairMeasurement]) -> float:
    """Take the median contrast of Lyot fields; zero within its error, or if no pair has one.

    The likelihood of the few pairs of a stack does not always select it as an effect.
    """
    measured = [
        (pair.estimate[k], pair.covariance[k, k])
        for pair in pairs
        for k, region in enumerate(pair.regions, len(pair.estimate) - len(pair.regions))
        if region.name == LYOT
    ]
    contrasts, variances = np.reshape(measured, (-1, 2)).T
    contrast = float(np.median(contrasts)) if measured else 0.0
    return contrast if contrast**2 * np.sum(1.0 / variances) > SIGNIFICANCE**2 else 0.0


def _corrections(pairs: Sequence[PairMeasurement], tiles: Sequence[Tile]) -> np.ndarray:
    """Solve for corrections of the members, see `Stack`; levels and shifts have zero mean."""
    n = len(tiles)
    if not pairs:
        return np.zeros((n, 6))
    numbers, shares = np.arange(n), pair_shares(n, pairs)
    aligned, shifts, _ = align_pairs(pairs, shares)
    centres = np.array([tile.frames[0].centre for tile in tiles])
    unknowns = Unknowns(numbers, numbers, numbers, centres, np.full(n, np.nan))
    # Without the contrast of the Lyot field, levels and gradients take it up: with a contrast of
    # 0.5 MJy/sr, errors of levels were ten times the information bound, and are 1.2 times.
    effects = "exposure gradient", "gain", LYOT
    equations, variances = select_model(aligned, shares, unknowns, effects=effects)
    fit = solve(equations, variances)
    levels = fit.unknowns[:n]
    gradients = fit.unknowns[equations.columns["exposure gradient"]].reshape(2, n).T
    gains = fit.unknowns[equations.columns["gain"]]
    shifts = np.where(np.hypot(*shifts.T)[:, None] > LEAST_SHIFT, shifts, 0.0)
    levels = levels - levels[equations.components >= 0].mean()
    return np.column_stack([levels, shifts, gradients, gains])


def _corrected(tile: Tile, correction: np.ndarray, contrast: float, noise: float) -> Tile:
    """Correct a tile. Members that lie beside the others would give the mean several shifts."""
    level, *shift, slope_x, slope_y, gain = correction.tolist()
    tile = _with_lyot_field(tile, -contrast)  # a step that is moved is no step
    if any(shift):
        tile = shift_tile(tile, *shift)
    x_min, x_max, y_min, y_max = tile.bounds
    y, x = np.ogrid[y_min:y_max, x_min:x_max]
    (frame,) = tile.frames
    plane = level + slope_x * (x - frame.centre[0]) + slope_y * (y - frame.centre[1])
    flat = (1.0 - gain) * (tile.data - plane.astype(np.float32))
    return replace(tile, data=flat, variance=tile.variance * noise)
