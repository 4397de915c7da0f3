"""Files beside the exposures: tables, a skylist, the report, images of stacks."""

import logging
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
from astropy.table import QTable

from jwst_mosaic_skymatch.exposures.skylist import skylist_of
from jwst_mosaic_skymatch.levels.results import Match, Stack
from jwst_mosaic_skymatch.products import files
from jwst_mosaic_skymatch.products.findings import Finding
from jwst_mosaic_skymatch.report.archive import write_material
from jwst_mosaic_skymatch.report.result import MatchResult
from jwst_mosaic_skymatch.tiles.grid import Grid
from jwst_mosaic_skymatch.tiles.tile import StoredTile

__all__ = ["OutputPath", "save_report", "save_skylist", "save_tables", "save_tiles"]

log = logging.getLogger("stpipe.pixel_skymatch")

#: Takes name, suffix and extension of a file and returns its path.
OutputPath = Callable[[str, str, str], str]


def save_tables(  # numpydoc ignore=PR01
    output_path: OutputPath, product: str, levels: QTable, pairs: QTable
) -> None:
    """Save the tables of levels and of pairs."""
    for table, what in ((levels, "levels"), (pairs, "pairs")):
        files.save_table(output_path(product, f"skymatch_{what}", "ecsv"), table)


def save_skylist(
    output_path: OutputPath,
    product: str,
    filenames: Sequence[str],
    levels: np.ndarray,
    match: Match,
    stem: Callable[[str], str],
) -> Finding | None:
    """Save levels for the stock step, if it can do with them.

    Parameters
    ----------
    output_path : callable
        Says where to.
    product : str
        Name of the product.
    filenames : sequence of str
        The exposures.
    levels : ndarray, shape (n,)
        Levels of all images, MJy/sr: of the exposures, and of pieces of them.
    match : Match
        The match.
    stem : callable
        Reduces a file name to what the stock step compares.

    Returns
    -------
    Finding or None
        Why none was saved.
    """
    if len(levels) > len(filenames):
        sentence = "No skylist is saved. Lyot fields have levels of their own (miri_lyot)."
        return Finding(sentence, remedy="use miri_lyot='keep' or 'mask'")
    if any(match.planes):
        sentence = "No skylist is saved: levels alone are not what planes need."
        return Finding(sentence, remedy="use background='constant'")
    try:
        text = skylist_of(filenames, levels, match.reasons, stem)
    except ValueError as error:
        remedy = "give exposures file names that differ"
        return Finding(f"No skylist is saved. {error}", remedy=remedy)
    files.save_text(output_path(product, "skylist", "txt"), text)
    return None


def save_report(output_path: OutputPath, result: MatchResult) -> None:  # numpydoc ignore=PR01
    """Save what a report is made of, and the report if there is what it takes."""
    with files.whole_files() as draft:
        path = output_path(result.product, "skymatch_report", "asdf")
        write_material(draft(path), result)
        try:
            from jwst_mosaic_skymatch.report.page import render_report
        except ImportError as error:
            log.info(
                "No report is saved, as %s is missing. pip install "
                '"jwst-mosaic-skymatch[plots]", and make it from the saved files: '
                "python -m jwst_mosaic_skymatch.report %s",
                error.name,
                path,
            )
            return
        path = output_path(result.product, "skymatch_report", "html")
        draft(path).write_text(render_report(result), encoding="utf-8")


def save_tiles(  # numpydoc ignore=PR01
    output_path: OutputPath, stacks: Sequence[Stack], grid: Grid, unit: str | None
) -> None:
    """Save the mean image of each stack."""
    for stack in stacks:
        tile = cast(StoredTile, stack.mean).read()
        path = output_path(stack.label, "skytile", "fits")
        files.save_tile(path, tile, grid.cutout_wcs(tile), unit)
