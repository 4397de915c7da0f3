"""Drizzled images on cutouts of the shared grid."""

from dataclasses import dataclass, replace

import numpy as np
from drizzle.resample import Drizzle

__all__ = ["Tile", "drizzle_tile", "overlap_windows", "stack_tiles"]


@dataclass(frozen=True)
class Tile:
    """An image on a cutout of the shared grid.

    Attributes
    ----------
    x0, y0 : int
        Cell of the grid that is cell (0, 0) of the arrays.
    data : ndarray of float32, shape (ny, nx)
        Mean surface brightness of each cell, MJy/sr; NaN where nothing is
        known.
    weight : ndarray of float16, shape (ny, nx)
        Number of native pixels behind each cell, summed over exposures, to
        three digits; 0 where ``data`` is NaN.
    """

    x0: int
    y0: int
    data: np.ndarray
    weight: np.ndarray

    @property
    def shape(self):
        """Shape (ny, nx) in cells."""
        return self.data.shape

    @property
    def bounds(self):
        """First and one-past-last cell (x_min, x_max, y_min, y_max)."""
        ny, nx = self.shape
        return self.x0, self.x0 + nx, self.y0, self.y0 + ny


def drizzle_tile(data, good, pixmaps, cutout, *, min_coverage):
    """Drizzle one exposure onto its own cutout of the grid.

    Parameters
    ----------
    data : ndarray, shape (ny, nx)
        Surface brightness, MJy/sr.
    good : ndarray of bool, shape (ny, nx)
        Pixels to use. Others are left out before drizzling, so that a bad
        pixel never leaks into a cell.
    pixmaps : iterable of tuple of (slice, ndarray)
        Rows, and the cell coordinates of their pixels' centres
        (`~jwst_mosaic_skymatch.grid.Grid.pixmaps`).
    cutout : Cutout
        The part of the grid to drizzle onto.
    min_coverage : float
        Cells of which a smaller fraction is covered by good pixels are
        dropped: two exposures that cover different halves of a cell see
        different sky in it.

    Returns
    -------
    Tile or None
        None when no cell is left.
    """
    drizzle = Drizzle(kernel="square", out_shape=cutout.shape, fillval="NaN", disable_ctx=True)
    for rows, pixmap in pixmaps:
        drizzle.add_image(
            np.where(good[rows], data[rows], 0).astype(np.float32, copy=False),
            exptime=1.0,
            pixmap=pixmap,
            weight_map=good[rows].astype(np.float32),
        )
    covered = drizzle.out_wht >= min_coverage * cutout.pixels_per_cell
    if not covered.any():
        return None
    return _trim(cutout, covered, drizzle)


def _trim(cutout, covered, drizzle):
    """Keep covered cells, and of the arrays the part that holds any."""
    rows, columns = (np.flatnonzero(covered.any(axis=axis)) for axis in (1, 0))
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    covered = covered[window]
    return Tile(
        cutout.x0 + int(columns[0]),
        cutout.y0 + int(rows[0]),
        np.where(covered, drizzle.out_img[window], np.float32(np.nan)),
        np.where(covered, drizzle.out_wht[window], 0).astype(np.float16),
    )


def overlap_windows(first, second):
    """Find the part of the grid that two tiles share.

    Parameters
    ----------
    first, second : Tile
        Two tiles of one grid.

    Returns
    -------
    tuple of slice, tuple of slice
        Index of the common window in the arrays of ``first`` and of
        ``second``; empty slices when the tiles share no cell.
    """
    ax0, ax1, ay0, ay1 = first.bounds
    bx0, bx1, by0, by1 = second.bounds
    x0, y0 = max(ax0, bx0), max(ay0, by0)
    x1, y1 = max(min(ax1, bx1), x0), max(min(ay1, by1), y0)
    return (
        np.s_[y0 - ay0 : y1 - ay0, x0 - ax0 : x1 - ax0],
        np.s_[y0 - by0 : y1 - by0, x0 - bx0 : x1 - bx0],
    )


def stack_tiles(tiles, levels):
    """Average tiles after their levels have been subtracted.

    Parameters
    ----------
    tiles : sequence of Tile
        Tiles of one grid.
    levels : sequence of float
        Level to subtract from each tile, MJy/sr.

    Returns
    -------
    Tile
        Mean of the tiles in each cell, weighted by the number of native
        pixels; NaN where no tile has data.
    """
    if len(tiles) == 1:
        only = tiles[0]
        return replace(only, data=only.data - np.float32(levels[0]))
    bounds = np.array([tile.bounds for tile in tiles])
    x0, y0 = int(bounds[:, 0].min()), int(bounds[:, 2].min())
    shape = (int(bounds[:, 3].max()) - y0, int(bounds[:, 1].max()) - x0)
    total = np.zeros(shape)
    weight = np.zeros(shape, dtype=np.float32)
    for tile, level in zip(tiles, levels, strict=True):
        xa, xb, ya, yb = tile.bounds
        window = np.s_[ya - y0 : yb - y0, xa - x0 : xb - x0]
        known = tile.weight > 0
        total[window] += np.where(known, (tile.data - np.float64(level)) * tile.weight, 0.0)
        weight[window] += tile.weight
    known = weight > 0
    mean = np.full(shape, np.nan, dtype=np.float32)
    mean[known] = total[known] / weight[known]
    return Tile(x0, y0, mean, weight.astype(np.float16))
