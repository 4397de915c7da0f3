"""Drizzled images on cutouts of the shared grid."""

import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from drizzle.resample import Drizzle
from scipy.ndimage import find_objects, gaussian_filter, shift

from jwst_mosaic_skymatch.tiles.frame import DetectorFrame
from jwst_mosaic_skymatch.tiles.pixel_map import PixelMap
from jwst_mosaic_skymatch.tiles.windows import (
    BLOCK_CELLS,
    BlockMap,
    Shape,
    Window,
    overlap_windows,
)

__all__ = [
    "StoredTile",
    "Tile",
    "crop_to_overlap",
    "drizzle_tile",
    "information_map",
    "shift_tile",
    "store_tile",
]

# Least number of pixels in a cell at which the orientation of a pixel does not matter: squares
# parallel to the cells then do as well as rotated ones, at half the cost.
LEAST_FOR_TURBO = 3.0
# The weight that the spline gives to cells beyond this distance is below 1e-8.
MARGIN = 24
# Tiles without noise must not leave the range of single precision, (MJy/sr)^2.
LEAST_VARIANCE = 1e-30


@dataclass(frozen=True)
class Tile(BlockMap):
    """An image on a cutout of the shared grid: whole blocks of `BLOCK_CELLS` to a side.

    Attributes
    ----------
    x0, y0 : int
        Cell of the grid that is cell (0, 0) of the arrays.
    weight : ndarray of float32, shape (ny, nx)
        Number of native pixels behind each cell, summed over exposures; 0
        where ``data`` is NaN. Pixels of an exposure with another noise count
        by their inverse variance.
    data : ndarray of float32, shape (ny, nx)
        Mean surface brightness of each cell, MJy/sr; NaN without data.
    variance : float
        Variance of one such pixel, (MJy/sr)^2: quoted, or measured if none is.
    pixels_per_cell : float
        Number of an exposure's pixels in the area of a cell.
    growth : float
        Growth of the variance with the brightness, in units of the variance for each MJy/sr.
    frames : tuple of DetectorFrame
        Frames of the exposures in it.
    """

    data: np.ndarray
    variance: float = 1.0
    pixels_per_cell: float = 1.0
    growth: float = 0.0
    frames: tuple[DetectorFrame, ...] = ()

    def read(self) -> Self:
        """Give the tile itself, as `StoredTile` gives that in its file."""
        return self

    @property
    def shape(self) -> Shape:
        """Shape (ny, nx) in cells."""
        return self.data.shape

    @property
    def places(self) -> np.ndarray:
        """Places x and y of all cells on the grid, cells; shape (2, ny, nx)."""
        x_min, x_max, y_min, y_max = self.bounds
        return np.mgrid[y_min:y_max, x_min:x_max][::-1].astype(float)


