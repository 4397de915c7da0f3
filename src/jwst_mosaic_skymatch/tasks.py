"""What is done to one exposure, in whatever process.

Functions of plain arguments; importing this module is quick.
"""

from dataclasses import dataclass, replace

import numpy as np

from jwst_mosaic_skymatch.footprint import CoarseMap, block_sums, coarse_map
from jwst_mosaic_skymatch.noise import measure_noise
from jwst_mosaic_skymatch.pixels import good_pixels
from jwst_mosaic_skymatch.statistic import Statistic
from jwst_mosaic_skymatch.tile import drizzle_tile

__all__ = ["Recipe", "TileSummary", "make_tile", "summarize"]

# Cells to a side of the blocks over which information is added up. An overlap's
# edge is blurred by less than this; ten cells wide, that is 2 % on an error.
INFORMATION_BLOCK = 2


@dataclass(frozen=True)
class Recipe:
    """How an exposure becomes a tile.

    Attributes
    ----------
    good_bits : int or None
        Data quality flags that do not make a pixel bad; None ignores all.
    lower, upper : float or None
        Limits of usable pixels, MJy/sr.
    min_coverage : float
        Least fraction of a cell to be covered by good pixels.
    sky : Statistic or None
        How to measure the sky of the exposure as well; None not to.
    """

    good_bits: int | None
    lower: float | None
    upper: float | None
    min_coverage: float
    sky: Statistic | None = None


@dataclass(frozen=True)
class TileSummary:
    """What is kept of a tile when its arrays are elsewhere.

    Attributes
    ----------
    bounds : tuple of int
        First and one-past-last cell (x_min, x_max, y_min, y_max).
    coverage : CoarseMap
        Number of pixels in large blocks of cells.
    information : CoarseMap
        Inverse variance in small blocks of cells, (MJy/sr)^-2; number of pixels
        if ``measured`` is False.
    measured : bool
        Whether the exposures quote errors.
    pixels_per_cell : float
        Number of an exposure's pixels in the area of a cell.
    pixel_variance : float
        Variance of a pixel at the median brightness, (MJy/sr)^2; 1 if not
        ``measured``.
    sky : float
        Level of the exposure's own pixels, MJy/sr; NaN if not asked for.
    """

    bounds: tuple[int, int, int, int]
    coverage: CoarseMap
    information: CoarseMap
    measured: bool
    pixels_per_cell: float
    pixel_variance: float
    sky: float

    @property
    def n_cells(self):
        """Number of cells of its cutout."""
        x_min, x_max, y_min, y_max = self.bounds
        return (x_max - x_min) * (y_max - y_min)


def make_tile(source, pixel_map, recipe):
    """Reduce an exposure to its tile.

    Parameters
    ----------
    source : Pixels or FilePixels
        Its pixels.
    pixel_map : PixelMap
        Where they fall on the grid.
    recipe : Recipe
        How to do it.

    Returns
    -------
    Tile or None
        None when the exposure has no usable pixel.
    """
    pixels = source.read()
    good = good_pixels(
        pixels.data,
        pixels.dq,
        good_bits=recipe.good_bits,
        lower=recipe.lower,
        upper=recipe.upper,
    )
    noise = measure_noise(pixels.data, pixels.err, good)
    tile = drizzle_tile(pixels.data, good, pixel_map, min_coverage=recipe.min_coverage, noise=noise)
    if tile is None or recipe.sky is None:
        return tile
    return replace(tile, sky=recipe.sky(pixels.data[good]).value)


def summarize(tile):
    """Describe a tile.

    Parameters
    ----------
    tile : Tile or None
        The tile.

    Returns
    -------
    TileSummary or None
        Its extent and weights; None for None.
    """
    if tile is None:
        return None
    weight = tile.weight.astype(np.float32)
    if tile.noise.measured:
        weight /= tile.noise.approximate(np.nan_to_num(tile.data))
    return TileSummary(
        tile.bounds,
        coarse_map(tile),
        block_sums(tile, weight, INFORMATION_BLOCK),
        tile.noise.measured,
        tile.pixels_per_cell,
        float(tile.noise(np.median(tile.noise.brightness))),
        tile.sky,
    )
