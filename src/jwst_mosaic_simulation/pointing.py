"""Pointings of detectors, and observations of many pointings: dithers and mosaics."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ._geometry import load_aperture, v2v3_to_sky

_GOLDEN_ANGLE = np.pi * (3 - 5**0.5)


@dataclass(frozen=True)
class Pointing:
    """Position and identifiers of one detector in one exposure.

    Attributes
    ----------
    ra_ref, dec_ref, roll_ref : float
        Sky position of the aperture's reference point and position angle of V3 there, degrees.
    aperture : str
        SIAF name of the aperture.
    program, observation, visit, visit_group, sequence_id, activity_id, exposure : str
        Numbers of 5, 3, 3, 2, 1, 2 and 5 digits.
    """

    ra_ref: float
    dec_ref: float
    roll_ref: float = 0.0
    aperture: str = "MIRIM_FULL"
    program: str = "09999"
    observation: str = "001"
    visit: str = "001"
    visit_group: str = "02"
    sequence_id: str = "1"
    activity_id: str = "01"
    exposure: str = "00001"

    @property
    def detector(self) -> str:
        """Name of the detector, e.g. ``MIRIMAGE``, ``NRCA1`` or ``NRCBLONG``."""
        if self.aperture.startswith("MIRIM"):
            return "MIRIMAGE"
        return self.aperture.split("_")[0].replace("5", "LONG")

    @property
    def visit_id(self) -> str:
        """Program, observation and visit in one string."""
        return self.program + self.observation + self.visit

    @property
    def exposure_id(self) -> str:
        """The part of the rootname common to all detectors of an exposure."""
        activity = self.visit_group + self.sequence_id + self.activity_id
        return f"jw{self.visit_id}_{activity}_{self.exposure}"

    @property
    def rootname(self) -> str:
        """File name without suffix, e.g. ``jw02732002001_02101_00001_mirimage``."""
        return f"{self.exposure_id}_{self.detector.lower()}"


def offset_pointing(pointing: Pointing, x: float, y: float, **changes: Any) -> Pointing:
    """Slew the telescope along the axes of the aperture's ideal frame.

    Parameters
    ----------
    pointing : Pointing
        Pointing before the slew.
    x, y : float
        Offset of the field along the detector's columns and rows, arcsec.
    **changes
        Identifiers to replace, e.g. ``exposure="00002"``.

    Returns
    -------
    Pointing
        The new pointing, with the roll of the telescope after a slew along a great circle.
    """
    v2, v3 = load_aperture(pointing.aperture).ideal_to_v2v3(x, y)
    return replace(pointing, **_attitude(pointing, float(v2), float(v3)), **changes)


def detector_pointings(pointing: Pointing, apertures: Iterable[str]) -> tuple[Pointing, ...]:
    """Compute the pointings of other detectors in the same exposure.

    Parameters
    ----------
    pointing : Pointing
        Pointing of any aperture of the instrument.
    apertures : iterable of str
        SIAF names of the detectors' apertures.

    Returns
    -------
    tuple of Pointing
        One per aperture. Only detector, position and roll differ.
    """
    return tuple(
        replace(
            pointing, aperture=name, **_attitude(pointing, *load_aperture(name).reference_point)
        )
        for name in apertures
    )


def dither_pointings(
    n: int,
    *,
    rolls: Iterable[float] = (0.0,),
    step: float = 4.0,
    aperture: str = "MIRIM_FULL",
) -> tuple[Pointing, ...]:
    """Dither about right ascension 150 and declination 2.2 degrees, one visit for each roll.

    Parameters
    ----------
    n : int
        Dithers per visit.
    rolls : iterable of float, optional
        Roll of each visit, degrees; every visit is an observation of its own.
    step : float, optional
        Smallest distance of two dithers, arcsec.
    aperture : str, optional
        SIAF name.

    Returns
    -------
    tuple of Pointing
        ``n`` times the number of rolls.
    """
    firsts = (
        Pointing(150.0, 2.2, roll, aperture, observation=f"{number:03d}")
        for number, roll in enumerate(rolls, start=1)
    )
    return tuple(pointing for first in firsts for pointing in _dither(first, n, step))


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
    subarray: tuple[int, int, int, int] | None = None,
    program: str = "09999",
) -> tuple[Pointing, ...]:
    """Lay out a mosaic of MIRI tiles, one observation for each roll.

    Parameters
    ----------
    nx, ny, dithers : int
        Tiles along the detector's columns and rows, and dithers per tile.
    overlap : float, optional
        Overlap of neighbouring tiles as a fraction of the field.
    overlap_pixels : float, optional
        The same in pixels, which takes precedence.
    step : float, optional
        Smallest distance of two dithers, arcsec.
    center : tuple of float, optional
        Right ascension and declination of the middle of the mosaic, degrees.
    rolls : iterable of float, optional
        Roll of each observation, degrees.
    visit_per_tile : bool, optional
        Whether each tile is a visit; otherwise each roll is one.
    subarray : tuple of int, optional
        Crop ``(x0, y0, nx, ny)`` of the tiles in full-frame pixels.
    program : str, optional
        Program number, 5 digits.

    Returns
    -------
    tuple of Pointing
        Row by row, tile by tile, dither by dither.
    """
    aperture = load_aperture("MIRIM_FULL", 1, subarray)
    size = np.array(aperture.subarray[2:], dtype=float)
    shared = overlap * size if overlap_pixels is None else overlap_pixels
    pitch = (size - shared) * aperture.pixel_area**0.5
    tiles = [(i - (nx - 1) / 2, j - (ny - 1) / 2) for j in range(ny) for i in range(nx)]
    pointings = []
    for observation, roll in enumerate(rolls, start=1):
        middle = Pointing(*center, roll, program=program, observation=f"{observation:03d}")
        for number, (x, y) in enumerate(tiles):
            visit = f"{number + 1:03d}" if visit_per_tile else "001"
            tile = offset_pointing(middle, x * pitch[0], y * pitch[1], visit=visit)
            first = 1 if visit_per_tile else 1 + number * dithers
            pointings += _dither(tile, dithers, step, first)
    return tuple(pointings)


def _dither(pointing: Pointing, n: int, step: float, first: int = 1) -> list[Pointing]:
    # A sunflower spiral: any number of evenly distributed points, not on a line.
    k = np.arange(n)
    x, y = step * np.sqrt(k) * (np.cos(_GOLDEN_ANGLE * k), np.sin(_GOLDEN_ANGLE * k))
    return [offset_pointing(pointing, x[i], y[i], exposure=f"{first + i:05d}") for i in range(n)]


def _attitude(pointing: Pointing, v2: float, v3: float) -> dict[str, Any]:
    # Sky position and roll at another point of the focal plane.
    v2v3 = load_aperture(pointing.aperture).reference_point
    to_sky = v2v3_to_sky(*v2v3, pointing.ra_ref, pointing.dec_ref, pointing.roll_ref)
    ra, dec = to_sky(v2, v3)
    rotation = to_sky[3]
    _, up = _east_north(v2 / 3600, v3 / 3600)
    up, (east, north) = np.array(rotation(*up)).ravel(), _east_north(ra, dec)
    roll = np.rad2deg(np.arctan2(up @ east, up @ north)) % 360
    return {"ra_ref": float(ra), "dec_ref": float(dec), "roll_ref": float(roll)}


def _east_north(longitude: float, latitude: float) -> tuple[np.ndarray, np.ndarray]:
    # Unit vectors along the sphere.
    lon, lat = np.deg2rad(longitude), np.deg2rad(latitude)
    north = np.array([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)])
    return np.array([-np.sin(lon), np.cos(lon), 0.0]), north
