"""Data quality of a detector: masked strips, reference pixels, bad pixels."""

from dataclasses import dataclass

import numpy as np
from stdatamodels.jwst.datamodels import dqflags

from ._random import named_generator
from .aperture import Aperture

__all__ = ["FLAGS", "DetectorOptions", "draw_dq", "lyot_region"]

FLAGS = dqflags.pixel
_MASKED = FLAGS["DO_NOT_USE"] | FLAGS["NON_SCIENCE"]
_REFERENCE = FLAGS["DO_NOT_USE"] | FLAGS["REFERENCE_PIXEL"]

# MIRI's imager sees the sky right of this full-frame column, and inside the Lyot
# coronagraph's field (columns, rows).
_IMAGER_EDGE = 357
_LYOT = (10, 280), (745, 1019)


@dataclass(frozen=True)
class DetectorOptions:
    """Size and defects of the simulated detectors.

    Attributes
    ----------
    binning : int
        Full-frame pixels per simulated pixel and axis.
    subarray : tuple of int, optional
        Crop ``(x0, y0, nx, ny)`` in full-frame pixels.
    masked_strips : bool
        Whether MIRI's masked regions are masked.
    bad_fraction : float
        Share of pixels that are DO_NOT_USE, with wild values.
    hot_fraction : float
        Share of pixels that are HOT but good enough to use.
    nan_fraction : float
        Share of the DO_NOT_USE pixels that hold NaN.
    """

    binning: int = 1
    subarray: tuple[int, int, int, int] | None = None
    masked_strips: bool = True
    bad_fraction: float = 0.005
    hot_fraction: float = 0.001
    nan_fraction: float = 0.5


def draw_dq(aperture: Aperture, detector: str, options: DetectorOptions, seed: int) -> np.ndarray:
    """Draw the data quality that all exposures of a detector share.

    Parameters
    ----------
    aperture : Aperture
        The aperture.
    detector : str
        Name of the detector.
    options : DetectorOptions
        What to flag.
    seed : int
        Seed; the bad pixels also depend on the detector's name.

    Returns
    -------
    numpy.ndarray
        Flags, uint32, of the aperture's shape.
    """
    draw = named_generator(seed, "bad pixels", detector).random(aperture.shape)
    dq = np.zeros(aperture.shape, dtype=np.uint32)
    bad, hot = options.bad_fraction, options.hot_fraction
    dq[draw < bad] |= FLAGS["DO_NOT_USE"]
    dq[(draw >= bad) & (draw < bad + hot)] |= FLAGS["HOT"]
    dq[_reference_pixels(aperture)] |= _REFERENCE
    if options.masked_strips and aperture.instrument == "MIRI":
        dq[_masked_strips(aperture)] |= _MASKED
    return dq


def _reference_pixels(aperture: Aperture) -> np.ndarray:
    columns, rows = aperture.reference_columns_rows
    half = (aperture.binning - 1) / 2
    x, y = aperture.full_frame_grid()
    nx, ny = aperture.full_size
    # Simulated pixels that hold any reference pixel of the full frame.
    edge_x, edge_y = columns * aperture.binning, rows * aperture.binning
    in_x = (x - half < edge_x) | (x + half >= nx - edge_x)
    in_y = (y - half < edge_y) | (y + half >= ny - edge_y)
    return in_x & np.bool_(columns) | in_y & np.bool_(rows)


def lyot_region(aperture: Aperture) -> np.ndarray:
    """Mark the field of MIRI's Lyot coronagraph.

    Parameters
    ----------
    aperture : Aperture
        An aperture of MIRI's imager.

    Returns
    -------
    numpy.ndarray
        Whether each pixel belongs to it.
    """
    x, y = aperture.full_frame_grid()
    (x0, x1), (y0, y1) = _LYOT
    return (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)


def _masked_strips(aperture: Aperture) -> np.ndarray:
    x, _ = aperture.full_frame_grid()
    return (x < _IMAGER_EDGE) & ~lyot_region(aperture)
