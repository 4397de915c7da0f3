"""Where the telescope points: V2, V3 to the sky and the WCS of an exposure."""

import numpy as np
from astropy import coordinates, units
from astropy.modeling import Model
from astropy.modeling.models import Identity, RotationSequence3D, Scale
from gwcs import WCS, coordinate_frames
from gwcs.geometry import CartesianToSpherical, SphericalToCartesian

from .aperture import Aperture

__all__ = ["attitude_at", "build_wcs", "v2v3_to_sky"]

_AXES = "zyxyz"


def v2v3_to_sky(
    v2_ref: float, v3_ref: float, ra_ref: float, dec_ref: float, roll_ref: float
) -> Model:
    """Build the transform from V2, V3 to the sky, the way jwst's assign_wcs does.

    Parameters
    ----------
    v2_ref, v3_ref : float
        Reference point in V2, V3, arcsec.
    ra_ref, dec_ref : float
        The same point on the sky, degrees.
    roll_ref : float
        Position angle of V3 at that point, degrees.

    Returns
    -------
    astropy.modeling.Model
        From V2, V3 in arcsec to right ascension and declination in degrees.
    """
    angles = [v2_ref / 3600, -v3_ref / 3600, roll_ref, dec_ref, -ra_ref]
    model = (
        Scale(1 / 3600) & Scale(1 / 3600)
        | SphericalToCartesian(wrap_lon_at=180)
        | RotationSequence3D(angles, axes_order=_AXES)
        | CartesianToSpherical(wrap_lon_at=360)
    )
    model.name = "v23tosky"
    return model


def build_wcs(aperture: Aperture, ra_ref: float, dec_ref: float, roll_ref: float) -> WCS:
    """Build the WCS of an exposure with the frames of a jwst imaging WCS.

    Parameters
    ----------
    aperture : Aperture
        The aperture, which fixes the distortion and the shape.
    ra_ref, dec_ref : float
        Sky position of the aperture's reference point, degrees.
    roll_ref : float
        Position angle of V3 there, degrees.

    Returns
    -------
    gwcs.WCS
        Steps detector, v2v3, v2v3vacorr and world; 0-based pixels to degrees.
    """
    to_sky = v2v3_to_sky(aperture.v2_ref, aperture.v3_ref, ra_ref, dec_ref, roll_ref)
    arcsec = {
        "axes_order": (0, 1),
        "axes_names": ("v2", "v3"),
        "unit": (units.arcsec, units.arcsec),
    }
    detector = coordinate_frames.Frame2D(
        name="detector", axes_order=(0, 1), unit=(units.pix, units.pix)
    )
    v2v3 = coordinate_frames.Frame2D(name="v2v3", **arcsec)
    # No velocity aberration is simulated: jwst's correction for a scale of one is Identity.
    corrected = coordinate_frames.Frame2D(name="v2v3vacorr", **arcsec)
    world = coordinate_frames.CelestialFrame(reference_frame=coordinates.ICRS(), name="world")
    # A copy: tweakreg may change the transforms of one exposure, others share the aperture.
    wcs = WCS(
        [
            (detector, aperture.to_v2v3.copy()),
            (v2v3, Identity(2)),
            (corrected, to_sky),
            (world, None),
        ]
    )
    wcs.array_shape = aperture.shape
    return wcs


def attitude_at(
    v2: float,
    v3: float,
    *,
    v2_ref: float,
    v3_ref: float,
    ra_ref: float,
    dec_ref: float,
    roll_ref: float,
) -> tuple[float, float, float]:
    """Find sky position and roll at another point of the focal plane.

    Parameters
    ----------
    v2, v3 : float
        The point, arcsec.
    v2_ref, v3_ref : float
        Reference point of the known attitude, arcsec.
    ra_ref, dec_ref, roll_ref : float
        Sky position of the reference point and position angle of V3 there, degrees.

    Returns
    -------
    ra, dec, roll : float
        Sky position of the point and position angle of V3 there, degrees.
    """
    ra, dec = v2v3_to_sky(v2_ref, v3_ref, ra_ref, dec_ref, roll_ref)(v2, v3)
    angles = [v2_ref / 3600, -v3_ref / 3600, roll_ref, dec_ref, -ra_ref]
    rotation = RotationSequence3D(angles, axes_order=_AXES)
    up = np.array(rotation(*_north(v2 / 3600, v3 / 3600))).ravel()
    roll = np.arctan2(up @ _east(ra), up @ _north(ra, dec))
    return float(ra), float(dec), float(np.rad2deg(roll) % 360)


def _north(longitude: float, latitude: float) -> np.ndarray:
    lon, lat = np.deg2rad(longitude), np.deg2rad(latitude)
    return np.array([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)])


def _east(longitude: float) -> np.ndarray:
    lon = np.deg2rad(longitude)
    return np.array([-np.sin(lon), np.cos(lon), 0.0])
