"""Detector of an exposure on the grid: its pixels, planes in them, and its regions.

Regions may differ from the rest of a detector by a constant, the same in all exposures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from scipy.ndimage import center_of_mass

from jwst_mosaic_skymatch.tiles.pixel_map import PixelMap, mesh_of
from jwst_mosaic_skymatch.tiles.windows import Bounds, Shape

__all__ = [
    "LYOT",
    "REGIONS",
    "DetectorFrame",
    "PixelPlane",
    "detector_frame",
    "detector_regions",
    "region_shares",
]

#: Strips along the edges of the array, and the field of MIRI's Lyot coronagraph.
REGIONS = ("left", "right", "bottom", "top", "lyot")
#: Position of that field among them.
LYOT = 4

# Width of the strips, full-frame pixels: glow reaches over the last 40 columns.
STRIP = 40
# Rows of full frames.
FULL_ROWS = {"MIRI": 1024, "NIRCAM": 2048, "NIRISS": 2048}
# One-past-last column and first row of the Lyot coronagraph's field on MIRI's full frame, 0-based.
# The field itself is smaller (columns 10 to 280, rows 745 to 1019). These are the subarray MASKLYOT
# of JWST's aperture file (SIAF), 320 columns and 304 rows from (1, 719), 1-based, or from row 717
# up to PRDOPSSOC-045, and all rows above. No other subarray has both the field and the imager.
LYOT_COLUMNS, LYOT_ROW = 320, 716


@dataclass(frozen=True)
class PixelPlane:
    """A plane with zero mean over the good pixels of an exposure.

    Attributes
    ----------
    x, y : float
        Mean position of the good pixels, 0-based.
    slope_x, slope_y : float
        Slopes along rows and along columns, MJy/sr per pixel.
    """

    x: float
    y: float
    slope_x: float
    slope_y: float

    def image(self, shape: Shape) -> np.ndarray:
        """Evaluate the plane in all pixels.

        Parameters
        ----------
        shape : tuple of int
            Shape (ny, nx) of the exposure.

        Returns
        -------
        ndarray of float32, shape (ny, nx)
            The plane, MJy/sr.
        """
        return np.fromfunction(
            lambda y, x: self.slope_x * (x - self.x) + self.slope_y * (y - self.y),
            shape,
            dtype=np.float32,
        )


@dataclass(frozen=True)
class DetectorFrame:
    """Place and orientation of a detector on the grid: an affine map.

    It leaves out the distortion, of up to 4 pixels of MIRI, 8 of NRCA1 and 14 of NRCALONG. A
    polynomial of third degree for it made no error of levels smaller, not under glow either.

    Attributes
    ----------
    pixel : ndarray, shape (2,)
        Mean position (x, y) of the good pixels.
    centre : ndarray, shape (2,)
        Its place on the grid, cells.
    derivative : ndarray, shape (2, 2)
        Change of cells (rows of the matrix) for each pixel along x and y.
    shape : tuple of int
        Shape (ny, nx) of the array.
    detector : str
        Name of the detector; empty if unknown.
    regions : tuple of tuple of int
        First and one-past-last pixel (x_min, x_max, y_min, y_max) of each of `REGIONS`, without
        the last or all of them if the array has none.
    """

    pixel: np.ndarray
    centre: np.ndarray
    derivative: np.ndarray
    shape: Shape
    detector: str = ""
    regions: tuple[Bounds, ...] = ()

    @property
    def angle(self) -> float:
        """Direction of the detector's rows on the grid, radians."""
        return float(np.arctan2(*self.derivative[::-1, 0]))

    def pixels(self, places: np.ndarray) -> np.ndarray:
        """Compute the pixel at places on the grid.

        Parameters
        ----------
        places : ndarray, shape (2, ...)
            Places (x, y) on the grid, cells.

        Returns
        -------
        ndarray, shape (2, ...)
            Pixel coordinates (column, row), without distortion.
        """
        offsets = (places.T - self.centre).T
        return (np.tensordot(np.linalg.inv(self.derivative), offsets, 1).T + self.pixel).T

    def plane(self, gradient: np.ndarray) -> PixelPlane:
        """Convert a gradient on the grid to a plane in pixels.

        Parameters
        ----------
        gradient : ndarray, shape (2,)
            Gradient along x and y of the grid, MJy/sr per cell.

        Returns
        -------
        PixelPlane
            The plane.
        """
        return PixelPlane(*np.append(self.pixel, self.derivative.T @ gradient).tolist())


