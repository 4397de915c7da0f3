"""Detector of an exposure on the grid: its pixels, planes in them, and its regions.

Regions may differ from the rest of a detector by a constant, the same in all exposures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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
    "region_shares",
]

#: Field of MIRI's Lyot coronagraph, which all exposures have in common.
LYOT = "lyot"
#: Regions of a detector: strips along the edges of the array, and that field.
REGIONS = ("left", "right", "bottom", "top", LYOT)

# Width of a square that is all inside or outside of a region, cells.
POINT = 1e-3


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

    @property
    def scale(self) -> float:
        """Width of a pixel, cells: the root of its area."""
        return float(np.sqrt(np.abs(np.linalg.det(self.derivative))))

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


def region_shares(
    frames: Sequence[DetectorFrame], places: np.ndarray, width: float = POINT
) -> np.ndarray:
    """Compute the share of exposures that see a square in each region of their detector.

    Parameters
    ----------
    frames : sequence of DetectorFrame
        Frames of the exposures.
    places : ndarray, shape (2, ...)
        Centres (x, y) of the squares on the grid, cells.
    width : float, optional
        Width of the squares, cells. They count as parallel to the rows.

    Returns
    -------
    ndarray of float32, shape (n_regions, ...)
        Share of the area inside the arrays, 0 to 1; 0 where there is none.
    """
    areas = np.zeros((1 + len(REGIONS), *places.shape[1:]), dtype=np.float32)
    for frame in frames:
        ny, nx = frame.shape
        bounds = np.reshape([(0, nx, 0, ny), *frame.regions], (-1, 2, 2, *[1] * (places.ndim - 1)))
        half = 0.5 * width / frame.scale
        centres = frame.pixels(places) + 0.5  # pixels begin half before their places
        sides = np.minimum(centres + half, bounds[:, :, 1])
        sides -= np.maximum(centres - half, bounds[:, :, 0])
        areas[: len(bounds)] += np.prod(np.maximum(sides, 0.0) / half, axis=1)
    return areas[1:] / np.where(areas[0] > 0, areas[0], 1.0)
