"""What a result takes from the parts of a run."""

from collections.abc import Iterable, Sequence
from importlib.metadata import version

import numpy as np

from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.exposures.models import read_footprint
from jwst_mosaic_skymatch.levels.results import Match
from jwst_mosaic_skymatch.offsets.picture import DifferencePicture
from jwst_mosaic_skymatch.tiles.grid import Grid

__all__ = ["describe_grid", "library_versions", "pictures_of", "sky_footprints"]

LIBRARIES = ("jwst", "stpipe", "stcal", "drizzle", "gwcs", "numpy", "scipy", "astropy")


def library_versions() -> dict[str, str]:  # numpydoc ignore=RT01
    """Give the versions of the libraries that results depend on."""
    return {name: version(name) for name in LIBRARIES}


def describe_grid(grid: Grid | None) -> dict[str, str]:  # numpydoc ignore=PR01,RT01
    """Describe the shared grid in words, if there is one."""
    if grid is None:
        return {}
    ny, nx = grid.shape
    return {"cells": f"{nx} x {ny}", "side of a cell": f"{grid.cell_scale:.4f} arcsec"}


def sky_footprints(
    exposures: Iterable[Exposure],
) -> tuple[np.ndarray, ...]:  # numpydoc ignore=PR01,RT01
    """Give the corners of each exposure, RA and Dec in degrees; none where S_REGION lacks."""
    found = (read_footprint(exposure.s_region) for exposure in exposures)
    return tuple(np.zeros((0, 2)) if corners is None else np.array(corners) for corners in found)


def pictures_of(
    match: Match, exposures: Sequence[Exposure]
) -> dict[tuple[str, str], DifferencePicture]:  # numpydoc ignore=PR01,RT01
    """Collect the pictures of all pairs, by the names of what they compare."""
    names = [exposure.name for exposure in exposures]
    labels = [stack.label for stack in match.stacks]
    return {
        (of[pair.offset.first], of[pair.offset.second]): pair.offset.picture
        for of, pairs in ((names, match.exposure_pairs), (labels, match.stack_pairs))
        for pair in pairs
        if pair.offset.picture is not None
    }