def detector_frame(
    pixel_map: PixelMap,
    good: np.ndarray,
    detector: str = "",
    regions: tuple[Bounds, ...] = (),
) -> DetectorFrame:
    """Compute the frame of an exposure.

    Parameters
    ----------
    pixel_map : PixelMap
        Places of its pixels on the grid.
    good : ndarray of bool, shape (ny, nx)
        Its good pixels, at least one.
    detector : str, optional
        Name of its detector.
    regions : tuple of tuple of int, optional
        Regions of its detector, see `DetectorFrame`.

    Returns
    -------
    DetectorFrame
        The frame.
    """
    pixel = np.concatenate([center_of_mass(good.sum(axis=axis)) for axis in (0, 1)])
    offsets = np.reshape(np.meshgrid(*mesh_of(pixel_map.shape)), (2, -1)).T - pixel
    design = np.column_stack([offsets, np.ones(len(offsets))])
    fit = np.linalg.lstsq(design, pixel_map.cells.reshape(-1, 2), rcond=None)[0]
    return DetectorFrame(pixel, fit[2], fit[:2].T, pixel_map.shape, detector, regions)


def detector_regions(
    instrument: str | None, detector: str | None, subarray: str | None, shape: Shape
) -> tuple[Bounds, ...]:
    """Give the regions of a detector.

    Parameters
    ----------
    instrument, detector, subarray : str or None
        Names of the instrument, of its detector, and of the subarray.
    shape : tuple of int
        Shape (ny, nx) of the exposure.

    Returns
    -------
    tuple of tuple of int
        First and one-past-last pixel (x_min, x_max, y_min, y_max) of each of `REGIONS`; a pixel
        partly in the Lyot field belongs to it. Only MIRI's imager has the last, and subarrays
        have none.
    """
    ny, nx = shape
    if instrument not in FULL_ROWS or subarray not in (None, "FULL"):
        return ()
    scale = ny / FULL_ROWS[instrument]  # simulated full frames may be binned
    width = round(STRIP * scale)
    regions = (
        (0, width, 0, ny),
        (nx - width, nx, 0, ny),
        (0, nx, 0, width),
        (0, nx, ny - width, ny),
        (0, ceil(LYOT_COLUMNS * scale), floor(LYOT_ROW * scale), ny),
    )
    return regions if detector == "MIRIMAGE" else regions[:-1]


def region_shares(frames: Sequence[DetectorFrame], places: np.ndarray) -> np.ndarray:
    """Compute the share of exposures that see a place in each region of their detector.

    Parameters
    ----------
    frames : sequence of DetectorFrame
        Frames of the exposures.
    places : ndarray, shape (2, ...)
        Places (x, y) on the grid, cells.

    Returns
    -------
    ndarray of float32, shape (n_regions, ...)
        Share, 0 to 1, of the exposures with the place inside their array; 0 where there are
        none.
    """
    counts = np.zeros((1 + len(REGIONS), *places.shape[1:]), dtype=np.float32)
    for frame in frames:
        column, row = frame.pixels(places) + 0.5  # pixels reach half beyond their centres
        ny, nx = frame.shape
        for k, (x_min, x_max, y_min, y_max) in enumerate(((0, nx, 0, ny), *frame.regions)):
            counts[k] += (column >= x_min) & (column < x_max) & (row >= y_min) & (row < y_max)
    return counts[1:] / np.maximum(counts[0], 1)
