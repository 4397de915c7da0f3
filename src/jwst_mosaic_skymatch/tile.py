"""Drizzled images on cutouts of the shared grid."""

from dataclasses import dataclass, replace

import numpy as np
from drizzle.resample import Drizzle
from scipy.ndimage import gaussian_filter, shift
from scipy.spatial import KDTree

from jwst_mosaic_skymatch.noise import UNIFORM, NoiseCurve

__all__ = [
    "Tile",
    "bounding_cutout",
    "candidate_pairs",
    "crop_to_overlap",
    "drizzle_tile",
    "overlap_windows",
    "shift_tile",
    "window_of",
]


# Pixels in a cell from which on a pixel's orientation does not matter.
LEAST_FOR_TURBO = 3.0
# What a cubic spline takes from cells beyond this distance is below 1e-9.
MARGIN = 16


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
    weight : ndarray of float32, shape (ny, nx)
        Number of native pixels behind each cell, summed over exposures; 0
        where ``data`` is NaN. Pixels of an exposure with another noise count
        by their inverse variance.
    noise : NoiseCurve
        Variance of one such pixel.
    pixels_per_cell : float
        Number of an exposure's pixels in the area of a cell.
    smoothing : float
        Variance of a cell over what it was before the image was moved by a
        fraction of a cell (`shift_tile`); the mean of many cells keeps its
        variance.
    sky : float
        Level of the exposure's own pixels, MJy/sr; NaN if not measured.
    """

    x0: int
    y0: int
    data: np.ndarray
    weight: np.ndarray
    noise: NoiseCurve = UNIFORM
    pixels_per_cell: float = 1.0
    smoothing: float = 1.0
    sky: float = np.nan

    @property
    def shape(self):
        """Shape (ny, nx) in cells."""
        return self.data.shape

    @property
    def nbytes(self):
        """Bytes of the arrays."""
        return self.data.nbytes + self.weight.nbytes

    @property
    def bounds(self):
        """First and one-past-last cell (x_min, x_max, y_min, y_max)."""
        ny, nx = self.shape
        return self.x0, self.x0 + nx, self.y0, self.y0 + ny


def drizzle_tile(data, good, pixel_map, *, min_coverage, noise=UNIFORM):
    """Drizzle one exposure onto its own cutout of the grid.

    Parameters
    ----------
    data : ndarray, shape (ny, nx)
        Surface brightness, MJy/sr.
    good : ndarray of bool, shape (ny, nx)
        Pixels to use. Others are left out before drizzling, so that a bad
        pixel never leaks into a cell.
    pixel_map : PixelMap
        Where the pixels fall on the grid; those outside the bounding box of the
        WCS are left out.
    min_coverage : float
        Cells of which a smaller fraction is covered by good pixels are
        dropped: two exposures that cover different halves of a cell see
        different sky in it.
    noise : NoiseCurve, optional
        Noise of the exposure's pixels.

    Returns
    -------
    Tile or None
        None when no cell is left.
    """
    cutout = pixel_map.cutout
    usable = np.zeros(good.shape, dtype=bool)
    usable[pixel_map.inside] = good[pixel_map.inside]
    # On cells of about two pixels and more, squares that stay parallel to the cells
    # do as well as rotated ones, at half the cost.
    kernel = "turbo" if cutout.pixels_per_cell > LEAST_FOR_TURBO else "square"
    drizzle = Drizzle(kernel=kernel, out_shape=cutout.shape, fillval="NaN", disable_ctx=True)
    for rows, pixmap in pixel_map.bands(cutout):
        drizzle.add_image(
            np.where(usable[rows], data[rows], 0).astype(np.float32, copy=False),
            exptime=1.0,
            pixel_scale_ratio=float(np.sqrt(cutout.pixels_per_cell)),
            pixmap=pixmap,
            weight_map=usable[rows].astype(np.float32),
        )
    covered = drizzle.out_wht >= min_coverage * cutout.pixels_per_cell
    if not covered.any():
        return None
    return _trim(cutout, covered, drizzle, noise)


def _trim(cutout, covered, drizzle, noise):
    """Keep covered cells, and of the arrays the part that holds any."""
    rows, columns = (np.flatnonzero(covered.any(axis=axis)) for axis in (1, 0))
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    covered = covered[window]
    return Tile(
        cutout.x0 + int(columns[0]),
        cutout.y0 + int(rows[0]),
        np.where(covered, drizzle.out_img[window], np.float32(np.nan)),
        np.where(covered, drizzle.out_wht[window], np.float32(0)),
        noise,
        cutout.pixels_per_cell,
    )


def candidate_pairs(tiles):
    """Find pairs of tiles whose cutouts share at least one cell.

    Parameters
    ----------
    tiles : sequence of Tile or CoarseMap
        Tiles of one grid, or maps in blocks of one size.

    Returns
    -------
    list of tuple of int
        Positions (i, j), i < j, in ascending order.
    """
    if len(tiles) < 2:
        return []
    bounds = np.array([tile.bounds for tile in tiles], dtype=float)
    centres = 0.5 * np.stack([bounds[:, 0] + bounds[:, 1], bounds[:, 2] + bounds[:, 3]], axis=1)
    sizes = np.stack([bounds[:, 1] - bounds[:, 0], bounds[:, 3] - bounds[:, 2]], axis=1)
    # In units of the largest cutout two that overlap are at most 1 apart.
    near = KDTree(centres / sizes.max(axis=0)).query_pairs(1.0, p=np.inf, output_type="ndarray")
    i, j = np.sort(near, axis=1).T
    share = np.all(np.abs(centres[i] - centres[j]) < 0.5 * (sizes[i] + sizes[j]), axis=1)
    return sorted(zip(i[share].tolist(), j[share].tolist(), strict=True))


def overlap_windows(first, second):
    """Find the part of the grid that two tiles share.

    Parameters
    ----------
    first, second : Tile or CoarseMap
        Two tiles of one grid, or maps in blocks of one size.

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


