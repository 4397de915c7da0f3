"""All pairs of a mosaic, inside stacks and between them, as measurements of exposures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.levels.matrices import sparse_matrix
from jwst_mosaic_skymatch.levels.results import Stack
from jwst_mosaic_skymatch.levels.shifts import align_pairs
from jwst_mosaic_skymatch.offsets.results import PairMeasurement
from jwst_mosaic_skymatch.tiles.mean import mean_shares

__all__ = ["Measurements", "assemble", "pair_shares"]


@dataclass(frozen=True)
class Measurements:
    """Pairs of tiles, or of means of tiles, as measurements of n images.

    Attributes
    ----------
    pairs : tuple of PairMeasurement
        The pairs, at the shifts of their exposures.
    shares : sparse array, shape (n_pairs, n)
        Share of each image in each pair, negative on the second side: +1 and -1 for a pair of
        two tiles.
    shifts : ndarray, shape (n, 2)
        Shift (x, y) of each image from the mean, cells; NaN for none.
    shift_errors : ndarray, shape (n,)
        Its error along each axis, cells; NaN for none.
    n_inside : int
        Number of pairs inside stacks, which precede those of stacks.
    """

    pairs: tuple[PairMeasurement, ...]
    shares: sparse.csr_array
    shifts: np.ndarray
    shift_errors: np.ndarray
    n_inside: int


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
    ends = np.array([(pair.first, pair.second) for pair in pairs]).reshape(-1, 2)
    return sparse_matrix((len(pairs), n), np.arange(len(pairs))[:, None], ends, [1.0, -1.0])


def assemble(
    n: int,
    within: Sequence[PairMeasurement],
    stacks: Sequence[Stack],
    between: Sequence[PairMeasurement],
) -> Measurements:
    r"""Put all pairs in terms of exposures.

    Parameters
    ----------
    n : int
        Number of exposures.
    within : sequence of PairMeasurement
        Pairs inside stacks, by position of the exposures.
    stacks : sequence of Stack
        The stacks.
    between : sequence of PairMeasurement
        Pairs of stacks; the position after the last stack is that of a reference image.

    Returns
    -------
    Measurements
        Pairs inside stacks, and then those of stacks, as measurements of the n exposures and the
        image.

    Notes
    -----
    The mean of a stack in an overlap is that of its members with their shares f there. Approximate
    levels, gradients and gains of members have been removed, and are restored: an offset between
    stacks is one of exposures, see `~jwst_mosaic_skymatch.levels.equations`. The brightness remains
    that of the means: with the levels of members in it no error of levels was smaller.
    """
    across = _stack_shares(n, stacks, between)
    shares = sparse.vstack([pair_shares(n + 1, within), across], format="csr")
    own = _corrections(n, stacks)
    corrections, gains = across @ own, abs(across) @ own[:, 5]
    restored = [_restored(*row) for row in zip(between, corrections, gains, strict=True)]
    pairs, shifts, shift_errors = align_pairs([*within, *restored], shares)
    return Measurements(
        pairs=pairs,
        shares=shares,
        shifts=shifts,
        shift_errors=shift_errors,
        n_inside=len(within),
    )


def _stack_shares(
    n: int, stacks: Sequence[Stack], pairs: Sequence[PairMeasurement]
) -> sparse.csr_array:
    """Build the matrix of the shares of n exposures, and an image, in pairs of stacks."""
    entries: list[tuple[int, int, float]] = []
    for row, pair in enumerate(pairs):
        ends = [stacks[k] for k in (pair.first, pair.second) if k < len(stacks)]
        for sign, own, other in zip((1.0, -1.0), ends, ends[::-1], strict=False):
            shares = sign * mean_shares(own.coverage, other.information)
            entries += [(row, *entry) for entry in zip(own.members, shares, strict=True)]
        if pair.second == len(stacks):
            entries.append((row, n, -1.0))
    return sparse_matrix((len(pairs), n + 1), *np.array(entries).reshape(-1, 3).T)


def _corrections(n: int, stacks: Sequence[Stack]) -> np.ndarray:
    """Collect level at the origin of the grid, shift, gradient and gain of exposures and image."""
    corrections = np.zeros((n + 1, 6))
    for stack in stacks:
        own, centres = stack.corrections.copy(), [frame.centre for frame in stack.frames]
        own[:, 0] -= np.sum(own[:, 3:5] * centres, axis=1)
        corrections[list(stack.members)] = own
    return corrections


def _restored(pair: PairMeasurement, correction: np.ndarray, gains: float) -> PairMeasurement:
    """Add level, shift, gradient and gain of members to the measurement of their means.

    The brightness of a pair is the mean of its two sides. The first is brighter by half the offset.
    """
    estimate = pair.estimate.copy()
    estimate[:6] += correction
    estimate[0] += correction[1:] @ pair.centre[:5] + 0.5 * gains * pair.offset
    return replace(pair, estimate=estimate)
