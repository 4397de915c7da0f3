"""Gradient of images that have holes."""

import numpy as np

__all__ = ["GRADIENT_NOISE", "gradient"]

#: Variance of the gradient of the mean of two images (stencil of fourth order), divided by the
#: variance of their difference.
GRADIENT_NOISE = 2 * ((2 / 3) ** 2 + (1 / 12) ** 2) / 4


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
    return _slope(image.T).T, _slope(image)


def _slope(image: np.ndarray) -> np.ndarray:
    """Differentiate along the first axis."""
    slope = np.full_like(image, np.nan)
    # Central differences alone miss a sixth of the slope of a star as narrow as
    # a cell, and as much of its shift would remain.
    inner = (image[3:-1] - image[1:-3]) * (2 / 3)
    inner -= (image[4:] - image[:-4]) * (1 / 12)
    slope[2:-2] = inner
    hole = np.isnan(image)
    # A tenth of the time of np.nonzero in two dimensions.
    row, column = np.divmod(np.flatnonzero(np.isnan(slope) & ~hole), image.shape[1])
    padded = np.pad(image, ((1, 1), (0, 0)), constant_values=np.nan)
    before, here, after = (padded[row + k, column] for k in range(3))
    distance = 2 - np.isnan(before) - np.isnan(after)
    before, after = (np.where(np.isnan(v), here, v) for v in (before, after))
    slope[row, column] = (after - before) / np.maximum(distance, 1)
    slope[hole] = np.nan
    return slope
