"""Noise that neighbouring cells have in common."""

from dataclasses import dataclass
from typing import Self

import numpy as np

__all__ = ["CellCorrelation", "drizzle_correlation"]

# Rows of a band, and bands that tell enough of a large overlap.
BAND_ROWS = 16
N_BANDS = 8


def drizzle_correlation(pixels_per_cell: float) -> float:
    r"""Find by how much drizzle hides the variance of a mean.

    Parameters
    ----------
    pixels_per_cell : float
        Number of native pixels in the area of a cell.

    Returns
    -------
    float
        Variance of the mean over many cells, over that of independent cells
        with the same scatter.

    Notes
    -----
    A pixel is shared by the cells that it overlaps. With square pixels and
    cells, r pixels long, at random phase, the overlaps f along one axis have
    :math:`\sum f = r` and :math:`\langle\sum f^2\rangle = r - 1/3` (r >= 1) or
    :math:`r^2 - r^3/3` (r < 1); the ratio is
    :math:`(\sum f / \sum f^2)^2` for both axes together [1]_.

    References
    ----------
    .. [1] Fruchter & Hook 2002, PASP 114, 144, doi:10.1086/338393, section 7
    """
    r = np.sqrt(pixels_per_cell)
    squares = r - 1.0 / 3.0 if r >= 1 else r**2 - r**3 / 3.0
    return float((r / squares) ** 2)


@dataclass(frozen=True)
class CellCorrelation:
    """Correlation of the noise of neighbouring cells.

    Attributes
    ----------
    valid : ndarray of bool, shape (ny, nx)
        The cells that have a value; n of them.
    of_mean : float
        Variance of the mean over many cells, over that of independent ones.
    """

    valid: np.ndarray
    of_mean: float

    @classmethod
    def none(cls, n: int) -> Self:
        """Make n independent cells."""
        return cls(valid=np.ones((1, n), dtype=bool), of_mean=1.0)

    def products(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sum products of columns over cells, and over pairs of neighbouring cells.

        Parameters
        ----------
        columns : ndarray, shape (m, n)
            Some quantities in the n valid cells.

        Returns
        -------
        alone : ndarray, shape (m, m)
            Sum over cells of the product of two quantities.
        between : ndarray, shape (m, m)
            Sum over all pairs of different cells of the product of two
            quantities and the correlation of the two cells. For a constant it
            is ``of_mean`` - 1 times ``alone``, for what changes from cell to
            cell less.

        Notes
        -----
        Both sums run over the same bands of rows, of a large overlap not all: their ratio is
        known from a part, and all would take a twelfth of the time of a pair.
        """
        alone, between = np.zeros((2, len(columns), len(columns)))
        ny, nx = self.valid.shape
        ends = [0, *np.cumsum(np.count_nonzero(self.valid, axis=1)).tolist()]
        for start in range(0, ny, BAND_ROWS * max(ny // (BAND_ROWS * N_BANDS), 1)):
            stop = min(start + BAND_ROWS, ny)
            # The row below the band is there for its neighbours; rows and columns end in
            # zeros, so that the last cell has none.
            rows = slice(start, min(stop + 1, ny))
            places = np.flatnonzero(self.valid[rows])
            places += places // nx
            images = np.zeros((len(columns), (stop + 1 - start) * (nx + 1) + 1), columns.dtype)
            images[:, places] = columns[:, ends[start] : ends[rows.stop]]
            # Noise is shared with the next cell on each of four sides (what is shared with
            # the four at the corners, a tenth of it, is counted there).
            size = (stop - start) * (nx + 1)
            here, right, below = (images[:, k : k + size] for k in (0, 1, nx + 1))
            alone += np.einsum("an,bn->ab", here, here)
            between += np.einsum("an,bn->ab", here, right + below)
        between *= 0.25 * (self.of_mean - 1.0)
        return alone, between + between.T
