"""Places on the grid as a detector has them, so that a plane is one in pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.tiles.pixel_map import PixelMap
from jwst_mosaic_skymatch.tiles.windows import Bounds

__all__ = ["DetectorFrame", "PixelPlane", "detector_frame", "mean_places"]

# Highest power of the polynomial that takes cells to pixels; as high as in the distortion of MIRI,
# of which the inverse is good to a hundredth of a pixel, and that of NIRCam to less.
DEGREE = 5
# Points to a side to which it is fitted.
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

    def image(self, shape: tuple[int, int]) -> np.ndarray:  # numpydoc ignore=PR01,RT01
        """Evaluate the plane in all pixels, float32 of shape (ny, nx), MJy/sr."""
        rows = self.slope_y * (np.arange(shape[0]) - self.y)
        columns = self.slope_x * (np.arange(shape[1]) - self.x)
        return np.add.outer(rows, columns).astype(np.float32)


@dataclass(frozen=True)
class DetectorFrame:
    r"""Places on the grid, in cells, relative to the mean of an exposure's good pixels.

    With p the pixel that falls on a place, :math:`\bar p` their mean, and D the derivative of
    cells by pixels, the place is :math:`w = D (p - \bar p)`. It differs from the distance in cells
    by distortion, a hundredth of it: a background that is a plane in pixels is one in w.

    Attributes
    ----------
    pixel : ndarray, shape (2,)
        Mean position (x, y) of the good pixels.
    centre : ndarray, shape (2,)
        Where on the grid that is, cells.
    derivative : ndarray, shape (2, 2)
        D, change of cells (rows of the matrix) for each pixel along x and y.
    size : float
        Unit of the polynomial's argument, cells.
    coefficients : ndarray, shape (2, n_terms)
        Polynomial that takes places on the grid, relative to ``centre``, to w.
    parts : tuple of tuple of int, or None
        First and one-past-last pixel (x_min, x_max, y_min, y_max) of the imager, and of MIRI's
        Lyot field, if that may lie above the imager; None without it.
    """

    pixel: np.ndarray
    centre: np.ndarray
    derivative: np.ndarray
    size: float
    coefficients: np.ndarray
    parts: tuple[Bounds, Bounds] | None = None

    def near_pixels(
        self, x: np.ndarray, y: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:  # numpydoc ignore=PR01,RT01
        """Give the pixels (x, y) at places on the grid but for distortion, up to 8 for MIRI."""
        (xx, xy), (yx, yy) = np.linalg.inv(self.derivative)
        dx, dy = x - self.centre[0], y - self.centre[1]
        return self.pixel[0] + xx * dx + xy * dy, self.pixel[1] + yx * dx + yy * dy

    def places(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:  # numpydoc ignore=PR01,RT01
        """Give w, shape (2, ...), at places x, y on the grid, cells.

        Outside of the exposure, where the polynomial does not hold, w goes on along a line.
        """
        place = np.stack([x - self.centre[0], y - self.centre[1]]) / self.size
        inside = np.clip(place, -1.0, 1.0)
        bent = np.tensordot(self.coefficients, np.stack(_powers(*inside)), axes=1)
        return bent + np.tensordot(self.coefficients[:, 1:3], place - inside, axes=1)

    def plane(self, gradient: np.ndarray) -> PixelPlane:  # numpydoc ignore=PR01,RT01
        """Give the plane in pixels that has a gradient (2,) in w, MJy/sr per cell."""
        slopes = self.derivative.T @ gradient
        return PixelPlane(*self.pixel.tolist(), *slopes.tolist())


def detector_frame(
    pixel_map: PixelMap, good: np.ndarray, parts: tuple[Bounds, Bounds] | None = None
) -> DetectorFrame:
    """Find the frame of an exposure.

    Parameters
    ----------
    pixel_map : PixelMap
        Where its pixels fall on the grid.
    good : ndarray of bool, shape (ny, nx)
        Its good pixels, at least one.
    parts : tuple of tuple of int, optional
        Where imager and Lyot field are, see `DetectorFrame`.

    Returns
    -------
    DetectorFrame
        The frame.
    """
    rows, columns = (np.count_nonzero(good, axis=axis) for axis in (1, 0))
    pixel = np.array([c @ np.arange(c.size) / c.sum() for c in (columns, rows)])
    # Of the mesh only finite points: a WCS may give none outside of its bounding box.
    rows, columns = (_spread(nodes.size) for nodes in (pixel_map.y, pixel_map.x))
    x, y = np.meshgrid(pixel_map.x[columns], pixel_map.y[rows])
    cells = pixel_map.cells[np.ix_(rows, columns)].reshape(-1, 2)
    known = np.isfinite(cells).all(axis=1)
    offsets = np.stack([x.ravel(), y.ravel()], axis=1)[known] - pixel
    cells = cells[known]
    forward = _fit(offsets, cells)
    centre, derivative = forward[0], forward[1:3].T
    size = float(np.abs(cells - centre).max())
    return DetectorFrame(
        pixel=pixel,
        centre=centre,
        derivative=derivative,
        size=size,
        coefficients=_fit((cells - centre) / size, offsets @ derivative.T).T,
        parts=parts,
    )


def mean_places(
    frames: Sequence[DetectorFrame], x: np.ndarray, y: np.ndarray
) -> np.ndarray:  # numpydoc ignore=PR01,RT01
    """Average places, shape (2, ...), over the frames of some exposures."""
    return np.mean([frame.places(x, y) for frame in frames], axis=0)


def _spread(n: int) -> np.ndarray:
    """Choose some of n places, the outermost among them."""
    return np.unique(np.linspace(0, n - 1, MESH).astype(int))


def _fit(places: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Fit polynomials of two variables, places (n, 2), to values (n, k)."""
    scale = np.abs(places).max()
    design = np.stack(_powers(*(places / scale).T), axis=1)
    coefficients = np.linalg.lstsq(design, values, rcond=None)[0]
    return coefficients / np.array([scale**n for n in _DEGREES])[:, None]


# Powers of x and y in each term; the constant first, then the two linear ones.
_TERMS = [(n - k, k) for n in range(DEGREE + 1) for k in range(n + 1)]
_DEGREES = [i + j for i, j in _TERMS]


def _powers(x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Evaluate all terms."""
    return [x**i * y**j for i, j in _TERMS]
