"""Detector of an exposure on the grid: places relative to it, and planes in its pixels."""

from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.tiles.pixel_map import PixelMap
from jwst_mosaic_skymatch.tiles.windows import Bounds, Shape

__all__ = ["DetectorFrame", "PixelPlane", "detector_frame"]


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
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        plane = self.slope_x * (columns - self.x) + self.slope_y * (rows - self.y)
        return plane.astype(np.float32)


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
    regions : tuple of tuple of int or None
        First and one-past-last pixel (x_min, x_max, y_min, y_max) of each of
        `~jwst_mosaic_skymatch.tiles.regions.REGIONS`. None for a region that the array does
        not have; empty if it has none.
    """

    pixel: np.ndarray
    centre: np.ndarray
    derivative: np.ndarray
    shape: Shape
    detector: str = ""
    regions: tuple[Bounds | None, ...] = ()

    @property
    def angle(self) -> float:
        """Direction of the detector's rows on the grid, radians."""
        return float(np.arctan2(*self.derivative[::-1, 0]))

    def places(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Compute the distance from the mean good pixel.

        Parameters
        ----------
        x, y : ndarray
            Places on the grid, cells, of shapes that can be broadcast.

        Returns
        -------
        ndarray, shape (2, ...)
            Distances along x and y, cells.
        """
        return np.stack(np.broadcast_arrays(x - self.centre[0], y - self.centre[1]))

    def pixels(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Compute the pixel at places on the grid.

        Parameters
        ----------
        x, y : ndarray
            Places on the grid, cells, of shapes that can be broadcast.

        Returns
        -------
        ndarray, shape (2, ...)
            Pixel coordinates (column, row), without distortion.
        """
        offsets = np.tensordot(np.linalg.inv(self.derivative), self.places(x, y), axes=1)
        return (offsets.T + self.pixel).T

    def plane(self, gradient: np.ndarray) -> PixelPlane:
        """Convert a gradient on the grid to a plane in pixels.

        Parameters
        ----------
        gradient : ndarray, shape (2,)
            Gradient in `places`, MJy/sr per cell.

        Returns
        -------
        PixelPlane
            The plane.
        """
        slopes = self.derivative.T @ gradient
        return PixelPlane(*self.pixel.tolist(), *slopes.tolist())


def detector_frame(
    pixel_map: PixelMap,
    good: np.ndarray,
    detector: str = "",
    regions: tuple[Bounds | None, ...] = (),
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
    regions : tuple of tuple of int or None, optional
        Regions of its detector, see `DetectorFrame`.

    Returns
    -------
    DetectorFrame
        The frame.
    """
    counts = (np.count_nonzero(good, axis=axis) for axis in (0, 1))
    pixel = np.array([np.average(np.arange(c.size), weights=c) for c in counts])
    x, y = np.meshgrid(pixel_map.x - pixel[0], pixel_map.y - pixel[1])
    design = np.stack([np.ones_like(x), x, y], axis=-1).reshape(-1, 3)
    centre, *columns = np.linalg.lstsq(design, pixel_map.cells.reshape(-1, 2), rcond=None)[0]
    return DetectorFrame(
        pixel=pixel,
        centre=centre,
        derivative=np.stack(columns, axis=1),
        shape=pixel_map.shape,
        detector=detector,
        regions=regions,
    )
