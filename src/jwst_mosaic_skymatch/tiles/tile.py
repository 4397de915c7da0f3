"""Drizzled images on cutouts of the shared grid."""

from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from drizzle.resample import Drizzle
from scipy.ndimage import find_objects, gaussian_filter, shift

from jwst_mosaic_skymatch.tiles.frame import DetectorFrame
from jwst_mosaic_skymatch.tiles.pixel_map import PixelMap
from jwst_mosaic_skymatch.tiles.windows import Bounds, Shape, Window, bounds_of, overlap_windows

__all__ = ["StoredTile", "Tile", "crop_to_overlap", "drizzle_tile", "shift_tile", "store_tile"]

# Least number of pixels in a cell at which the orientation of a pixel does not matter: squares
# parallel to the cells then do as well as rotated ones, at half the cost.
LEAST_FOR_TURBO = 3.0
# Rows drizzled at a time: the map of a whole NIRCam exposure would take 67 MB.
BAND_ROWS = 128
# The weight that a cubic spline gives to cells beyond this distance is below 1e-9.
MARGIN = 16
# As drizzle 2.2 has it; in 2.1 the scale of the kernel also scales the image.
KERNEL_HAS_ITS_OWN_SCALE = "pixel_scale_ratio" in signature(Drizzle.add_image).parameters


@dataclass(frozen=True)
class Tile:
    """An image on a cutout of the shared grid.

    Attributes
    ----------
    x0, y0 : int
        Cell of the grid that is cell (0, 0) of the arrays.
    data : ndarray of float32, shape (ny, nx)
        Mean surface brightness of each cell, MJy/sr; NaN without data.
    weight : ndarray of float32, shape (ny, nx)
        Number of native pixels behind each cell, summed over exposures; 0
        where ``data`` is NaN. Pixels of an exposure with another noise count
        by their inverse variance.
    variance : float
        Quoted variance of one such pixel, (MJy/sr)^2; NaN if exposures quote no errors.
    pixels_per_cell : float
        Number of an exposure's pixels in the area of a cell.
    frames : tuple of DetectorFrame
        Frames of the exposures in it.
    """

    x0: int
    y0: int
    data: np.ndarray
    weight: np.ndarray
    variance: float = np.nan
    pixels_per_cell: float = 1.0
    frames: tuple[DetectorFrame, ...] = ()

    @property
    def shape(self) -> Shape:
        """Shape (ny, nx) in cells."""
        return self.data.shape

    @property
    def bounds(self) -> Bounds:
        """First and one-past-last cell (x_min, x_max, y_min, y_max)."""
        return bounds_of(self.x0, self.y0, self.data)


def drizzle_tile(
    data: np.ndarray, good: np.ndarray, pixel_map: PixelMap, *, min_coverage: float
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
    min_coverage : float
        Least fraction of a cell that good pixels cover. Two exposures that
        cover different halves of a cell see different sky in it.

    Returns
    -------
    Tile or None
        The tile, without variance and frame; None when no cell is left.
    """
    (x_min, x_max, y_min, y_max), pixels_per_cell = pixel_map.bounds, pixel_map.pixels_per_cell
    kernel = "turbo" if pixels_per_cell > LEAST_FOR_TURBO else "square"
    shape = y_max - y_min, x_max - x_min
    drizzle = Drizzle(kernel=kernel, out_shape=shape, fillval="NaN", disable_ctx=True)
    for start in range(0, len(data), BAND_ROWS):
        band = slice(start, start + BAND_ROWS)
        _add_image(
            drizzle,
            np.where(good[band], data[band], 0).astype(np.float32, copy=False),
            exptime=1.0,
            pixel_scale_ratio=pixels_per_cell**0.5,
            pixmap=pixel_map.coordinates(band),
            weight_map=good[band].astype(np.float32),
        )
    covered = drizzle.out_wht >= min_coverage * pixels_per_cell
    windows = find_objects(covered.view(np.uint8))
    if not windows:
        return None
    (rows, columns), covered = windows[0], covered[windows[0]]
    return Tile(
        x0=x_min + columns.start,
        y0=y_min + rows.start,
        data=np.where(covered, drizzle.out_img[rows, columns], np.nan),
        weight=np.where(covered, drizzle.out_wht[rows, columns], 0),
        pixels_per_cell=pixels_per_cell,
    )


def _add_image(
    drizzle: Drizzle, data: np.ndarray, *, pixel_scale_ratio: float, **arguments: Any
) -> None:
    """Drizzle an image as drizzle 2.2 does, with the side of an output pixel in input pixels."""
    if KERNEL_HAS_ITS_OWN_SCALE:
        drizzle.add_image(data, pixel_scale_ratio=pixel_scale_ratio, **arguments)
    else:
        drizzle.add_image(data / pixel_scale_ratio**2, scale=pixel_scale_ratio, **arguments)


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
        The image as it would be without shift, by a cubic spline.
    """
    valid = tile.weight > 0
    data = np.nan_to_num(tile.data)
    # The spline needs a value in holes; the mean of their surroundings will do.
    covered = gaussian_filter(valid.astype(np.float32), 2.0)
    around = gaussian_filter(data, 2.0) / np.maximum(covered, 1e-3)
    moved = shift(np.where(valid, data, around), (-y, -x), order=3, mode="nearest")
    return replace(tile, data=np.where(valid, moved, np.nan))


@dataclass(frozen=True)
class StoredTile:
    """A tile with its arrays in a file.

    Attributes
    ----------
    path : Path
        The file.
    bounds : tuple of int
        First and one-past-last cell (x_min, x_max, y_min, y_max).
    outline : Tile
        The tile with empty arrays.
    """

    path: Path
    bounds: Bounds
    outline: Tile

    def read(self, window: Window = np.s_[:, :]) -> Tile:
        """Read the tile, or a part of it.

        Parameters
        ----------
        window : tuple of slice, optional
            Rows and columns with non-negative limits; by default all.

        Returns
        -------
        Tile
            That part of the tile.
        """
        # Mapped, so that nothing but the window is read.
        data, weight = np.array(np.load(self.path, mmap_mode="r")[:, *window])
        rows, columns = window
        return replace(
            self.outline,
            x0=self.bounds[0] + (columns.start or 0),
            y0=self.bounds[2] + (rows.start or 0),
            data=data,
            weight=weight,
        )


def store_tile(tile: Tile, path: Path) -> StoredTile:
    """Write the arrays of a tile into a file.

    Parameters
    ----------
    tile : Tile
        The tile.
    path : Path
        An ``.npy`` file.

    Returns
    -------
    StoredTile
        The tile with its arrays in the file.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    try:
        np.save(path, np.stack([tile.data, tile.weight]))
    except OSError as error:
        raise OSError(
            f"{path}: cannot be written ({error}); make room in this directory, or set TMPDIR to "
            "another for temporary files."
        ) from None
    empty = np.zeros((0, 0))
    return StoredTile(path, tile.bounds, outline=replace(tile, data=empty, weight=empty))


def crop_to_overlap(first: StoredTile, second: StoredTile) -> tuple[Tile, Tile]:
    """Read the overlap of two stored tiles.

    Parameters
    ----------
    first, second : StoredTile
        The tiles.

    Returns
    -------
    tuple of Tile
        Their common cells, with a margin for `shift_tile`.
    """
    own, others = overlap_windows(first, second, MARGIN)
    return first.read(own), second.read(others)
