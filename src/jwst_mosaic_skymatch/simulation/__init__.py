"""Simulated JWST exposures with known background levels.

Nothing here imports jwst, so that what is tested against these exposures is
not tested against itself.
"""

from .aperture import Aperture, load_aperture
from .artifacts import CosmicRays, Patch
from .attitude import build_wcs, v2v3_to_sky
from .bands import BANDS, Band
from .detector import DetectorOptions, draw_dq
from .diffuse import Cirrus, Galaxy
from .exposure import Truth, pointing_error, simulate_exposure, true_exposure
from .fields import ngc628, stephans_quintet, thirty_doradus
from .levels import draw_levels, measured_levels
from .mosaic import Simulation, simulate_models, simulate_mosaic
from .noise import Noise, band_noise, variances
from .patterns import dither_pointings, mosaic_pointings
from .pointing import FIELDS, Pointing, detector_pointings, offset_pointing, read_pointings
from .scene import Imperfections, Scene
from .scenes import blank_field, compose_scene, dithers, nircam_mosaic, two_by_three
from .sky import Sky, make_sky
from .stars import StarCounts, Stars

__all__ = [
    "BANDS",
    "FIELDS",
    "Aperture",
    "Band",
    "Cirrus",
    "CosmicRays",
    "DetectorOptions",
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
    "band_noise",
    "blank_field",
    "build_wcs",
    "compose_scene",
    "detector_pointings",
    "dither_pointings",
    "dithers",
    "draw_dq",
    "draw_levels",
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
    "two_by_three",
    "v2v3_to_sky",
    "variances",
]
