"""The cells that two tiles share, block by block."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from jwst_mosaic_skymatch.tiles.scatter import gradient
from jwst_mosaic_skymatch.tiles.tile import Tile
from jwst_mosaic_skymatch.tiles.windows import BLOCK_CELLS, overlap_windows

__all__ = ["Overlap", "drizzle_correlation"]

# Variance of the faintest cells in units of that at the median brightness, at least.
LEAST_NOISE = 0.1


@dataclass(frozen=True)
class Overlap:
    """Common cells of two tiles, n of them, in the order of blocks of `BLOCK_CELLS` to a side.

    Attributes
    ----------
    sizes : ndarray of int, shape (n_blocks,)
        Number of common cells in each block, at least one. Blocks begin at cell (0, 0) of the grid.
    places : ndarray, shape (2, n_blocks)
        Mean place x and y of the common cells of each block on the grid, cells.
    parts : ndarray of float32, shape (n_blocks,)
        Part of the information of each block that no other pair shares; zero if the block is not
        used.
    brightness : ndarray of float32, shape (n,)
        Mean of the two images, MJy/sr.
    difference : ndarray of float32, shape (n,)
        First image minus the second, MJy/sr.
    slopes : ndarray of float32, shape (2, n)
        Gradient of the mean image along x and y, MJy/sr per cell.
    variance : ndarray of float32, shape (n,)
        Quoted variance of the difference, (MJy/sr)^2.
    correlation : float
        Variance of a mean over cells, over that of independent cells.
    """

    sizes: np.ndarray
    places: np.ndarray
    parts: np.ndarray
    brightness: np.ndarray
    difference: np.ndarray
    slopes: np.ndarray
    variance: np.ndarray
    correlation: float

    @classmethod
    def of(cls, first: Tile, second: Tile, part: np.ndarray | None = None) -> Self:
        """Cut the common cells out of two tiles.

        Parameters
        ----------
        first, second : Tile
            Two tiles of one grid.
        part : ndarray, shape (ny, nx) in blocks, optional
            Part of the information that no other pair shares, see
            `~jwst_mosaic_skymatch.offsets.information.information_links`; all by default.

        Returns
        -------
        Overlap
            The cells in which both have data.
        """
        windows = overlap_windows(first, second)
        a, b = (tile.data[w] for tile, w in zip((first, second), windows, strict=True))
        mean = np.float32(0.5) * (a + b)
        cells, sizes = _block_order(np.isfinite(mean))
        held = sizes > 0
        sizes = sizes[held]
        starts = np.cumsum(sizes) - sizes
        places = [np.add.reduceat(k, starts) / sizes for k in np.divmod(cells, mean.shape[1])[::-1]]
        corner = [[max(first.x0, second.x0)], [max(first.y0, second.y0)]]
        # One array that is filled: temporary ones of its size would be most of the time.
        values = np.zeros((5, cells.size), dtype=np.float32)
        for row, image in zip(values, (mean, a - b, *gradient(mean)), strict=False):
            image.take(cells, out=row)
        brighter = values[0] - np.median(values[0]) if cells.size else values[0]
        for tile, window in zip((first, second), windows, strict=True):
            growth = np.maximum(1.0 + tile.growth * brighter, LEAST_NOISE)
            values[4] += tile.variance * growth / tile.weight[window].take(cells)
        return cls(
            sizes=sizes,
            places=np.add(places, corner),
            parts=np.ones(len(sizes), np.float32) if part is None else part.ravel()[held],
            brightness=values[0],
            difference=values[1],
            slopes=values[2:4],
            variance=values[4],
            correlation=drizzle_correlation(min(first.pixels_per_cell, second.pixels_per_cell)),
        )

    def block_sums(self, values: np.ndarray) -> np.ndarray:
        """Add up values over each block.

        Parameters
        ----------
        values : ndarray, shape (..., n)
            Values of each cell.

        Returns
        -------
        ndarray of float64, shape (..., n_blocks)
            The sums.
        """
        starts = np.cumsum(self.sizes) - self.sizes
        return np.add.reduceat(values, starts, axis=-1, dtype=float)

    def block_medians(self, values: np.ndarray) -> np.ndarray:
        """Take the median over each block.

        Parameters
        ----------
        values : ndarray of float32, shape (n,)
            A value of each cell.

        Returns
        -------
        ndarray of float64, shape (n_blocks,)
            The medians, of an even number of cells the upper.
        """
        cells = np.full((self.sizes.size, BLOCK_CELLS**2), np.inf, dtype=np.float32)
        cells[np.arange(BLOCK_CELLS**2) < self.sizes[:, None]] = values
        cells.sort(axis=1)  # a third of the time of nanmedian
        return cells[np.arange(self.sizes.size), self.sizes // 2].astype(float)


def _block_order(shared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the shared cells of a window block by block, and count those of each block."""
    numbers = np.where(shared, np.arange(shared.size).reshape(shared.shape), -1)
    ny, nx = (n // BLOCK_CELLS for n in shared.shape)
    in_blocks = numbers.reshape(ny, BLOCK_CELLS, nx, BLOCK_CELLS).swapaxes(1, 2)
    blocks = in_blocks.reshape(ny * nx, BLOCK_CELLS**2)
    return blocks[blocks >= 0], np.count_nonzero(blocks >= 0, axis=1)


def drizzle_correlation(pixels_per_cell: float) -> float:
    r"""Compute the factor by which drizzle hides the variance of a mean.

    Parameters
    ----------
    pixels_per_cell : float
        Number of native pixels in the area of a cell.

    Returns
    -------
    float
        Variance of the mean over many cells, over that of independent cells with the same
        scatter.

    Notes
    -----
    A pixel is shared by the cells that it overlaps. Pixels and cells are squares at random phase,
    and a cell is r pixels long. The overlaps f along one axis have :math:`\sum f = r` and
    :math:`\langle\sum f^2\rangle = r - 1/3` (r >= 1) or :math:`r^2 - r^3/3` (r < 1). The ratio is
    :math:`(\sum f / \sum f^2)^2` for both axes together [1]_.

    References
    ----------
    .. [1] Fruchter & Hook 2002, PASP 114, 144, doi:10.1086/338393, section 7
    """
    r = np.sqrt(pixels_per_cell)
    squares = r - 1.0 / 3.0 if r >= 1 else r**2 - r**3 / 3.0
    return (r / squares) ** 2
