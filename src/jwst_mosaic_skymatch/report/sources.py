"""Parts of a run that a result is made of."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.exposures.models import read_footprint
from jwst_mosaic_skymatch.levels.results import Match, Stack
from jwst_mosaic_skymatch.offsets.picture import DifferencePicture
from jwst_mosaic_skymatch.report.result import Provenance
from jwst_mosaic_skymatch.tiles.grid import Grid
from jwst_mosaic_skymatch.tiles.tile import StoredTile, Tile

__all__ = ["levels_alone", "pictures_of", "provenance_of", "sky_footprints", "stack_images"]

# Libraries that results depend on.
LIBRARIES = ("jwst", "stpipe", "stcal", "drizzle", "gwcs", "numpy", "scipy", "astropy")
# Parameters that hold classes and callables.
HOOKS = ("pre_hooks", "post_hooks")


def provenance_of(
    own_version: str,
    parameters: Mapping[str, Any],
    grid: Grid | None,
    seconds: Mapping[str, float],
) -> Provenance:
    """Describe the origin of a result that is made now.

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
    cells: dict[str, str] = {}
    if grid is not None:
        ny, nx = grid.shape
        cells = {"cells": f"{nx} x {ny}", "side of a cell": f"{grid.cell_scale:.4f} arcsec"}
    return Provenance(
        date=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        versions={"jwst-mosaic-skymatch": own_version} | {name: version(name) for name in LIBRARIES},
        parameters={name: str(value) for name, value in parameters.items() if name not in HOOKS},
        grid=cells,
        seconds=dict(seconds),
    )


def sky_footprints(exposures: Iterable[Exposure]) -> tuple[np.ndarray, ...]:
    """Read the corners of exposures.

    Parameters
    ----------
    exposures : iterable of Exposure
        The exposures.

    Returns
    -------
    tuple of ndarray, shape (n_corners, 2)
        RA and Dec of each exposure's corners, degrees; empty without S_REGION.
    """
    corners = (read_footprint(exposure.s_region) for exposure in exposures)
    return tuple(np.zeros((0, 2)) if own is None else np.array(own) for own in corners)


def pictures_of(
    match: Match, exposures: Sequence[Exposure]
) -> dict[tuple[str, str], DifferencePicture]:
    """Collect the pictures of all pairs.

    Parameters
    ----------
    match : Match
        The match.
    exposures : sequence of Exposure
        Its exposures.

    Returns
    -------
    dict of tuple of str to DifferencePicture
        Pictures by the names of the two exposures or stacks; empty if none were kept.
    """
    names = [exposure.name for exposure in exposures]
    labels = [stack.label for stack in match.stacks]
    return {
        (of[pair.offset.first], of[pair.offset.second]): pair.offset.picture
        for of, pairs in ((names, match.exposure_pairs), (labels, match.stack_pairs))
        for pair in pairs
        if pair.offset.picture is not None
    }


def levels_alone(match: Match) -> tuple[str, ...] | None:
    """Explain missing levels, if levels alone describe the backgrounds.

    Parameters
    ----------
    match : Match
        The match.

    Returns
    -------
    tuple of str or None
        Why each exposure has no level, empty for those that have one; None if planes were fitted.
    """
    return None if any(match.planes) else match.reasons


def stack_images(stacks: Sequence[Stack]) -> Iterator[tuple[str, Tile]]:
    """Read the mean images of stacks, one at a time.

    Parameters
    ----------
    stacks : sequence of Stack
        The stacks.

    Yields
    ------
    str
        Name of the stack.
    Tile
        Its mean image.
    """
    for stack in stacks:
        yield stack.label, stack.mean.read() if isinstance(stack.mean, StoredTile) else stack.mean
