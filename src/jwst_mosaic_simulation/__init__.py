"""Simulated JWST exposures with known background levels; no module imports the step."""

from ._components import Cirrus, Galaxy, StarCounts
from .exposure import (
    Simulation,
    pointing_error,
    simulate_exposure,
    simulate_models,
    simulate_mosaic,
    true_exposure,
    true_level,
)
from .noise import FILTERS, filter_noise
from .pointing import (
    Pointing,
    detector_pointings,
    dither_pointings,
    mosaic_pointings,
    offset_pointing,
)
from .scene import CosmicRays, DetectorOptions, Imperfections, Patch, compose_scene, draw_levels
from .scenes import (
    blank_field,
    dithers,
    ngc628,
    nircam_mosaic,
    real_field,
    stephans_quintet,
    thirty_doradus,
    two_by_three,
)
