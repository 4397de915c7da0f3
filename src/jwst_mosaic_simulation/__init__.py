"""Simulated JWST exposures with known background levels.

Nothing here imports jwst, so that what is tested against these exposures is
not tested against itself.
"""

from .aperture import Aperture, load_aperture
from .artifacts import CosmicRays, Patch
from .attitude import build_wcs, v2v3_to_sky
from .detector import DetectorOptions, draw_dq
from .diffuse import Cirrus, Galaxy
from .exposure import Truth, pointing_error, simulate_exposure, true_exposure, true_level
from .filters import FILTERS, Filter
from .levels import draw_levels, measured_levels
from .mosaic import Simulation, simulate_models, simulate_mosaic
from .noise import Noise, filter_noise, variances
from .patterns import dither_pointings, mosaic_pointings
from .pointing import FIELDS, Pointing, detector_pointings, offset_pointing, read_pointings
from .scene import Imperfections, Scene, compose_scene
from .scenes import (
    blank_field,
    dithers,
    ngc628,
    nircam_mosaic,
    stephans_quintet,
    thirty_doradus,
    two_by_three,
)
from .sky import Sky, make_sky
from .stars import StarCounts, Stars

__all__ = [
    "FIELDS",
    "FILTERS",
    "Aperture",
    "Cirrus",
    "CosmicRays",
    "DetectorOptions",
    "Filter",
    "Galaxy",
    "Imperfections",
    "Noise",
    "Patch",
    "Pointing",
    "Scene",
    "Simulation",
    "Sky",
    "StarCounts",
    "Stars",
    "Truth",
    "blank_field",
    "build_wcs",
    "compose_scene",
    "detector_pointings",
    "dither_pointings",
    "dithers",
    "draw_dq",
    "draw_levels",
    "filter_noise",
    "load_aperture",
    "make_sky",
    "measured_levels",
    "mosaic_pointings",
    "ngc628",
    "nircam_mosaic",
    "offset_pointing",
    "pointing_error",
    "read_pointings",
    "simulate_exposure",
    "simulate_models",
    "simulate_mosaic",
    "stephans_quintet",
    "thirty_doradus",
    "true_exposure",
    "true_level",
    "two_by_three",
    "v2v3_to_sky",
    "variances",
]
