"""Pointings: which detector looked where, and in which visit."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

from gwcs import WCS

from .aperture import Aperture, load_aperture
from .attitude import attitude_at, build_wcs

__all__ = ["FIELDS", "Pointing", "detector_pointings", "offset_pointing", "read_pointings"]

FIELDS = ("stephans-quintet-f770w", "ngc628-f1000w", "30dor-f1280w")


@dataclass(frozen=True)
class Pointing:
    """One detector in one exposure: where it looked and what it is called.

    Attributes
    ----------
    ra_ref, dec_ref : float
        Sky position of the aperture's reference point, degrees.
    roll_ref : float
        Position angle of V3 there, degrees.
    aperture : str
        SIAF name of the aperture.
    program, observation, visit : str
        Numbers of 5, 3 and 3 digits.
    visit_group, sequence_id, activity_id : str
        Numbers of 2, 1 and 2 digits.
    exposure : str
        Exposure number of 5 digits.
    stock_match_level : float, optional
        Level in MJy/sr that jwst's own step found on the real exposure.
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
    stock_match_level: float | None = None

    @property
    def detector(self) -> str:
        """Name of the detector, e.g. ``MIRIMAGE``, ``NRCA1`` or ``NRCBLONG``."""
        if self.aperture.startswith("MIRIM"):
            return "MIRIMAGE"
        if self.aperture.startswith("NIS"):
            return "NIS"
        return self.aperture.split("_")[0].replace("5", "LONG")

    @property
    def visit_id(self) -> str:
        """Program, observation and visit in one."""
        return self.program + self.observation + self.visit

    @property
    def exposure_id(self) -> str:
        """What all detectors of an exposure share of their rootnames."""
        activity = self.visit_group + self.sequence_id + self.activity_id
        return f"jw{self.visit_id}_{activity}_{self.exposure}"

    @property
    def rootname(self) -> str:
        """File name without suffix, e.g. ``jw02732002001_02101_00001_mirimage``."""
        return f"{self.exposure_id}_{self.detector.lower()}"

    def wcs(self, binning: int = 1, subarray: tuple[int, int, int, int] | None = None) -> WCS:
        """Build the WCS of the exposure.

        Parameters
        ----------
        binning : int, optional
            Full-frame pixels per simulated pixel.
        subarray : tuple of int, optional
            Crop ``(x0, y0, nx, ny)`` in full-frame pixels.

        Returns
        -------
        gwcs.WCS
            The WCS.
        """
        aperture = load_aperture(self.aperture, binning, subarray)
        return build_wcs(aperture, self.ra_ref, self.dec_ref, self.roll_ref)


def read_pointings(field: str) -> tuple[Pointing, ...]:
    """Read the bundled pointings of a real mosaic.

    Parameters
    ----------
    field : str
        One of ``FIELDS``.

    Returns
    -------
    tuple of Pointing
        The pointings in the order of their rootnames.

    Raises
    ------
    ValueError
        If the field is not bundled.
    """
    if field not in FIELDS:
        raise ValueError(f"unknown field {field!r}, expected one of {FIELDS}")
    numbers = json.loads((files(__package__) / "data" / f"{field}.json").read_text())
    return tuple(Pointing(aperture=numbers["aperture"], **e) for e in numbers["exposures"])


def offset_pointing(pointing: Pointing, x: float, y: float, **changes: Any) -> Pointing:
    """Slew the telescope along the axes of the aperture's ideal frame.

    Parameters
    ----------
    pointing : Pointing
        Where to start.
    x, y : float
        Offset of the field along the detector's columns and rows, arcsec.
    **changes
        Identifiers to replace, e.g. ``exposure="00002"``.

    Returns
    -------
    Pointing
        The new pointing, rolled with the telescope as over a great circle.
    """
    aperture = load_aperture(pointing.aperture)
    v2, v3 = aperture.ideal_to_v2v3(x, y)
    ra, dec, roll = _attitude(pointing, aperture, v2, v3)
    return replace(pointing, ra_ref=ra, dec_ref=dec, roll_ref=roll, **changes)


def detector_pointings(pointing: Pointing, apertures: Iterable[str]) -> tuple[Pointing, ...]:
    """Find where other detectors look in the same exposure.

    Parameters
    ----------
    pointing : Pointing
        The telescope's pointing, given for any aperture of the instrument.
    apertures : iterable of str
        SIAF names of the detectors' apertures.

    Returns
    -------
    tuple of Pointing
        One per aperture, alike in all but detector, position and roll.
    """
    reference = load_aperture(pointing.aperture)
    result = []
    for name in apertures:
        other = load_aperture(name)
        ra, dec, roll = _attitude(pointing, reference, other.v2_ref, other.v3_ref)
        result.append(replace(pointing, aperture=name, ra_ref=ra, dec_ref=dec, roll_ref=roll))
    return tuple(result)


def _attitude(
    pointing: Pointing, aperture: Aperture, v2: float, v3: float
) -> tuple[float, float, float]:
    return attitude_at(
        v2,
        v3,
        v2_ref=aperture.v2_ref,
        v3_ref=aperture.v3_ref,
        ra_ref=pointing.ra_ref,
        dec_ref=pointing.dec_ref,
        roll_ref=pointing.roll_ref,
    )
