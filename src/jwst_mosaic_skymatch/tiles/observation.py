"""One exposure on its way to a tile: its pixels, and where they fall on the grid."""

from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.exposures.pixels import (
    ExcludedPixels,
    FilePixels,
    Pixels,
    good_pixels,
)
from jwst_mosaic_skymatch.exposures.sky import SkyStatistic
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame, detector_frame
from jwst_mosaic_skymatch.tiles.noise import measure_noise
from jwst_mosaic_skymatch.tiles.pixel_map import PixelMap
from jwst_mosaic_skymatch.tiles.tile import Tile, drizzle_tile
from jwst_mosaic_skymatch.tiles.windows import Bounds

__all__ = ["Observation", "TiledExposure", "make_tile"]


@dataclass(frozen=True)
class Observation:
    """Pixels of an exposure and their places on the grid, without data model or WCS.

    Attributes
    ----------
    pixels : Pixels or FilePixels
        The pixels, or the file that they are in.
    pixel_map : PixelMap
        Where they fall on the grid.
    excluded : ExcludedPixels or None
        Those that are left out of the tile, good or not; None for none.
    parts : tuple of tuple of int, or None
        Where imager and Lyot field are, see `~jwst_mosaic_skymatch.tiles.frame.DetectorFrame`.
    """

    pixels: Pixels | FilePixels
    pixel_map: PixelMap
    excluded: ExcludedPixels | None = None
    parts: tuple[Bounds, Bounds] | None = None


@dataclass(frozen=True)
class TiledExposure:
    """What becomes of an observation.

    Attributes
    ----------
    tile : Tile or None
        The drizzled image; None when no cell has data.
    sky : float
        Level of the exposure's own pixels, MJy/sr; NaN if there are none or it was not
        asked for.
    has_good_pixel : bool
        Whether any pixel is good; without a tile, whether those are too scattered.
    all_excluded : bool
        Whether there are good pixels, and all of them are left out.
    """

    tile: Tile | None
    sky: float
    has_good_pixel: bool = True
    all_excluded: bool = False


def make_tile(
    observation: Observation,
    *,
    good_bits: int | None,
    lower: float | None,
    upper: float | None,
    min_coverage: float,
    sky_statistic: SkyStatistic | None = None,
) -> TiledExposure:
    """Drizzle an exposure.

    Parameters
    ----------
    observation : Observation
        The exposure.
    good_bits : int or None
        Data quality flags that do not make a pixel bad; None ignores all.
    lower, upper : float or None
        Limits of usable pixels, MJy/sr.
    min_coverage : float
        Least fraction of a cell to be covered by good pixels.
    sky_statistic : SkyStatistic, optional
        How to measure the level of the exposure's own pixels; None not to.

    Returns
    -------
    TiledExposure
        The tile, and the sky if asked for, which pixels that are left out count for: it is
        the stock step's.
    """
    pixels = observation.pixels.read()
    good = good_pixels(pixels.data, pixels.dq, good_bits=good_bits, lower=lower, upper=upper)
    has_good_pixel = bool(good.any())
    frames = _frames(observation, good)
    if observation.excluded is not None:
        good &= ~observation.excluded.unpack()
    tile = drizzle_tile(
        pixels.data,
        good,
        observation.pixel_map,
        min_coverage=min_coverage,
        noise=measure_noise(pixels.data, pixels.err, good),
        frames=frames,
    )
    sky = np.nan if sky_statistic is None else sky_statistic(pixels.data, pixels.dq)
    return TiledExposure(
        tile=tile,
        sky=sky,
        has_good_pixel=has_good_pixel,
        all_excluded=has_good_pixel and not good.any(),
    )


def _frames(observation: Observation, good: np.ndarray) -> tuple[DetectorFrame, ...]:
    """Find the frame of an exposure, by its good pixels that the WCS holds for, if any."""
    pixel_map = observation.pixel_map
    inside = np.zeros_like(good)
    inside[pixel_map.inside] = good[pixel_map.inside]
    return (detector_frame(pixel_map, inside, observation.parts),) if inside.any() else ()
