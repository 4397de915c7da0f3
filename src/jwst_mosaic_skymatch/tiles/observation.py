"""One exposure on its way to a tile: its pixels, and their places on the grid."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from jwst_mosaic_skymatch.exposures.detectors import lyot_steps
from jwst_mosaic_skymatch.exposures.pixels import (
    ExcludedPixels,
    FilePixels,
    Pixels,
    SkyStatistic,
    good_pixels,
)
from jwst_mosaic_skymatch.tiles.frame import detector_frame
from jwst_mosaic_skymatch.tiles.pixel_map import PixelMap
from jwst_mosaic_skymatch.tiles.scatter import scale_of
from jwst_mosaic_skymatch.tiles.tile import Tile, drizzle_tile
from jwst_mosaic_skymatch.tiles.windows import Bounds

__all__ = [
    "ALL_EXCLUDED",
    "NO_PIXEL",
    "SCATTERED",
    "Observation",
    "TileSettings",
    "TiledExposure",
    "make_tile",
]

#: Reasons why an exposure has no tile.
NO_PIXEL = "no good pixel"
ALL_EXCLUDED = "all good pixels are excluded"
SCATTERED = "good pixels too scattered to cover any cell of the grid"
# Pixels, or rows, from which the noise is measured, and the number of ranges of brightness.
N_SAMPLE, N_ROWS, N_RANGES = 20_000, 64, 16
# Distance of pixels whose differences are noise: resampled images have correlated neighbours.
LAG = 8


@dataclass(frozen=True)
class Observation:
    """Pixels of an exposure and their places on the grid, without data model or WCS.

    Attributes
    ----------
    pixels : Pixels or FilePixels
        The pixels, or their file.
    pixel_map : PixelMap
        Places of the pixels on the grid.
    excluded : ExcludedPixels
        Pixels that are left out of the tile, good or not.
    detector : str
        Name of the detector; empty if unknown.
    regions : tuple of tuple of int
        Regions of the detector, see `~jwst_mosaic_skymatch.exposures.detectors.detector_regions`.
    """

    pixels: Pixels | FilePixels
    pixel_map: PixelMap
    excluded: ExcludedPixels
    detector: str = ""
    regions: tuple[Bounds, ...] = ()


@dataclass(frozen=True)
class TileSettings:
    """Settings of tiles.

    Attributes
    ----------
    good : callable
        Takes data and flags of an exposure, and returns True for usable pixels.
    sky_statistic : SkyStatistic or None
        How to measure the level of each exposure's own pixels; None not to.
    """

    good: Callable[..., np.ndarray] = good_pixels
    sky_statistic: SkyStatistic | None = None


@dataclass(frozen=True)
class TiledExposure:
    """Tile and sky of an observation.

    Attributes
    ----------
    tile : Tile or None
        The drizzled image; None when no cell has data.
    sky : float
        Level of the exposure's own pixels, MJy/sr; NaN if there are none or it was not
        asked for.
    obstacle : str
        Why there is no tile; empty if there is one.
    steps : sequence of float
        Steps of the brightness along the rows of MIRI's Lyot field, see
        `~jwst_mosaic_skymatch.exposures.detectors.lyot_steps`.
    """

    tile: Tile | None
    sky: float
    obstacle: str = ""
    steps: Sequence[float] = ()


def make_tile(observation: Observation, settings: TileSettings) -> TiledExposure:
    """Drizzle an exposure.

    Parameters
    ----------
    observation : Observation
        The exposure.
    settings : TileSettings
        How it becomes a tile.

    Returns
    -------
    TiledExposure
        The tile, and the sky if asked for. Excluded pixels count for the sky, as in the
        stock step.
    """
    pixels = observation.pixels.read()
    statistic = settings.sky_statistic
    sky = np.nan if statistic is None else statistic(pixels.data, pixels.dq)
    good = settings.good(pixels.data, pixels.dq)
    used = good & ~observation.excluded.pixels
    tile = drizzle_tile(pixels.data, used, observation.pixel_map)
    if tile is None:
        obstacle = SCATTERED if used.any() else ALL_EXCLUDED if good.any() else NO_PIXEL
        return TiledExposure(None, sky, obstacle)
    frame = detector_frame(observation.pixel_map, good, observation.detector, observation.regions)
    variance, growth = _noise_of(pixels, used)
    return TiledExposure(
        replace(tile, variance=variance, growth=growth, frames=(frame,)),
        sky,
        steps=lyot_steps(pixels.data, used, observation.regions),
    )


def _noise_of(pixels: Pixels, used: np.ndarray) -> tuple[float, float]:
    """Give the variance of a pixel, (MJy/sr)^2, and its growth with the brightness.

    It is the median of the quoted ones. Weights by the quoted variance of each pixel would follow
    its noise, which a line through medians does not. Without usable errors differences of pixels
    give the variance.
    """
    if pixels.err is not None:
        # An odd stride takes even and odd columns.
        sampled = (v.ravel()[:: used.size // N_SAMPLE | 1] for v in (used, pixels.data, pixels.err))
        usable, data, err = sampled
        usable = usable & (err > 0.0) & (err < np.inf)
        data, variance = data[usable], err[usable].astype(float) ** 2
        if data.size >= N_RANGES:
            ranges = np.array_split(np.argsort(data, kind="stable"), N_RANGES)
            x, y = (np.array([np.median(v[own]) for own in ranges]) for v in (data, variance))
            slope = np.polyfit(x, y, 1, w=1.0 / y)[0] if x[-1] > x[0] else 0.0
            typical = float(np.median(variance))
            return typical, max(float(slope) / typical, 0.0)
    image = np.where(used, pixels.data, np.nan)[:: len(used) // N_ROWS + 1]
    differences = image[:, LAG:] - image[:, :-LAG]
    differences = differences[np.isfinite(differences)]
    # The weight of an image without noise would be infinite.
    return (0.5 * scale_of(differences) ** 2 if differences.size else 0.0) or 1.0, 0.0