def crop_to_overlap(first, second):
    """Cut two tiles down to what they share, and a margin for moving one.

    Parameters
    ----------
    first, second : Tile
        Two tiles of one grid.

    Returns
    -------
    tuple of Tile
        Views of the two.
    """
    windows = overlap_windows(first, second)
    return tuple(_cropped(t, w) for t, w in zip((first, second), windows, strict=True))


def _cropped(tile, window):
    rows, columns = (slice(max(w.start - MARGIN, 0), w.stop + MARGIN) for w in window)
    return replace(
        tile,
        x0=tile.x0 + columns.start,
        y0=tile.y0 + rows.start,
        data=tile.data[rows, columns],
        weight=tile.weight[rows, columns],
    )


def shift_tile(tile, x, y):
    """Move a displaced image back by a fraction of a cell.

    Parameters
    ----------
    tile : Tile
        The image.
    x, y : float
        Its displacement, cells.

    Returns
    -------
    Tile
        The image as it would be without displacement, by a cubic spline.
    """
    known = tile.weight > 0
    data = np.where(known, tile.data, 0.0)
    # The spline needs a value in holes; the mean of their surroundings will do.
    share = gaussian_filter(known.astype(np.float32), 2.0)
    around = gaussian_filter(data, 2.0) / np.maximum(share, 1e-3)
    moved = shift(np.where(known, data, around), (-y, -x), order=3, mode="nearest")
    return replace(
        tile,
        data=np.where(known, moved, np.nan).astype(np.float32),
        smoothing=tile.smoothing * _noise_gain(x) * _noise_gain(y),
    )


def _noise_gain(fraction):
    """Variance of white noise after a cubic spline has moved it along one axis."""
    impulse = np.zeros(65)
    impulse[32] = 1.0
    return float(np.square(shift(impulse, fraction, order=3)).sum())


def bounding_cutout(tiles):
    """Find the part of the grid that holds all tiles.

    Parameters
    ----------
    tiles : sequence of Tile
        Tiles of one grid.

    Returns
    -------
    x0, y0 : int
        Its first cell.
    shape : tuple of int
        Its shape (ny, nx).
    """
    bounds = np.array([tile.bounds for tile in tiles])
    x0, y0 = int(bounds[:, 0].min()), int(bounds[:, 2].min())
    return x0, y0, (int(bounds[:, 3].max()) - y0, int(bounds[:, 1].max()) - x0)


def window_of(tile, x0, y0):
    """Find where a tile lies in a larger array.

    Parameters
    ----------
    tile : Tile
        The tile.
    x0, y0 : int
        Cell of the grid that is the array's cell (0, 0).

    Returns
    -------
    tuple of slice
        Index of the tile's part of the array.
    """
    x_min, x_max, y_min, y_max = tile.bounds
    return np.s_[y_min - y0 : y_max - y0, x_min - x0 : x_max - x0]
