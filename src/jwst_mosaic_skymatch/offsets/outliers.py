"""Cells that disagree, and what they say of single exposures."""

from dataclasses import dataclass, replace

import numpy as np

from jwst_mosaic_skymatch.tiles.tile import Tile

__all__ = ["OutlierVotes", "Outliers"]


@dataclass(frozen=True)
class Outliers:
    """Cells in which two tiles disagree.

    Attributes
    ----------
    x0, y0 : int
        Cell of the grid that is cell (0, 0) of the overlap.
    valid : ndarray of bool, shape (ny, nx)
        Where both have data.
    first, second : ndarray of bool, shape (ny, nx)
        Where the first, and the second, tile is too bright.
    """

    x0: int
    y0: int
    valid: np.ndarray
    first: np.ndarray
    second: np.ndarray


class OutlierVotes:
    """How many partners of a tile have seen each of its cells, and find it too bright.

    Cosmic rays and afterglows would stay in the mean of a stack, too faint for
    the comparison with other stacks to recognize each, too many to ignore.

    Parameters
    ----------
    tile : Tile
        The tile.
    """

    def __init__(self, tile: Tile) -> None:
        self._corner = tile.x0, tile.y0
        self._votes = np.zeros(tile.shape, dtype=np.int16)

    def add(self, outliers: Outliers, too_bright: np.ndarray) -> None:  # numpydoc ignore=PR01
        """Count the votes of one partner; its mask tells where this tile is too bright."""
        ny, nx = outliers.valid.shape
        x, y = outliers.x0 - self._corner[0], outliers.y0 - self._corner[1]
        # For every cell: twice the votes against it, less the number of all votes.
        votes = self._votes[y : y + ny, x : x + nx]
        votes += 2 * too_bright.astype(np.int16)
        votes -= outliers.valid

    @property
    def share(self) -> float:
        """Share of the cells seen by any partner that most partners find too bright."""
        seen = np.count_nonzero(self._votes)
        return float(np.count_nonzero(self._votes > 0) / seen) if seen else 0.0

    def reject(self, tile: Tile) -> Tile:  # numpydoc ignore=PR01,RT01
        """Give the tile without the cells that most of its partners find too bright."""
        bad = self._votes > 0
        if not bad.any():
            return tile
        return replace(
            tile,
            data=np.where(bad, np.float32(np.nan), tile.data),
            weight=np.where(bad, np.float32(0), tile.weight),
        )
