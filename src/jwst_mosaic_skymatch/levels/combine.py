"""Levels of exposures: those of their stacks and those inside them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.levels.joint import JointSolution
from jwst_mosaic_skymatch.levels.results import Stack
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame

__all__ = ["CombinedLevels", "combine_levels"]


@dataclass(frozen=True)
class CombinedLevels:
    """Levels and shifts of all exposures.

    Attributes
    ----------
    levels : ndarray of float64, shape (n,)
        Level of each exposure, MJy/sr, with zero mean over each component; NaN
        for an exposure without a usable overlap.
    components : ndarray of int, shape (n,)
        Component of each exposure, in the order of first members; -1 for none.
    counted : ndarray of bool, shape (n,)
        Exposures that count in the mean of a component: those with a level of their own, so
        that a group with one common level counts once, and none that is not to.
    shifts, shift_variances : ndarray of float64, shape (n, 2)
        Shift (x, y), cells, and its variance; NaN when not fitted.
    """

    levels: np.ndarray
    components: np.ndarray
    counted: np.ndarray
    shifts: np.ndarray
    shift_variances: np.ndarray

    def without(self, gradient: np.ndarray, frames: Sequence[DetectorFrame | None]) -> np.ndarray:
        """Give the levels, (n,), without gradients (n, 2) that are to stay in the data."""
        if not gradient.any():
            return self.levels
        centres = np.array([frame.centre if frame else np.zeros(2) for frame in frames])
        levels = self.levels - np.sum(gradient * centres, axis=1)
        return _centred(levels, self.components, self.counted)


def combine_levels(
    n: int,
    stacks: Sequence[Stack],
    joint: JointSolution,
    *,
    rigid: bool,
    uncounted: Collection[int] = (),
) -> CombinedLevels:
    """Add up levels, and shifts, of stacks and of members inside them.

    Parameters
    ----------
    n : int
        Number of exposures.
    stacks : sequence of Stack
        All stacks.
    joint : JointSolution
        The levels of stacks.
    rigid : bool
        Whether the members of a stack have one common level.
    uncounted : collection of int, optional
        Exposures that do not count in the mean of a component, if others do.

    Returns
    -------
    CombinedLevels
        The sums.
    """
    between, shift_variances = joint.solution, joint.shift_variances
    levels, components = np.full(n, np.nan), np.full(n, -1)
    shifts, variances = np.full((n, 2), np.nan), np.full((n, 2), np.nan)
    n_components = between.n_components
    for k, stack in enumerate(stacks):
        members, alone = list(stack.members), len(stack.members) == 1
        has_pair = between.components[k] >= 0
        if has_pair or not alone:
            # A stack without partners, or an exposure alone in its stack, adds nothing.
            shifts[members] = np.nan_to_num(between.shifts[k])
            variances[members] = np.nan_to_num(shift_variances[k])
        if alone:
            shifts[members] += np.where(np.isfinite(between.shifts[k]), 0.0, np.nan)
        else:
            shifts[members] += stack.shifts
            variances[members] += stack.shift_variances
        if has_pair:
            component = between.components[k]
        elif rigid or alone:
            continue  # nothing to compare it with
        else:
            component, n_components = n_components, n_components + 1
        levels[members] = np.nan_to_num(between.levels[k]) + stack.levels
        components[members] = component
    counted = components >= 0
    if rigid:
        counted &= np.isin(np.arange(n), [stack.members[0] for stack in stacks])
    good = counted & ~np.isin(np.arange(n), list(uncounted))
    with_good = np.isin(components, components[good])
    counted = np.where(with_good, good, counted)
    components = _in_order(components)
    return CombinedLevels(
        levels=_centred(levels, components, counted),
        components=components,
        counted=counted,
        shifts=shifts,
        shift_variances=variances,
    )


def _centred(levels: np.ndarray, components: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Subtract the mean over the counted exposures of each component."""
    if not counted.any():
        return levels
    centred = levels.copy()
    mean = np.bincount(components[counted], levels[counted]) / np.bincount(components[counted])
    has_level = components >= 0
    centred[has_level] -= mean[components[has_level]]
    return centred


def _in_order(components: np.ndarray) -> np.ndarray:
    """Number components in the order of their first member."""
    has_level = components >= 0
    _, start, inverse = np.unique(components[has_level], return_index=True, return_inverse=True)
    ordered = components.copy()
    ordered[has_level] = np.argsort(np.argsort(start))[inverse]
    return ordered
