"""Cells that disagree, and what they say of single exposures."""

from dataclasses import dataclass, replace

import numpy as np

__all__ = ["Outliers", "reject_outliers"]


@dataclass(frozen=True)
class Outliers:
    """Cells in which two tiles disagree.

    Attributes
    ----------
    x0, y0 : int
        Cell of the grid that is cell (0, 0) of the overlap.
    shape : tuple of int
        Shape (ny, nx) of the overlap.
    known : ndarray of uint8
        Where both have data: one bit for each cell of the overlap, packed by
        `numpy.packbits`.
    first, second : ndarray of uint8
        Where the first, and the second, tile is too bright, likewise.
    """

    x0: int
    y0: int
    shape: tuple[int, int]
    known: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def window(self, tile):
        """Find the overlap in a tile's arrays.

        Parameters
        ----------
        tile : Tile
            One of the two tiles.

        Returns
        -------
        tuple of slice
            Index of the overlap.
        """
        ny, nx = self.shape
        y, x = self.y0 - tile.y0, self.x0 - tile.x0
        return np.s_[y : y + ny, x : x + nx]

    def unpack(self, bits):
        """Unpack one of the masks.

        Parameters
        ----------
        bits : ndarray of uint8
            ``known``, ``first`` or ``second``.

        Returns
        -------
        ndarray of bool, shape (ny, nx)
            The cells.
        """
        ny, nx = self.shape
        return np.unpackbits(bits, count=ny * nx).reshape(ny, nx).view(bool)


def reject_outliers(tile, number, offsets):
    """Take cells out of a tile that most of its partners find too bright.

    Cosmic rays and afterglows would stay in the mean of a group, too faint for
    the comparison with other groups to recognize each, too many to ignore.

    Parameters
    ----------
    tile : Tile
        The tile.
    number : int
        Its position.
    offsets : sequence of PairOffset
        Comparisons, by position of the tiles, with outliers.

    Returns
    -------
    Tile
        The tile with NaN, and no weight, in such cells.
    """
    votes = np.zeros(tile.shape, dtype=np.int16)
    seen = np.zeros(tile.shape, dtype=np.int16)
    for offset in offsets:
        found = offset.outliers
        if found is None or number not in (offset.first, offset.second):
            continue
        window = found.window(tile)
        votes[window] += found.unpack(found.first if number == offset.first else found.second)
        seen[window] += found.unpack(found.known)
    bad = 2 * votes > seen
    if not bad.any():
        return tile
    return replace(
        tile,
        data=np.where(bad, np.float32(np.nan), tile.data),
        weight=np.where(bad, np.float32(0), tile.weight),
    )
