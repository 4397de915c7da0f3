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
    first, second : ndarray of uint8
        Where the first, and the second, tile is too bright: one bit for each
        cell of the overlap, packed by `numpy.packbits`.
    """

    x0: int
    y0: int
    shape: tuple[int, int]
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

    def bright(self, *, in_first):
        """Unpack where one of the tiles is too bright.

        Parameters
        ----------
        in_first : bool
            Which of the two.

        Returns
        -------
        ndarray of bool, shape (ny, nx)
            The cells.
        """
        bits = self.first if in_first else self.second
        ny, nx = self.shape
        return np.unpackbits(bits, count=ny * nx).reshape(ny, nx).astype(bool)


def reject_outliers(tiles, offsets):
    """Take cells out of a tile that most of its partners find too bright.

    Cosmic rays and afterglows would stay in the mean of a group, too faint for
    the comparison with other groups to recognize each, too many to ignore.

    Parameters
    ----------
    tiles : sequence of Tile
        Tiles of one grid.
    offsets : sequence of PairOffset
        Comparisons between them, by their positions, with outliers.

    Returns
    -------
    list of Tile
        The tiles with NaN, and no weight, in such cells.
    """
    cleaned = []
    for k, tile in enumerate(tiles):
        votes = np.zeros(tile.shape, dtype=np.int16)
        seen = np.zeros(tile.shape, dtype=np.int16)
        for offset in offsets:
            if k not in (offset.first, offset.second) or offset.outliers is None:
                continue
            window = offset.outliers.window(tile)
            other = tiles[offset.second if k == offset.first else offset.first]
            votes[window] += offset.outliers.bright(in_first=k == offset.first)
            seen[window] += other.weight[offset.outliers.window(other)] > 0
        bad = 2 * votes > seen
        if bad.any():
            tile = replace(
                tile,
                data=np.where(bad, np.float32(np.nan), tile.data),
                weight=np.where(bad, tile.weight.dtype.type(0), tile.weight),
            )
        cleaned.append(tile)
    return cleaned
