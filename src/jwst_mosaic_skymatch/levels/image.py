"""Constants of components from an image of the sky."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from jwst_mosaic_skymatch.levels.gauge import inverse_variance_mean
from jwst_mosaic_skymatch.levels.results import Match, Stack
from jwst_mosaic_skymatch.offsets.statistic import Location, Statistic
from jwst_mosaic_skymatch.tiles.tile import Tile

__all__ = ["ImageConstants", "anchor_to_image"]

# Takes cells (x, y) of the grid and gives the brightness of the image there, NaN for none.
_Sample = Callable[[np.ndarray, np.ndarray], np.ndarray]

_LOCATION = Statistic("biweight")
_NOTHING = Location(value=np.nan, variance=np.nan)


@dataclass(frozen=True)
class ImageConstants:
    """Constants with which exposures minus their levels are equal to an image.

    Attributes
    ----------
    match : Match
        The match, in which an exposure without any level, whose stack overlaps the image, is a
        component of its own.
    constants, errors : ndarray, shape (n_components,)
        What to add to the levels of each component, and its error, MJy/sr; NaN for one that
        does not overlap the image.
    scatter : ndarray, shape (n_components,)
        Standard deviation of what the stacks of a component give, MJy/sr; NaN for a single one.
    n_stacks, n_cells : ndarray of int, shape (n_components,)
        Stacks that overlap the image, and cells in these overlaps.
    """

    match: Match
    constants: np.ndarray
    errors: np.ndarray
    scatter: np.ndarray
    n_stacks: np.ndarray
    n_cells: np.ndarray


def anchor_to_image(match: Match, sample: _Sample, *, min_cells: int = 25) -> ImageConstants:
    """Compare the means of all stacks with an image.

    Parameters
    ----------
    match : Match
        The match; means of its stacks are still in their files.
    sample : callable
        Takes cells (x, y) of the grid, two arrays of shape (n,), and gives the brightness of the
        image there, MJy/sr; NaN where it has none.
    min_cells : int, optional
        Least number of cells in common with a stack: fewer say nothing robust.

    Returns
    -------
    ImageConstants
        One constant for each component: the mean of what its stacks give, weighted by the
        inverse variances. These take the cells as independent, so that the errors are too
        small by some factor, one for all.
    """
    measured = [
        (_NOTHING, 0)
        if match.placed.issuperset(stack.members)
        else _compare(stack, sample, min_cells)
        for stack in match.stacks
    ]
    offsets = [offset for offset, _ in measured]
    match = _with_lone_stacks(match, offsets)
    n = match.n_components
    constants, errors, scatter = (np.full(n, np.nan) for _ in range(3))
    n_stacks, n_cells = np.zeros(n, dtype=int), np.zeros(n, dtype=int)
    component_of = np.array([match.components[s.members[0]] for s in match.stacks], dtype=int)
    overlaps = np.array([np.isfinite(offset.value) for offset in offsets], dtype=bool)
    for component in range(n):
        found = np.flatnonzero((component_of == component) & overlaps)
        if not found.size:
            continue
        values = np.array(
            [offsets[k].value - _level_of_stack(match.stacks[k], match.levels) for k in found]
        )
        variances = np.array([offsets[k].variance for k in found])
        constants[component], variance = inverse_variance_mean(values, variances)
        errors[component] = np.sqrt(variance)
        scatter[component] = values.std(ddof=1) if found.size > 1 else np.nan
        n_stacks[component] = found.size
        n_cells[component] = sum(measured[k][1] for k in found)
    return ImageConstants(match, constants, errors, scatter, n_stacks, n_cells)


def _compare(stack: Stack, sample: _Sample, min_cells: int) -> tuple[Location, int]:
    """Find mean of a stack minus image, and the number of cells behind it."""
    tile = stack.mean if isinstance(stack.mean, Tile) else stack.mean.read()
    rows, columns = np.nonzero(tile.weight > 0)
    if not rows.size:
        return _NOTHING, 0
    x, y = columns + float(tile.x0), rows + float(tile.y0)
    difference = tile.data[rows, columns] - sample(x, y)
    if stack.gradient.any():  # levels are those of the data without it
        centre = np.mean([frame.centre for frame in stack.frames if frame], axis=0)
        difference -= stack.gradient @ np.stack([x - centre[0], y - centre[1]])
    difference = difference[np.isfinite(difference)]
    if difference.size < min_cells:
        return _NOTHING, difference.size
    return _LOCATION(difference), difference.size


def _level_of_stack(stack: Stack, levels: np.ndarray) -> float:
    """Find what members have beyond their levels inside the stack, which its mean still has."""
    return float(np.mean(levels[list(stack.members)] - stack.levels))


def _with_lone_stacks(match: Match, offsets: Sequence[Location]) -> Match:
    """Make components of stacks that have no level but an offset from the image."""
    levels, errors = match.levels.copy(), match.level_errors.copy()
    components, reasons = match.components.copy(), list(match.reasons)
    number = match.n_components
    for stack, offset in zip(match.stacks, offsets, strict=True):
        members = list(stack.members)
        if not np.isfinite(offset.value) or np.isfinite(match.levels[members]).any():
            continue
        levels[members] = stack.levels
        errors[members] = np.sqrt(offset.variance)
        components[members] = number
        for k in members:
            reasons[k] = ""
        number += 1
    return replace(
        match,
        levels=levels,
        level_errors=errors,
        components=components,
        reasons=tuple(reasons),
    )
