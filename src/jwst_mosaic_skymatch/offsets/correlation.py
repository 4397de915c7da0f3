"""Noise that neighbouring cells have in common."""

from dataclasses import dataclass

import numpy as np

__all__ = ["CellCorrelation", "drizzle_correlation"]


def drizzle_correlation(pixels_per_cell):
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
    def none(cls, n):
        """Make n independent cells."""
        return cls(valid=np.ones((1, n), dtype=bool), of_mean=1.0)

    def between(self, columns):
        """Sum products of columns over all pairs of neighbouring cells.

        Parameters
        ----------
        columns : ndarray, shape (m, n)
            Some quantities in the n valid cells.

        Returns
        -------
        ndarray, shape (m, m)
            Sum over all pairs of different cells of the product of two
            quantities and the correlation of the two cells. For a constant it
            is ``of_mean`` - 1 times the sum of squares, for what changes from
            cell to cell less.
        """
        if self.of_mean == 1.0:
            return np.zeros((len(columns), len(columns)))
        ny, nx = self.valid.shape
        # Rows and columns end in zeros, so that the last cell of a row has no neighbour.
        places = np.flatnonzero(self.valid)
        places += places // nx
        images = np.zeros((len(columns), (ny + 1) * (nx + 1)), dtype=columns.dtype)
        for image, column in zip(images, columns, strict=True):
            image[places] = column
        # Noise is shared with the next cell on each of four sides (what is shared with
        # the four at the corners, a tenth of it, is counted there).
        here, right, below = (images[:, k : k + ny * (nx + 1)] for k in (0, 1, nx + 1))
        total = 0.25 * (self.of_mean - 1.0) * np.einsum("an,bn->ab", here, right + below)
        return total + total.T
