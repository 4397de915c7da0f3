"""Parts of a run for its result and its files; with ``mosaic`` the only user of a match."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.exposures.models import read_footprint
from jwst_mosaic_skymatch.exposures.skylist import skylist_of
from jwst_mosaic_skymatch.levels.results import Match, Stack
from jwst_mosaic_skymatch.offsets.picture import DifferencePicture
from jwst_mosaic_skymatch.products import files
from jwst_mosaic_skymatch.products.findings import Finding
from jwst_mosaic_skymatch.report.result import Provenance
from jwst_mosaic_skymatch.tiles.grid import Grid
from jwst_mosaic_skymatch.tiles.tile import StoredTile

__all__ = ["pictures_of", "provenance_of", "save_skylist", "save_tiles", "sky_footprints"]

# Libraries that results depend on.
LIBRARIES = ("jwst", "stpipe", "stcal", "drizzle", "gwcs", "numpy", "scipy", "astropy")

#: Makes the path of a file of its name, suffix and extension.
OutputPath = Callable[[str, str, str], str]


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
    parameters, seconds : mapping
        Values of all parameters of the step, and time of each stage, by name.
    grid : Grid or None
        The shared grid, if there was one.

    Returns
    -------
    Provenance
        Date, versions, parameters, grid, and time.
    """
    cells = {}
    if grid is not None:
        cells["cells"] = " x ".join(map(str, grid.shape[::-1]))
        cells["side of a cell"] = f"{grid.cell_scale:.4f} arcsec"
    return Provenance(
        date=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        versions={"jwst-mosaic-skymatch": own_version, **{n: version(n) for n in LIBRARIES}},
        # Hooks are classes and callables.
        parameters={n: str(value) for n, value in parameters.items() if not n.endswith("hooks")},
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
    labels = [*(stack.label for stack in match.stacks), "reference image"]
    measured = [
        (of, pair.measurement)
        for of, pairs in ((names, match.exposure_pairs), (labels, match.stack_pairs))
        for pair in pairs
    ]
    return {
        (of[m.first], of[m.second]): m.quality.picture for of, m in measured if m.quality.picture
    }


def save_skylist(
    output_path: OutputPath,
    product: str,
    filenames: Sequence[str],
    levels: np.ndarray,
    match: Match,
    stem: Callable[[str], str],
) -> Finding | None:
    """Save levels for the stock step, if they suffice for it.

    Parameters
    ----------
    output_path, product
        Maker of paths, and name of the product.
    filenames : sequence of str
        The exposures.
    levels : ndarray, shape (n,)
        Levels of the exposures, MJy/sr.
    match : Match
        The match.
    stem : callable
        Reduces a file name to the part that the stock step compares.

    Returns
    -------
    Finding or None
        Why none was saved.
    """
    if any(match.backgrounds.planes):
        sentence = "No skylist is saved: levels alone are not what planes need."
        return Finding(sentence, remedy="use background='constant'")
    try:
        text = skylist_of(filenames, levels, match.levels.reasons, stem)
    except ValueError as error:
        remedy = "give exposures file names that differ"
        return Finding(f"No skylist is saved. {error}", remedy=remedy)
    files.save_text(output_path(product, "skylist", "txt"), text)
    return None


def save_tiles(
    output_path: OutputPath, stacks: Sequence[Stack], grid: Grid, unit: str | None
) -> None:
    """Save the mean image of each stack.

    Parameters
    ----------
    output_path : callable
        Makes the path of a file of its name, suffix and extension.
    stacks : sequence of Stack
        The stacks.
    grid : Grid
        The grid.
    unit : str or None
        Unit of the data.
    """
    for stack in stacks:
        tile = stack.mean.read() if isinstance(stack.mean, StoredTile) else stack.mean
        path = output_path(stack.label, "skytile", "fits")
        files.save_tile(path, tile, grid.cutout_wcs(tile), unit)
