"""Files beside the exposures: tables, a skylist, the report, images of stacks."""

import logging
from collections.abc import Callable, Sequence

import numpy as np
from astropy.table import QTable

from jwst_mosaic_skymatch.exposures.skylist import skylist_of
from jwst_mosaic_skymatch.levels.results import Match, Stack
from jwst_mosaic_skymatch.products import files
from jwst_mosaic_skymatch.products.findings import Finding
from jwst_mosaic_skymatch.report.result import MatchResult
from jwst_mosaic_skymatch.report.sources import levels_alone, stack_images
from jwst_mosaic_skymatch.tiles.grid import Grid

__all__ = ["OutputPath", "save_report", "save_skylist", "save_tables", "save_tiles"]

log = logging.getLogger("stpipe.pixel_skymatch")

#: Makes the path of a file of its name, suffix and extension.
OutputPath = Callable[[str, str, str], str]


def save_tables(output_path: OutputPath, product: str, levels: QTable, pairs: QTable) -> None:
    """Save the tables of levels and of pairs.

    Parameters
    ----------
    output_path : callable
        See `OutputPath`.
    product : str
        Name of the product.
    levels, pairs : `~astropy.table.QTable`
        The tables.
    """
    files.save_table(output_path(product, "skymatch_levels", "ecsv"), levels)
    files.save_table(output_path(product, "skymatch_pairs", "ecsv"), pairs)


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
    output_path : callable
        See `OutputPath`.
    product : str
        Name of the product.
    filenames : sequence of str
        The exposures.
    levels : ndarray, shape (n,)
        Levels of exposures and of their pieces, MJy/sr.
    match : Match
        The match.
    stem : callable
        Reduces a file name to the part that the stock step compares.

    Returns
    -------
    Finding or None
        Why none was saved.
    """
    if len(levels) > len(filenames):
        sentence = "No skylist is saved. Lyot fields have levels of their own (miri_lyot)."
        return Finding(sentence, remedy="use miri_lyot='keep' or 'mask'")
    reasons = levels_alone(match)
    if reasons is None:
        sentence = "No skylist is saved: levels alone are not what planes need."
        return Finding(sentence, remedy="use background='constant'")
    try:
        text = skylist_of(filenames, levels, reasons, stem)
    except ValueError as error:
        remedy = "give exposures file names that differ"
        return Finding(f"No skylist is saved. {error}", remedy=remedy)
    files.save_text(output_path(product, "skylist", "txt"), text)
    return None


def save_report(output_path: OutputPath, result: MatchResult) -> None:
    """Save the report; without matplotlib or Jinja2 the log names the missing one.

    Parameters
    ----------
    output_path : callable
        See `OutputPath`.
    result : MatchResult
        The result.
    """
    try:
        from jwst_mosaic_skymatch.report.page import render_report
    except ImportError as error:
        log.info(
            "No report is saved, as %s is missing. pip install "
            '"jwst-mosaic-skymatch[plots]", and run the step again.',
            error.name,
        )
        return
    page = render_report(result)
    with files.whole_files() as draft:
        path = draft(output_path(result.product, "skymatch_report", "html"))
        path.write_text(page, encoding="utf-8")


def save_tiles(
    output_path: OutputPath, stacks: Sequence[Stack], grid: Grid, unit: str | None
) -> None:
    """Save the mean image of each stack.

    Parameters
    ----------
    output_path : callable
        See `OutputPath`.
    stacks : sequence of Stack
        The stacks.
    grid : Grid
        The grid.
    unit : str or None
        Unit of the data.
    """
    for label, tile in stack_images(stacks):
        files.save_tile(output_path(label, "skytile", "fits"), tile, grid.cutout_wcs(tile), unit)
