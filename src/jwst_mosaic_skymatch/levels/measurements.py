"""Measurements of all pairs, in terms of exposures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from jwst_mosaic_skymatch.levels.matrices import sparse_matrix
from jwst_mosaic_skymatch.offsets.results import PairMeasurement

__all__ = ["Measurements", "pair_shares"]


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
    shifts, shift_errors : ndarray, shape (n, 2)
        Shift (x, y) of each image from the mean, cells, and its error; NaN for none.
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
