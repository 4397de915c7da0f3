"""Gradient of images that have holes."""

import numpy as np
from scipy.ndimage import correlate1d

__all__ = ["GRADIENT_NOISE", "gradient"]

# Fourth order: central differences alone miss a sixth of the slope of a star as narrow as
# a cell, and as much of its shift would remain.
STENCIL = np.array([1 / 12, -2 / 3, 0.0, 2 / 3, -1 / 12])
#: Variance of the gradient of the mean of two images, divided by the variance of their
#: difference.
GRADIENT_NOISE = float(STENCIL @ STENCIL) / 4


def gradient(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Differentiate an image to fourth order.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        The image; NaN in holes.

    Returns
    -------
    along_x, along_y : ndarray of float32, shape (ny, nx)
        Change per cell; NaN in holes. Beside holes and edges differences are central or
        one-sided, and zero where both neighbours are holes.
    """
    return _slope(image, 1), _slope(image, 0)


def _slope(image: np.ndarray, axis: int) -> np.ndarray:
    slope = correlate1d(image, STENCIL, axis, mode="constant", cval=np.nan)
    # Beside holes. A tenth of the time of np.nonzero in two dimensions.
    beside = np.flatnonzero(np.isnan(slope) & ~np.isnan(image))
    y, x = np.divmod(beside, image.shape[1])
    padded = np.pad(image, 1, constant_values=np.nan)
    before, here, after = (
        padded[y + k * (1 - axis) + axis, x + k * axis + 1 - axis] for k in range(3)
    )
    distance = 2 - np.isnan(before) - np.isnan(after)
    before, after = (np.where(np.isnan(v), here, v) for v in (before, after))
    slope[y, x] = (after - before) / np.maximum(distance, 1)
    return slope
