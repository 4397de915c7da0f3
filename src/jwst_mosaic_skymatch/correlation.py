"""Noise that neighbouring cells have in common."""

from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.bands import row_bands

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
    known : ndarray of bool, shape (ny, nx)
        The cells that have a value; n of them.
    of_mean : float
        Variance of the mean over many cells, over that of independent ones.
    """

    known: np.ndarray
    of_mean: float

    @classmethod
    def none(cls, n):
        """Make n independent cells."""
        return cls(np.ones((1, n), dtype=bool), 1.0)

    def pieces(self):
        """Cut the cells into some rows at a time.

        Yields
        ------
        piece : slice
            Positions among the known cells.
        known : ndarray of bool, shape (n_rows, nx)
            These rows of ``known``.
        """
        ends = np.cumsum(np.count_nonzero(self.known, axis=1)).tolist()
        start = 0
        for rows in row_bands(self.known.shape):
            end = ends[rows.stop - 1]
            if end > start:
                yield slice(start, end), self.known[rows]
            start = end

    def between(self, columns, known):
        """Sum products of columns over cells and their neighbours.

        Parameters
        ----------
        columns : ndarray, shape (m, n)
            Some quantities in the n cells of a piece.
        known : ndarray of bool, shape (n_rows, nx)
            Where these are.

        Returns
        -------
        ndarray, shape (m, m)
            Sum over all pairs of different cells of the product of two
            quantities and the correlation of the two cells. For a constant it
            is ``of_mean`` - 1 times the sum of squares, for what changes from
            cell to cell less.
        """
        if self.of_mean == 1.0:
            return np.zeros((len(columns),) * 2)
        ny, nx = known.shape
        image = np.zeros((len(columns), (ny + 1) * (nx + 1)), dtype=columns.dtype)
        # Rows and columns end in zeros.
        framed = np.zeros((ny, nx + 1), dtype=bool)
        framed[:, :nx] = known
        places = np.flatnonzero(framed)
        for line, column in zip(image, columns, strict=True):
            line[places] = column
        # Neighbours in the next piece are not counted: one row in fifty or so, which makes
        # the variance too small by less than half a percent.
        # Noise is shared with the next cell on each of four sides (what is shared with
        # the four at the corners, a tenth of it, is counted there).
        here, right, below = (image[:, k : k + ny * (nx + 1)] for k in (0, 1, nx + 1))
        total = 0.25 * (self.of_mean - 1.0) * (here @ (right + below).T)
        return total + total.T
