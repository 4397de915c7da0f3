"""Transforms from science pixels to V2, V3, to the sky, and to a tangent plane."""

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from astropy import coordinates, units
from astropy.modeling import Model, bind_bounding_box
from astropy.modeling.models import (
    AffineTransformation2D,
    Identity,
    Mapping,
    Polynomial2D,
    RotationSequence3D,
    Scale,
    Shift,
)
from gwcs import WCS, coordinate_frames
from gwcs.geometry import CartesianToSpherical, SphericalToCartesian

# Reference pixels, in full-frame columns and rows, at the edges of each instrument's detectors:
# MIRI has them only in its first and last four columns.
_REFERENCE_PIXELS = {"MIRI": (4, 0), "NIRCAM": (4, 4), "NIRISS": (4, 4)}


@dataclass(frozen=True, eq=False)
class Aperture:
    """Shape and distortion of one detector, whole, cropped or binned.

    ``siaf`` has the numbers of the whole detector under their SIAF names. In the polynomials
    Sci2IdlX and Sci2IdlY, in arcsec, key "ij" multiplies ``dx**(i - j) * dy**j``, with dx and
    dy in full-frame pixels. ``subarray`` is the left column, the lowest row (0-based), and the
    numbers of columns and rows.
    """

    siaf: dict[str, Any]
    binning: int
    subarray: tuple[int, int, int, int]

    @property
    def full_size(self) -> tuple[int, int]:
        """Columns and rows of the full frame."""
        return self.siaf["x_sci_size"], self.siaf["y_sci_size"]

    @property
    def reference_point(self) -> tuple[float, float]:
        """V2 and V3 of the reference point, arcsec."""
        return self.siaf["v2_ref"], self.siaf["v3_ref"]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns of the simulated frame."""
        return self.subarray[3] // self.binning, self.subarray[2] // self.binning

    @property
    def is_full(self) -> bool:
        """Whether the frame is not cropped."""
        return self.subarray == (0, 0, *self.full_size)

    @property
    def pixel_area(self) -> float:
        """Area of a pixel at the reference point, arcsec squared."""
        x, y = self.siaf["Sci2IdlX"], self.siaf["Sci2IdlY"]
        return abs(x["10"] * y["11"] - x["11"] * y["10"]) * self.binning**2

    @property
    def reference_columns_rows(self) -> tuple[int, int]:
        """Width of the reference-pixel border, columns and rows of simulated pixels."""
        columns, rows = _REFERENCE_PIXELS[self.siaf["instrument"]]
        return -(-columns // self.binning), -(-rows // self.binning)

    @property
    def ideal_to_v2v3(self) -> Model:
        """Astropy model from ideal coordinates about the reference point to V2, V3, arcsec."""
        angle, parity = np.deg2rad(self.siaf["v3_idl_yangle"]), self.siaf["v_idl_parity"]
        cos, sin = np.cos(angle), np.sin(angle)
        matrix = [[parity * cos, sin], [-parity * sin, cos]]
        return AffineTransformation2D(matrix, translation=list(self.reference_point))

    @cached_property
    def to_v2v3(self) -> Model:
        """Astropy model from 0-based simulated pixels to V2, V3 (arcsec), with inverse."""
        x, y = (centres.flat[0] for centres in self.full_frame_grid())
        shift = Shift(x - (self.siaf["x_sci_ref"] - 1)) & Shift(y - (self.siaf["y_sci_ref"] - 1))
        offset = Scale(self.binning) & Scale(self.binning) | shift
        distortion = _polynomials(self.siaf["Sci2IdlX"], self.siaf["Sci2IdlY"])
        forward = offset | distortion | self.ideal_to_v2v3
        inverse = _polynomials(*_invert(distortion, self.siaf))
        forward.inverse = self.ideal_to_v2v3.inverse | inverse | offset.inverse
        rows, columns = self.shape
        # jwst excludes MIRI's reference columns, unless the frame is a subarray.
        has_edge = self.siaf["instrument"] == "MIRI" and self.is_full
        edge = self.reference_columns_rows[0] * has_edge
        box = (edge - 0.5, columns - edge - 0.5), (-0.5, rows - 0.5)
        bind_bounding_box(forward, box, order="F")
        return forward

    def full_frame_grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Locate the pixel centres on the full frame: columns (1, nx) and rows (ny, 1)."""
        rows, columns = self.shape
        middle = (self.binning - 1) / 2
        x = np.arange(columns) * self.binning + (self.subarray[0] + middle)
        y = np.arange(rows) * self.binning + (self.subarray[1] + middle)
        return x[None, :], y[:, None]


@lru_cache(maxsize=64)
def load_aperture(
    name: str, binning: int = 1, subarray: tuple[int, int, int, int] | None = None
) -> Aperture:
    """Load a bundled aperture: MIRIM_FULL, NIS_CEN, or NRCA1_FULL to NRCB5_FULL.

    A binned aperture has the same field in fewer pixels; a subarray is a crop
    ``(x0, y0, nx, ny)`` in full-frame pixels, 0-based.
    """
    path = files(__package__) / "data" / f"{name}.json"
    if not path.is_file():
        raise ValueError(f"unknown aperture {name!r}")
    siaf = json.loads(path.read_text())
    size = siaf["x_sci_size"], siaf["y_sci_size"]
    x0, y0, nx, ny = subarray or (0, 0, *size)
    if min(x0, y0) < 0 or x0 + nx > size[0] or y0 + ny > size[1]:
        raise ValueError(f"subarray {subarray} does not fit in {size[0]} x {size[1]} pixels")
    return Aperture(siaf, binning, (x0, y0, nx, ny))


