"""Detector of an exposure on the grid: places relative to it, and planes in its pixels."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.polynomial.polynomial import polyval2d, polyvander2d

from jwst_mosaic_skymatch.tiles.pixel_map import PixelMap
from jwst_mosaic_skymatch.tiles.windows import Bounds, Shape

__all__ = ["DetectorFrame", "PixelPlane", "detector_frame"]

# Degree in x and in y of the polynomial that corrects affine pixels for distortion. Largest
# errors over a full frame, pixels along an axis, without it and of degrees 2 and 3: 6.9, 1.4 and
# 0.20 for MIRI, 8.8, 0.18 and 0.09 for NRCA1, 16, 0.78 and 0.38 for NRCALONG.
DEGREE = 3
# Points to a side that it is fitted to.
MESH = 13


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
    """Place and orientation of a detector on the grid.

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
        `~jwst_mosaic_skymatch.tiles.regions.REGIONS`, None for a region that the array does
        not have; empty if it has none.
    coefficients : ndarray, shape (n, n, 2)
        Polynomial of column / nx and row / ny that is added to affine pixels for distortion.
    """

    pixel: np.ndarray
    centre: np.ndarray
    derivative: np.ndarray
    shape: Shape
    detector: str = ""
    regions: tuple[Bounds | None, ...] = ()
    coefficients: np.ndarray = field(default_factory=lambda: np.zeros((1, 1, 2)))

    @property
    def angle(self) -> float:
        """Direction of the detector's rows on the grid, radians."""
        return float(np.arctan2(*self.derivative[::-1, 0]))

    def places(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Find the distance from the mean good pixel.

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
        """Find the pixel at places on the grid.

        Parameters
        ----------
        x, y : ndarray
            Places on the grid, cells, of shapes that can be broadcast.

        Returns
        -------
        ndarray, shape (2, ...)
            Pixel coordinates (column, row), good to a pixel; they lie outside of the array for
            places outside of the exposure.
        """
        offsets = np.tensordot(np.linalg.inv(self.derivative), self.places(x, y), axes=1)
        affine = (offsets.T + self.pixel).T
        return affine + polyval2d(*_unit_square(affine, self.shape), self.coefficients)

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


def _unit_square(pixels: np.ndarray, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Scale pixels (2, ...) to 0 to 1 over the array; beyond it, take the nearest edge.

    A polynomial of the result is bounded: far places stay far from the array.
    """
    (column, row), (ny, nx) = pixels, shape
    return np.clip(column / nx, 0.0, 1.0), np.clip(row / ny, 0.0, 1.0)


def detector_frame(
    pixel_map: PixelMap,
    good: np.ndarray,
    detector: str = "",
    regions: tuple[Bounds | None, ...] = (),
) -> DetectorFrame:
    """Find the frame of an exposure.

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
    around = pixel_map.at(*(pixel[:, None] + [[-1.0, 0.0, 1.0]]))
    along_y, along_x = np.gradient(around, axis=(0, 1))
    frame = DetectorFrame(
        pixel=pixel,
        centre=around[1, 1],
        derivative=np.stack([along_x[1, 1], along_y[1, 1]], axis=1),
        shape=pixel_map.shape,
        detector=detector,
        regions=regions,
    )
    x, y = (np.linspace(-0.5, n - 0.5, MESH) for n in frame.shape[::-1])
    affine = frame.pixels(*pixel_map.at(x, y).reshape(-1, 2).T)
    bend = np.stack(np.meshgrid(x, y)).reshape(2, -1) - affine
    terms = polyvander2d(*_unit_square(affine, frame.shape), (DEGREE, DEGREE))
    coefficients = np.linalg.lstsq(terms, bend.T, rcond=None)[0]
    return replace(frame, coefficients=coefficients.reshape(DEGREE + 1, DEGREE + 1, 2))
