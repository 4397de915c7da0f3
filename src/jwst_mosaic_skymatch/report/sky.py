"""Places on the sky as offsets on a tangent plane, and a net of right ascension and declination."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Graticule", "draw_graticule", "find_centre", "plane_of_sky", "sky_of_plane"]

ARCSEC = np.rad2deg(1.0) * 3600.0
# Steps between lines: arcsec of declination, seconds of time of right ascension.
STEPS = (
    *(m * 10.0**k for k in (-2, -1) for m in (1, 2, 5)),
    *(1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0),
    *(7200.0, 18000.0, 36000.0, 72000.0),
)
N_LINES = 4
N_POINTS = 25


def find_centre(corners: Sequence[np.ndarray]) -> tuple[float, float]:
    """Find the middle of some footprints.

    Parameters
    ----------
    corners : sequence of ndarray, shape (n, 2)
        RA and Dec of their corners, degrees.

    Returns
    -------
    tuple of float
        RA and Dec of the mean direction, degrees; zero if there is none.
    """
    known = [c for c in corners if len(c) and np.isfinite(c).all()]
    if not known:
        return 0.0, 0.0
    ra, dec = np.deg2rad(np.concatenate(known)).T
    x, y, z = np.mean([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
    return float(np.rad2deg(np.arctan2(y, x)) % 360.0), float(
        np.rad2deg(np.arctan2(z, np.hypot(x, y)))
    )


def plane_of_sky(ra: np.ndarray, dec: np.ndarray, centre: tuple[float, float]) -> np.ndarray:
    """Project positions onto the tangent plane of a centre.

    Parameters
    ----------
    ra, dec : ndarray, shape (n,)
        Positions, degrees.
    centre : tuple of float
        RA and Dec of the tangent point, degrees.

    Returns
    -------
    ndarray, shape (n, 2)
        Offsets to the east and to the north, arcsec; NaN for what lies behind.
    """
    ra, dec = np.deg2rad(ra) - np.deg2rad(centre[0]), np.deg2rad(dec)
    dec0 = np.deg2rad(centre[1])
    along = np.sin(dec0) * np.sin(dec) + np.cos(dec0) * np.cos(dec) * np.cos(ra)
    along = np.where(along > 1e-3, along, np.nan)
    east = np.cos(dec) * np.sin(ra) / along
    north = (np.cos(dec0) * np.sin(dec) - np.sin(dec0) * np.cos(dec) * np.cos(ra)) / along
    return ARCSEC * np.stack([east, north], axis=-1)


def sky_of_plane(offsets: np.ndarray, centre: tuple[float, float]) -> np.ndarray:
    """Give the positions, RA and Dec in degrees, of offsets; the inverse of `plane_of_sky`.

    Parameters
    ----------
    offsets : ndarray, shape (n, 2)
        Offsets to the east and to the north, arcsec.
    centre : tuple of float
        RA and Dec of the tangent point, degrees.

    Returns
    -------
    ndarray, shape (n, 2)
        The positions.
    """
    east, north = np.moveaxis(np.asarray(offsets) / ARCSEC, -1, 0)
    dec0 = np.deg2rad(centre[1])
    depth = np.cos(dec0) - north * np.sin(dec0)
    ra = np.rad2deg(np.arctan2(east, depth)) + centre[0]
    dec = np.rad2deg(np.arctan2(np.sin(dec0) + north * np.cos(dec0), np.hypot(east, depth)))
    return np.stack([ra % 360.0, dec], axis=-1)


@dataclass(frozen=True)
class Graticule:
    """Lines of equal right ascension and declination.

    Attributes
    ----------
    lines : tuple of ndarray, shape (n_points, 2)
        The lines, as offsets to the east and to the north, arcsec.
    ra_ticks, dec_ticks : tuple of (float, str)
        Where lines meet the lower edge (east) and the left edge (north), arcsec, and what they
        are called.
    """

    lines: tuple[np.ndarray, ...]
    ra_ticks: tuple[tuple[float, str], ...]
    dec_ticks: tuple[tuple[float, str], ...]


def draw_graticule(
    left: float, right: float, low: float, high: float, centre: tuple[float, float]
) -> Graticule:
    """Lay a net over a part of the tangent plane.

    Parameters
    ----------
    left, right, low, high : float
        Its edges, arcsec; east is to the left.
    centre : tuple of float
        RA and Dec of the tangent point, degrees.

    Returns
    -------
    Graticule
        Some lines in each direction.
    """
    edge = np.linspace(0.0, 1.0, N_POINTS)
    east, north = left + (right - left) * edge, low + (high - low) * edge
    border = np.concatenate(
        [
            np.stack([e, n], axis=1)
            for e, n in (
                (east, np.full(N_POINTS, low)),
                (east, np.full(N_POINTS, high)),
                (np.full(N_POINTS, left), north),
                (np.full(N_POINTS, right), north),
            )
        ]
    )
    ra, dec = sky_of_plane(border, centre).T
    # Right ascension may pass 360 degrees within the field.
    ra = centre[0] + (ra - centre[0] + 180.0) % 360.0 - 180.0
    ra_values, ra_step = _nice_values(ra.min() * 240.0, ra.max() * 240.0)
    dec_values, dec_step = _nice_values(dec.min() * 3600.0, dec.max() * 3600.0)
    lines, ra_ticks, dec_ticks = [], [], []
    for value in ra_values:
        line = plane_of_sky(
            np.full(N_POINTS, value / 240.0), np.linspace(dec.min(), dec.max(), N_POINTS), centre
        )
        lines.append(line)
        where = float(np.interp(low, line[:, 1], line[:, 0]))
        if right < where < left:
            ra_ticks.append((where, _sexagesimal(value % 86400.0, ra_step, "hms")))
    for value in dec_values:
        line = plane_of_sky(
            np.linspace(ra.min(), ra.max(), N_POINTS), np.full(N_POINTS, value / 3600.0), centre
        )
        lines.append(line)
        where = float(np.interp(left, line[:, 0], line[:, 1]))
        if low < where < high:
            dec_ticks.append((where, _sexagesimal(value, dec_step, "dms")))
    return Graticule(tuple(lines), tuple(ra_ticks), tuple(dec_ticks))


def _nice_values(low: float, high: float) -> tuple[np.ndarray, float]:
    """Choose round values between two limits, and give their step."""
    step = next((s for s in STEPS if (high - low) / s <= N_LINES), STEPS[-1])
    return np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step, step


def _sexagesimal(value: float, step: float, marks: str) -> str:
    """Write an angle in units of its last mark, with as many digits as the step has."""
    digits = max(0, -int(np.floor(np.log10(step) + 1e-9)))
    units = round(abs(value) * 10**digits)
    first, rest = divmod(units, 3600 * 10**digits)
    minutes, last = divmod(rest, 60 * 10**digits)
    seconds = f"{last / 10**digits:0{2 + digits + bool(digits)}.{digits}f}"
    sign = "-" if value < 0 else "+" if marks[0] == "d" else ""
    text = f"{sign}{first:02d}{marks[0]}{minutes:02d}{marks[1]}"
    return text if step >= 60 else f"{text}{seconds}{marks[2]}"