def _polynomials(*coefficients: dict[str, float]) -> Model:
    x, y = (
        Polynomial2D(
            max(int(key[0]) for key in values),
            **{f"c{int(key[0]) - int(key[1])}_{key[1]}": c for key, c in values.items()},
        )
        for values in coefficients
    )
    return Mapping((0, 1, 0, 1)) | x & y


def _invert(distortion: Model, siaf: dict[str, Any]) -> tuple[dict[str, float], ...]:
    # SIAF's inverse polynomials, of the same degree, have errors of up to 0.1 pixel. Three
    # degrees more, fitted a little beyond the frame, have errors of at most 0.001.
    degree = distortion[1].degree + 3
    dx, dy = (
        np.linspace(-0.02 * size, 1.02 * size, 24) - (siaf[f"{axis}_sci_ref"] - 1)
        for axis, size in (("x", siaf["x_sci_size"]), ("y", siaf["y_sci_size"]))
    )
    dx, dy = np.meshgrid(dx, dy)
    x_ideal, y_ideal = distortion(dx, dy)
    unit = np.abs(x_ideal).max()  # keeps the powers near one
    keys = [f"{i}{j}" for i in range(degree + 1) for j in range(i + 1)]
    powers = np.array([(int(key[0]) - int(key[1]), int(key[1])) for key in keys]).T
    design = (x_ideal.ravel()[:, None] / unit) ** powers[0]
    design = design * (y_ideal.ravel()[:, None] / unit) ** powers[1]
    solution = np.linalg.lstsq(design, np.c_[dx.ravel(), dy.ravel()], rcond=None)[0]
    solution = solution / unit ** powers.sum(axis=0)[:, None]
    return tuple(dict(zip(keys, column, strict=True)) for column in solution.T)


def v2v3_to_sky(
    v2_ref: float, v3_ref: float, ra_ref: float, dec_ref: float, roll_ref: float
) -> Model:
    """Build the transform from V2, V3 (arcsec) to the sky (degrees), as jwst's assign_wcs does."""
    angles = [v2_ref / 3600, -v3_ref / 3600, roll_ref, dec_ref, -ra_ref]
    model = (
        Scale(1 / 3600) & Scale(1 / 3600)
        | SphericalToCartesian(wrap_lon_at=180)
        | RotationSequence3D(angles, axes_order="zyxyz")
        | CartesianToSpherical(wrap_lon_at=360)
    )
    model.name = "v23tosky"
    return model


def build_wcs(aperture: Aperture, ra_ref: float, dec_ref: float, roll_ref: float) -> WCS:
    """Build a WCS from 0-based pixels to degrees, with the frames of a jwst imaging WCS.

    Position and roll, in degrees, are those of the aperture's reference point.
    """
    to_sky = v2v3_to_sky(*aperture.reference_point, ra_ref, dec_ref, roll_ref)
    # No velocity aberration is simulated: jwst's correction for a scale of one is Identity.
    detector, v2v3, corrected = (
        coordinate_frames.Frame2D(name=name, axes_names=axes, unit=(unit, unit))
        for name, axes, unit in (
            ("detector", ("x", "y"), units.pix),
            ("v2v3", ("v2", "v3"), units.arcsec),
            ("v2v3vacorr", ("v2", "v3"), units.arcsec),
        )
    )
    world = coordinate_frames.CelestialFrame(reference_frame=coordinates.ICRS(), name="world")
    # A copy: tweakreg may change the transforms of one exposure, others share the aperture.
    distortion = aperture.to_v2v3.copy()
    wcs = WCS([(detector, distortion), (v2v3, Identity(2)), (corrected, to_sky), (world, None)])
    wcs.array_shape = aperture.shape
    return wcs


@dataclass(frozen=True)
class TangentPlane:
    """Gnomonic projection about a point, in degrees."""

    ra: float
    dec: float

    def project(self, ra: np.ndarray, dec: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Project positions in degrees to offsets east and north in arcsec."""
        lon, lat, lat0 = np.deg2rad(ra - self.ra), np.deg2rad(dec), np.deg2rad(self.dec)
        depth = np.sin(lat0) * np.sin(lat) + np.cos(lat0) * np.cos(lat) * np.cos(lon)
        x = np.cos(lat) * np.sin(lon) / depth
        y = (np.cos(lat0) * np.sin(lat) - np.sin(lat0) * np.cos(lat) * np.cos(lon)) / depth
        return 3600 * np.rad2deg(x), 3600 * np.rad2deg(y)

    def deproject(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Turn offsets in arcsec into positions in degrees, right ascension in [0, 360)."""
        x, y, lat0 = np.deg2rad(x / 3600), np.deg2rad(y / 3600), np.deg2rad(self.dec)
        depth = np.cos(lat0) - y * np.sin(lat0)
        lon = np.arctan2(x, depth)
        lat = np.arctan2(np.sin(lat0) + y * np.cos(lat0), np.hypot(x, depth))
        return (self.ra + np.rad2deg(lon)) % 360, np.rad2deg(lat)
