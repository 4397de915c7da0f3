"""The tangent plane in which the simulated sky is drawn."""

from dataclasses import dataclass

import numpy as np

__all__ = ["TangentPlane"]


@dataclass(frozen=True)
class TangentPlane:
    """Gnomonic projection about a point.

    Attributes
    ----------
    ra, dec : float
        Tangent point, degrees.
    """

    ra: float
    dec: float

    def project(
        self, ra: float | np.ndarray, dec: float | np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Project sky positions onto the plane.

        Parameters
        ----------
        ra, dec : float or numpy.ndarray
            Positions, degrees.

        Returns
        -------
        x, y : float or numpy.ndarray
            Offsets to the east and to the north, arcsec.
        """
        lon, lat, lat0 = np.deg2rad(ra - self.ra), np.deg2rad(dec), np.deg2rad(self.dec)
        depth = np.sin(lat0) * np.sin(lat) + np.cos(lat0) * np.cos(lat) * np.cos(lon)
        x = np.cos(lat) * np.sin(lon) / depth
        y = (np.cos(lat0) * np.sin(lat) - np.sin(lat0) * np.cos(lat) * np.cos(lon)) / depth
        return 3600 * np.rad2deg(x), 3600 * np.rad2deg(y)

    def deproject(
        self, x: float | np.ndarray, y: float | np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Turn positions on the plane into sky positions.

        Parameters
        ----------
        x, y : float or numpy.ndarray
            Offsets to the east and to the north, arcsec.

        Returns
        -------
        ra, dec : float or numpy.ndarray
            Positions, degrees; right ascension in [0, 360).
        """
        x, y, lat0 = np.deg2rad(x / 3600), np.deg2rad(y / 3600), np.deg2rad(self.dec)
        depth = np.cos(lat0) - y * np.sin(lat0)
        lon = np.arctan2(x, depth)
        lat = np.arctan2(np.sin(lat0) + y * np.cos(lat0), np.hypot(x, depth))
        return (self.ra + np.rad2deg(lon)) % 360, np.rad2deg(lat)
