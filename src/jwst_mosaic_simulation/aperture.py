"""JWST apertures: from science pixels to the telescope's V2, V3 plane."""

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files

import numpy as np
from astropy.modeling import Model, bind_bounding_box
from astropy.modeling.models import (
    AffineTransformation2D,
    Mapping,
    Polynomial2D,
    Scale,
    Shift,
)

__all__ = ["Aperture", "load_aperture"]

# Reference pixels, in full-frame pixels, on the edges of each instrument's detectors:
# MIRI has them only in its first and last four columns.
_REFERENCE_PIXELS = {"MIRI": (4, 0), "NIRCAM": (4, 4), "NIRISS": (4, 4)}


@dataclass(frozen=True, eq=False)
class Aperture:
    """Shape and distortion of one detector, whole, cropped or binned.

    Attributes
    ----------
    name : str
        SIAF name, e.g. ``MIRIM_FULL``.
    instrument : str
        Instrument in capitals.
    full_size : tuple of int
        Columns and rows of the full frame.
    reference_pixel : tuple of float
        Column and row of the reference point, 0-based full-frame pixels.
    v2_ref, v3_ref : float
        The reference point in V2, V3, arcsec.
    v3_idl_yangle : float
        Angle from V3 to the ideal y axis, degrees.
    parity : int
        Handedness of the ideal frame, -1 or 1.
    x_coefficients, y_coefficients : mapping of str to float
        Science to ideal polynomials: key "ij" multiplies
        ``dx**(i - j) * dy**j``, dx and dy in full-frame pixels, result in arcsec.
    binning : int
        Full-frame pixels per simulated pixel and axis.
    subarray : tuple of int
        Left column, lowest row (0-based), columns and rows of the crop, in
        full-frame pixels.
    """

    name: str
    instrument: str
    full_size: tuple[int, int]
    reference_pixel: tuple[float, float]
    v2_ref: float
    v3_ref: float
    v3_idl_yangle: float
    parity: int
    x_coefficients: dict[str, float]
    y_coefficients: dict[str, float]
    binning: int
    subarray: tuple[int, int, int, int]

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
        x, y = self.x_coefficients, self.y_coefficients
        return abs(x["10"] * y["11"] - x["11"] * y["10"]) * self.binning**2

    @property
    def reference_columns_rows(self) -> tuple[int, int]:
        """Width of the reference-pixel border, columns and rows of simulated pixels."""
        columns, rows = _REFERENCE_PIXELS[self.instrument]
        return -(-columns // self.binning), -(-rows // self.binning)

    @cached_property
    def to_v2v3(self) -> Model:
        """Astropy model from 0-based simulated pixels to V2, V3 (arcsec), with inverse."""
        forward = (
            self._to_offset() | _polynomials(self.x_coefficients, self.y_coefficients) | self._turn
        )
        x_inverse, y_inverse = self._inverse_coefficients()
        forward.inverse = (
            self._turn.inverse | _polynomials(x_inverse, y_inverse) | self._to_offset().inverse
        )
        bind_bounding_box(forward, self.bounding_box, order="F")
        return forward

    @property
    def bounding_box(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Range of the valid pixels, ``((x0, x1), (y0, y1))``, as jwst sets them."""
        rows, columns = self.shape
        # jwst leaves MIRI's reference columns out, unless the frame is a subarray.
        edge = self.reference_columns_rows[0] if self.instrument == "MIRI" and self.is_full else 0
        return (edge - 0.5, columns - edge - 0.5), (-0.5, rows - 0.5)

    def ideal_to_v2v3(self, x: float, y: float) -> tuple[float, float]:
        """Turn ideal coordinates about the reference point into V2, V3.

        Parameters
        ----------
        x, y : float
            Ideal coordinates, arcsec: nearly along columns and rows.

        Returns
        -------
        v2, v3 : float
            The same point, arcsec.
        """
        v2, v3 = self._turn(x, y)
        return float(v2), float(v3)

    def full_frame_grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Find where the simulated pixels lie on the full frame.

        Returns
        -------
        x, y : numpy.ndarray
            0-based full-frame columns, shape (1, columns), and rows, shape
            (rows, 1), of the pixel centres.
        """
        rows, columns = self.shape
        x0, y0 = self._origin
        x = np.arange(columns) * self.binning + x0
        y = np.arange(rows) * self.binning + y0
        return x[None, :], y[:, None]

    @property
    def _origin(self) -> tuple[float, float]:
        middle = (self.binning - 1) / 2
        return self.subarray[0] + middle, self.subarray[1] + middle

    def _to_offset(self) -> Model:
        x0, y0 = (a - b for a, b in zip(self._origin, self.reference_pixel, strict=True))
        return Scale(self.binning) & Scale(self.binning) | Shift(x0) & Shift(y0)

    @property
    def _turn(self) -> Model:
        angle = np.deg2rad(self.v3_idl_yangle)
        cos, sin = np.cos(angle), np.sin(angle)
        matrix = [[self.parity * cos, sin], [-self.parity * sin, cos]]
        return AffineTransformation2D(matrix, translation=[self.v2_ref, self.v3_ref])

    def _inverse_coefficients(self, points: int = 24) -> tuple[dict[str, float], ...]:
        # SIAF's inverse polynomials, of the same degree, miss by up to 0.1 pixel; three
        # degrees more, fitted a little beyond the frame, miss by less than 0.001.
        degree = max(int(key[0]) for key in self.x_coefficients) + 3
        (nx, ny), (x_ref, y_ref) = self.full_size, self.reference_pixel
        dx, dy = np.meshgrid(
            np.linspace(-0.02 * nx, 1.02 * nx, points) - x_ref,
            np.linspace(-0.02 * ny, 1.02 * ny, points) - y_ref,
        )
        x_ideal, y_ideal = _polynomials(self.x_coefficients, self.y_coefficients)(dx, dy)
        unit = np.abs(x_ideal).max()  # keeps the powers near one
        keys = [f"{i}{j}" for i in range(degree + 1) for j in range(i + 1)]
        powers = np.array([(int(key[0]) - int(key[1]), int(key[1])) for key in keys]).T
        design = (x_ideal.ravel()[:, None] / unit) ** powers[0]
        design = design * (y_ideal.ravel()[:, None] / unit) ** powers[1]
        solution = np.linalg.lstsq(design, np.c_[dx.ravel(), dy.ravel()], rcond=None)[0]
        solution = solution / unit ** powers.sum(axis=0)[:, None]
        return tuple(dict(zip(keys, column, strict=True)) for column in solution.T)


@lru_cache(maxsize=64)
def load_aperture(
    name: str, binning: int = 1, subarray: tuple[int, int, int, int] | None = None
) -> Aperture:
    """Load a bundled aperture.

    Parameters
    ----------
    name : str
        ``MIRIM_FULL``, ``NIS_CEN``, or ``NRCA1_FULL`` to ``NRCB5_FULL``.
    binning : int, optional
        Full-frame pixels per simulated pixel: the same field with fewer pixels.
    subarray : tuple of int, optional
        Crop ``(x0, y0, nx, ny)`` in full-frame pixels, 0-based. The default is
        the full frame.

    Returns
    -------
    Aperture
        The aperture.

    Raises
    ------
    ValueError
        If no such aperture is bundled, binning is below 1 or the subarray
        leaves the frame.
    """
    path = files(__package__) / "data" / f"{name}.json"
    if not path.is_file():
        raise ValueError(f"unknown aperture {name!r}")
    numbers = json.loads(path.read_text())
    size = numbers["x_sci_size"], numbers["y_sci_size"]
    x0, y0, nx, ny = subarray or (0, 0, *size)
    if min(x0, y0) < 0 or min(nx, ny) < 1 or x0 + nx > size[0] or y0 + ny > size[1]:
        raise ValueError(f"subarray {subarray} does not fit in {size[0]} x {size[1]} pixels")
    if binning < 1 or binning > min(nx, ny):
        raise ValueError(f"binning must be between 1 and {min(nx, ny)}, got {binning}")
    return Aperture(
        name=name,
        instrument=numbers["instrument"],
        full_size=size,
        reference_pixel=(numbers["x_sci_ref"] - 1, numbers["y_sci_ref"] - 1),
        v2_ref=numbers["v2_ref"],
        v3_ref=numbers["v3_ref"],
        v3_idl_yangle=numbers["v3_idl_yangle"],
        parity=numbers["v_idl_parity"],
        x_coefficients=numbers["Sci2IdlX"],
        y_coefficients=numbers["Sci2IdlY"],
        binning=binning,
        subarray=(x0, y0, nx, ny),
    )


def _polynomials(x_coefficients: dict[str, float], y_coefficients: dict[str, float]) -> Model:
    return Mapping((0, 1, 0, 1)) | _polynomial(x_coefficients) & _polynomial(y_coefficients)


def _polynomial(coefficients: dict[str, float]) -> Model:
    degree = max(int(key[0]) for key in coefficients)
    names = {f"c{int(key[0]) - int(key[1])}_{key[1]}": v for key, v in coefficients.items()}
    return Polynomial2D(degree, **names)
