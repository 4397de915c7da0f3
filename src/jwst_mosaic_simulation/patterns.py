"""Made-up observations: dithers and mosaics in one or more visits."""

from collections.abc import Iterable

import numpy as np

from .aperture import Aperture, load_aperture
from .pointing import Pointing, offset_pointing

__all__ = ["dither_pointings", "mosaic_pointings"]

_GOLDEN_ANGLE = np.pi * (3 - 5**0.5)


def dither_pointings(
    n: int,
    *,
    center: tuple[float, float] = (150.0, 2.2),
    rolls: Iterable[float] = (0.0,),
    step: float = 4.0,
    aperture: str = "MIRIM_FULL",
    program: str = "09999",
) -> tuple[Pointing, ...]:
    """Dither about a point, in one visit per roll.

    Parameters
    ----------
    n : int
        Dithers per visit.
    center : tuple of float, optional
        Right ascension and declination of the aperture's reference point, degrees.
    rolls : iterable of float, optional
        Roll of each visit, degrees; every visit is an observation of its own.
    step : float, optional
        Smallest distance of two dithers, arcsec.
    aperture : str, optional
        SIAF name.
    program : str, optional
        Program number, 5 digits.

    Returns
    -------
    tuple of Pointing
        ``n`` times the number of rolls.
    """
    pointings = []
    for observation, roll in enumerate(rolls, start=1):
        first = Pointing(*center, roll, aperture, program, observation=f"{observation:03d}")
        pointings += _dither(first, n, step)
    return tuple(pointings)


def mosaic_pointings(
    nx: int,
    ny: int,
    *,
    overlap: float = 0.1,
    overlap_pixels: float | None = None,
    dithers: int = 1,
    step: float = 4.0,
    center: tuple[float, float] = (150.0, 2.2),
    rolls: Iterable[float] = (0.0,),
    visit_per_tile: bool = False,
    aperture: str = "MIRIM_FULL",
    subarray: tuple[int, int, int, int] | None = None,
    program: str = "09999",
) -> tuple[Pointing, ...]:
    """Lay out a mosaic of tiles, observed once per roll.

    Parameters
    ----------
    nx, ny : int
        Tiles along the detector's columns and rows.
    overlap : float, optional
        Overlap of neighbouring tiles as a fraction of the field.
    overlap_pixels : float, optional
        Overlap in full-frame pixels; replaces ``overlap``.
    dithers : int, optional
        Dithers per tile.
    step : float, optional
        Smallest distance of two dithers, arcsec.
    center : tuple of float, optional
        Right ascension and declination of the middle of the mosaic, degrees.
    rolls : iterable of float, optional
        Roll of each observation, degrees.
    visit_per_tile : bool, optional
        Whether each tile is a visit, instead of each roll.
    aperture : str, optional
        SIAF name.
    subarray : tuple of int, optional
        Crop ``(x0, y0, nx, ny)`` in full-frame pixels that the tiles consist of.
    program : str, optional
        Program number, 5 digits.

    Returns
    -------
    tuple of Pointing
        Row by row, tile by tile, dither by dither.
    """
    pitch = _tile_pitch(load_aperture(aperture, 1, subarray), overlap, overlap_pixels)
    tiles = [(i - (nx - 1) / 2, j - (ny - 1) / 2) for j in range(ny) for i in range(nx)]
    pointings = []
    for observation, roll in enumerate(rolls, start=1):
        middle = Pointing(*center, roll, aperture, program, observation=f"{observation:03d}")
        for number, (x, y) in enumerate(tiles):
            visit = f"{number + 1:03d}" if visit_per_tile else "001"
            tile = offset_pointing(middle, x * pitch[0], y * pitch[1], visit=visit)
            first = 1 if visit_per_tile else 1 + number * dithers
            pointings += _dither(tile, dithers, step, first)
    return tuple(pointings)


def _tile_pitch(aperture: Aperture, overlap: float, overlap_pixels: float | None) -> np.ndarray:
    scale = aperture.pixel_area**0.5
    size = np.array(aperture.subarray[2:], dtype=float)
    shared = overlap * size if overlap_pixels is None else overlap_pixels
    return (size - shared) * scale


def _dither(pointing: Pointing, n: int, step: float, first: int = 1) -> list[Pointing]:
    # A sunflower spiral: any number of points, evenly spread, none on a line.
    k = np.arange(n)
    x, y = step * np.sqrt(k) * (np.cos(_GOLDEN_ANGLE * k), np.sin(_GOLDEN_ANGLE * k))
    return [offset_pointing(pointing, x[i], y[i], exposure=f"{first + i:05d}") for i in range(n)]
