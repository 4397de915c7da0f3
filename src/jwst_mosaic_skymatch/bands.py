"""Large images, some rows at a time."""

__all__ = ["BAND_CELLS", "row_bands"]

# What is worked on at a time stays in a processor's cache, and needs no new memory,
# which costs more than most arithmetic does. Matrix products of so few are not shared
# among threads, on which rounding would depend.
BAND_CELLS = 24576


def row_bands(shape):
    """Cut an image into bands of whole rows.

    Parameters
    ----------
    shape : tuple of int
        Shape (ny, nx) of the image.

    Yields
    ------
    slice
        Rows of a band, of `BAND_CELLS` cells or fewer if a row has no more.
    """
    ny, nx = shape
    n_rows = max(BAND_CELLS // max(nx, 1), 1)
    for start in range(0, ny, n_rows):
        yield slice(start, min(start + n_rows, ny))
