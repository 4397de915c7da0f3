"""What a result takes from the parts of a run."""

import time
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.exposures.models import read_footprint
from jwst_mosaic_skymatch.levels.results import Match
from jwst_mosaic_skymatch.offsets.picture import DifferencePicture
from jwst_mosaic_skymatch.report.result import Provenance
from jwst_mosaic_skymatch.tiles.grid import Grid

__all__ = ["pictures_of", "provenance_of", "sky_footprints"]

# Those that results depend on.
LIBRARIES = ("jwst", "stpipe", "stcal", "drizzle", "gwcs", "numpy", "scipy", "astropy")
# Parameters that hold classes and callables.
HOOKS = ("pre_hooks", "post_hooks")


def provenance_of(
    own_version: str,
    parameters: Mapping[str, Any],
    grid: Grid | None,
    seconds: Mapping[str, float],
) -> Provenance:
    """Say how a run was made, now.

    Parameters
    ----------
    own_version : str
        Version of this package.
    parameters : mapping
        Values of all parameters of the step, by name.
    grid : Grid or None
        The shared grid, if there was one.
    seconds : mapping of str to float
        Time of each stage.

    Returns
    -------
    Provenance
        Date, versions, parameters, grid, and time.
    """
    libraries = {name: version(name) for name in LIBRARIES}
    return Provenance(
        date=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        versions={"jwst-mosaic-skymatch": own_version, **libraries},
        parameters={name: str(value) for name, value in parameters.items() if name not in HOOKS},
        grid={} if grid is None else _describe(grid),
        seconds=dict(seconds),
    )


def _describe(grid: Grid) -> dict[str, str]:
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
