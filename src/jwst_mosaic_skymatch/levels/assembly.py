"""All pairs of a mosaic, inside stacks and between them, as measurements of exposures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.levels.information import information_ratios, noise_factors
from jwst_mosaic_skymatch.levels.results import Stack
from jwst_mosaic_skymatch.levels.shifts import at_common_shifts, solve_shifts
from jwst_mosaic_skymatch.offsets.measure import PairMeasurement
from jwst_mosaic_skymatch.stacking import MatchedStack, outside_shares, pair_shares
from jwst_mosaic_skymatch.tiles.blocks import mean_shares

__all__ = ["Measurements", "assemble"]


@dataclass(frozen=True)
class Measurements:
    """Pairs inside stacks, and then pairs of stacks, as measurements of exposures.

    Attributes
    ----------
    pairs : tuple of PairMeasurement
        The pairs, at the shifts that all agree on; corrections of the members before they were
        averaged are undone.
    shares : sparse array, shape (n_pairs, n + 1)
        Share of each exposure in each pair, negative on the second side; the last column is that
        of a reference image.
    ratios : ndarray, shape (n_pairs,)
        Part of the information of each pair that no other pair shares.
    outside : ndarray, shape (n_pairs,)
        Share of the two tiles of each pair outside of their overlap.
    shifts : ndarray, shape (n, 2)
        Shift (x, y) of each exposure, cells; NaN for none.
    shift_variances : ndarray, shape (n,)
        Variance along each axis, cells^2.
    factors : ndarray, shape (n,)
        Factor between actual and quoted noise variance of exposures; NaN for one without a tile.
    n_inside : int
        Number of pairs inside stacks.
    """

    pairs: tuple[PairMeasurement, ...]
    shares: sparse.csr_array
    ratios: np.ndarray
    outside: np.ndarray
    shifts: np.ndarray
    shift_variances: np.ndarray
    factors: np.ndarray
    n_inside: int


def assemble(
    n: int,
    inside: Sequence[MatchedStack],
    stacks: Sequence[Stack],
    between: Sequence[PairMeasurement],
) -> Measurements:
    r"""Put all pairs in terms of exposures.

    Parameters
    ----------
    n : int
        Number of exposures.
    inside : sequence of MatchedStack
        Pairs inside stacks.
    stacks : sequence of Stack
        The stacks.
    between : sequence of PairMeasurement
        Pairs of stacks.

    Returns
    -------
    Measurements
        The measurements.

    Notes
    -----
    The mean of a stack in an overlap is that of its members with their shares f there, minus what
    has been subtracted from these: an offset between stacks is a measurement of
    :math:`\sum_k f_k b_k` after that is added again.
    """
    pairs = [pair for matched in inside for pair in matched.pairs]
    within = pair_shares(n + 1, pairs)
    across = _stack_shares(n, stacks, between)
    summaries = [stack.summary for stack in stacks]
    of_stacks = [pair for pair in between if pair.second < len(stacks)]
    of_image = np.zeros(len(between) - len(of_stacks))
    factors = noise_factors(of_stacks, summaries)
    information = [summary.information for summary in summaries]
    between_ratios = information_ratios(of_stacks, information, factors)
    ratios = np.concatenate([*(m.ratios for m in inside), between_ratios, of_image + 1.0])
    outside = np.concatenate(
        [*(m.outside for m in inside), outside_shares(of_stacks, summaries), of_image]
    )
    restored, added = _restored(n, stacks, between, across)
    added = np.concatenate([np.zeros((len(pairs), 2)), added])
    shares = sparse.vstack([within, across], format="csr")
    every = [*pairs, *restored]
    shifts, shift_variances = solve_shifts(every, shares, added)
    return Measurements(
        pairs=tuple(at_common_shifts(every, shares, added, shifts, shift_variances)),
        shares=shares,
        ratios=ratios,
        outside=outside,
        shifts=shifts,
        shift_variances=shift_variances,
        factors=_noise_of_exposures(n, inside, stacks, factors),
        n_inside=len(pairs),
    )


def _noise_of_exposures(
    n: int, inside: Sequence[MatchedStack], stacks: Sequence[Stack], of_stacks: np.ndarray
) -> np.ndarray:
    """Collect the noise factors of exposures; one alone in its stack has the stack's."""
    factors = np.full(n, np.nan)
    for matched in inside:
        factors[list(matched.factors)] = list(matched.factors.values())
    for stack, factor in zip(stacks, of_stacks.tolist(), strict=True):
        if len(stack.members) == 1:
            factors[stack.members[0]] = factor
    return factors


def _stack_shares(
    n: int, stacks: Sequence[Stack], pairs: Sequence[PairMeasurement]
) -> sparse.csr_array:
    """Build the matrix of the shares of n exposures, and an image, in pairs of stacks."""
    rows: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    for row, pair in enumerate(pairs):
        if pair.second == len(stacks):
            stack = stacks[pair.first]
            rows += [row] * (len(stack.members) + 1)
            columns += [*stack.members, n]
            values += [*mean_shares(stack.coverage, stack.coverage).tolist(), -1.0]
            continue
        ends = stacks[pair.first], stacks[pair.second]
        for sign, stack, other in ((1.0, *ends), (-1.0, *ends[::-1])):
            rows += [row] * len(stack.members)
            columns += stack.members
            values += (sign * mean_shares(stack.coverage, other.coverage)).tolist()
    return sparse.coo_array((values, (rows, columns)), shape=(len(pairs), n + 1)).tocsr()


def _restored(
    n: int, stacks: Sequence[Stack], pairs: Sequence[PairMeasurement], shares: sparse.csr_array
) -> tuple[list[PairMeasurement], np.ndarray]:
    """Add the corrections of members to the measurements of their means."""
    levels, gradients, shifts, centres = (np.zeros((n + 1, size)) for size in (1, 2, 2, 2))
    for stack in stacks:
        members = list(stack.members)
        levels[members, 0] = stack.flattening.levels
        gradients[members], shifts[members] = stack.flattening.gradients, stack.flattening.shifts
        centres[members] = [frame.centre for frame in stack.frames]
    places = np.array([pair.centre[:2] for pair in pairs]).reshape(-1, 2)
    # Value of all corrections at the place of each pair: level + gradient . (place - centre).
    slopes = shares @ gradients
    added = (shares @ levels).ravel() + np.sum(slopes * places, axis=1)
    added -= shares @ np.sum(gradients * centres, axis=1)
    restored = []
    for pair, offset, slope in zip(pairs, added.tolist(), slopes, strict=True):
        estimate = pair.estimate.copy()
        estimate[0] += offset
        estimate[1:3] += slope
        restored.append(replace(pair, estimate=estimate))
    return restored, shares @ shifts