def drizzle_tile(
    data: np.ndarray, good: np.ndarray, pixel_map: PixelMap, *, min_coverage: float = 0.75
) -> Tile | None:
    """Drizzle one exposure onto its own cutout of the grid.

    Parameters
    ----------
    data : ndarray, shape (ny, nx)
        Surface brightness, MJy/sr.
    good : ndarray of bool, shape (ny, nx)
        Pixels to use. Others are left out before drizzling, so that a bad
        pixel never leaks into a cell.
    pixel_map : PixelMap
        Places of the pixels on the grid.
    min_coverage : float, optional
        Least fraction of a cell that good pixels cover. Two exposures that cover different parts
        of a cell see different sky in it. At the default cell size one bad pixel may be missing.

    Returns
    -------
    Tile or None
        The tile, without variance and frame; None when no cell is left.
    """
    (x_min, x_max, y_min, y_max), pixels_per_cell = pixel_map.bounds, pixel_map.pixels_per_cell
    kernel, pixfrac = "square", 1.0
    if pixels_per_cell > LEAST_FOR_TURBO:
        # This kernel has no other way to the size of a pixel that all versions of drizzle share.
        kernel, pixfrac = "turbo", pixels_per_cell**-0.5
    shape = y_max - y_min, x_max - x_min
    drizzle = Drizzle(kernel=kernel, out_shape=shape, disable_ctx=True)
    for rows, places in pixel_map.bands((x_min, y_min)):
        drizzle.add_image(data[rows], 1.0, places, weight_map=good[rows], pixfrac=pixfrac)
    covered = drizzle.out_wht >= min_coverage * pixels_per_cell
    weight = np.where(covered, drizzle.out_wht, 0)
    image = np.where(covered, drizzle.out_img, np.nan)
    tile = Tile(x_min, y_min, weight, image, pixels_per_cell=pixels_per_cell)
    extent = find_objects(covered.astype(int))
    if not extent:
        return None
    rows, columns = (
        slice(own.start // BLOCK_CELLS * BLOCK_CELLS, -(-own.stop // BLOCK_CELLS) * BLOCK_CELLS)
        for own in extent[0]
    )
    return _crop(tile, (rows, columns))


def _crop(tile: Tile, window: Window, margin: int = 0) -> Tile:
    """Cut a window with a margin out of a tile."""
    rows, columns = (slice(max(s.start - margin, 0), s.stop + margin) for s in window)
    return replace(
        tile,
        x0=tile.x0 + columns.start,
        y0=tile.y0 + rows.start,
        weight=tile.weight[rows, columns],
        data=tile.data[rows, columns],
    )


def shift_tile(tile: Tile, x: float, y: float) -> Tile:
    """Move a shifted image back by a fraction of a cell.

    Parameters
    ----------
    tile : Tile
        The image.
    x, y : float
        Its shift, cells.

    Returns
    -------
    Tile
        The image as it would be without shift, by a spline of fifth degree. With a cubic one errors
        of levels of displaced exposures are 5 % larger.
    """
    valid = tile.weight > 0
    data = np.nan_to_num(tile.data)
    # The spline needs a value in holes. With the median of the image there, and not the mean of
    # their surroundings, errors of levels are 4 % larger.
    covered = gaussian_filter(valid.astype(np.float32), 2.0)
    around = gaussian_filter(data, 2.0) / np.maximum(covered, 1e-3)
    moved = shift(np.where(valid, data, around), (-y, -x), order=5, mode="nearest")
    return replace(tile, data=np.where(valid, moved, np.nan))


def crop_to_overlap(first: Tile, second: Tile) -> tuple[Tile, Tile]:
    """Cut two tiles to their overlap: tiles may have to be sent to another machine.

    Parameters
    ----------
    first, second : Tile
        The tiles.

    Returns
    -------
    tuple of Tile
        Their common cells, with a margin for `shift_tile`.
    """
    own, others = overlap_windows(first, second)
    return _crop(first, own, MARGIN), _crop(second, others, MARGIN)


def information_map(tile: Tile) -> BlockMap:
    """Add up the information of a tile, for use without its arrays.

    Parameters
    ----------
    tile : Tile
        The tile.

    Returns
    -------
    BlockMap
        Inverse variance of the mean of each block, (MJy/sr)^-2.
    """
    ny, nx = (n // BLOCK_CELLS for n in tile.shape)
    sums = tile.weight.reshape(ny, BLOCK_CELLS, nx, BLOCK_CELLS).sum(axis=(1, 3))
    sums /= max(tile.variance, LEAST_VARIANCE)
    return BlockMap(tile.x0 // BLOCK_CELLS, tile.y0 // BLOCK_CELLS, sums)


@dataclass(frozen=True)
class StoredTile:
    """A tile in a file.

    Attributes
    ----------
    path : Path
        The file.
    """

    path: Path

    def read(self) -> Tile:
        """Read the tile."""
        return pickle.loads(self.path.read_bytes())


def store_tile(tile: Tile, path: Path) -> StoredTile:
    """Write a tile into a file.

    Parameters
    ----------
    tile : Tile
        The tile.
    path : Path
        The file.

    Returns
    -------
    StoredTile
        The tile in the file.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    try:
        path.write_bytes(pickle.dumps(tile))
    except OSError as error:
        raise OSError(
            f"{path}: cannot be written ({error}); make room in this directory, or set TMPDIR to "
            "another for temporary files."
        ) from None
    return StoredTile(path)
