"""Gradient of images that have holes."""

import numpy as np

from jwst_mosaic_skymatch.bands import row_bands

__all__ = ["GRADIENT_NOISE", "banded_gradient", "gradient"]

# Variance of the gradient (the stencil in `_slope`) of the mean of two images, over
# that of their difference.
GRADIENT_NOISE = 2 * ((2 / 3) ** 2 + (1 / 12) ** 2) / 4

# Cells on each side that a gradient depends on.
REACH = 2


def gradient(image):
    """Differentiate an image that has holes.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        The image; NaN where unknown.

    Returns
    -------
    along_x, along_y : ndarray, shape (ny, nx)
        Change per cell, to fourth order; central or one-sided differences
        beside a hole, zero where both neighbours are unknown; NaN where the
        image is.
    """
    image = np.ascontiguousarray(image)
    return _slope(image, 1), _slope(image, 0)


def banded_gradient(shape, image_of):
    """Differentiate an image some rows at a time.

    Parameters
    ----------
    shape : tuple of int
        Shape (ny, nx) of the image.
    image_of : callable
        Takes a slice of rows and returns these rows of the image.

    Yields
    ------
    rows : slice
        Rows of a band.
    image : ndarray, shape (n_rows, nx)
        These rows of the image.
    along_x, along_y : ndarray, shape (n_rows, nx)
        As from `gradient` of the whole image.
    """
    for rows in row_bands(shape):
        wider = slice(max(rows.start - REACH, 0), min(rows.stop + REACH, shape[0]))
        image = image_of(wider)
        inner = slice(rows.start - wider.start, rows.stop - wider.start)
        yield rows, image[inner], *(slope[inner] for slope in gradient(image))


def _slope(image, axis):
    # Central differences alone miss a sixth of the slope of a star as narrow as
    # a cell, and so much of its displacement would be left over.
    size = image.shape[axis]
    slope = np.full_like(image, np.nan)
    if size > 4:

        def ahead(k):
            return image[(slice(None),) * axis + (slice(2 + k, size - 2 + k),)]

        inner = (ahead(1) - ahead(-1)) * np.float32(2 / 3)
        inner -= (ahead(2) - ahead(-2)) * np.float32(1 / 12)
        slope[(slice(None),) * axis + (slice(2, size - 2),)] = inner
    hole = np.isnan(image)
    # Beside holes and edges: two neighbours, or one.
    flat = image.ravel()
    missing = np.flatnonzero(np.isnan(slope) & ~hole)
    position = missing // image.shape[1] if axis == 0 else missing % image.shape[1]
    step = image.shape[1] if axis == 0 else 1
    low, high = (
        np.where(inside, flat[np.where(inside, missing + offset, 0)], np.float32(np.nan))
        for inside, offset in ((position > 0, -step), (position < size - 1, step))
    )
    here = flat[missing]
    found = np.float32(0.5) * (high - low)
    for difference in (high - here, here - low):
        found = np.where(np.isnan(found), difference, found)
    slope.ravel()[missing] = np.nan_to_num(found)
    slope[hole] = np.nan
    return slope
