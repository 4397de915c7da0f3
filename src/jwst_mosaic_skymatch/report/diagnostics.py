"""Files beside the exposures: tables, a skylist, the report, images of stacks."""

import logging

from astropy.table import QTable

from jwst_mosaic_skymatch.products import files
from jwst_mosaic_skymatch.report.result import MatchResult
from jwst_mosaic_skymatch.report.sources import OutputPath, save_skylist, save_tiles

__all__ = ["save_report", "save_skylist", "save_tables", "save_tiles"]

log = logging.getLogger("stpipe.pixel_skymatch")


def save_tables(output_path: OutputPath, product: str, levels: QTable, pairs: QTable) -> None:
    """Save the tables of levels and of pairs.

    Parameters
    ----------
    output_path, product
        Maker of paths, and name of the product.
    levels, pairs : `~astropy.table.QTable`
        The tables.
    """
    files.save_table(output_path(product, "skymatch_levels", "ecsv"), levels)
    files.save_table(output_path(product, "skymatch_pairs", "ecsv"), pairs)


def save_report(output_path: OutputPath, result: MatchResult) -> None:
    """Save the report; without matplotlib or Jinja2 the log names the missing one.

    Parameters
    ----------
    output_path : callable
        Makes the path of a file of its name, suffix and extension.
    result : MatchResult
        The result.
    """
    try:
        from jwst_mosaic_skymatch.report.page import render_report
    except ImportError as error:
        remedy = 'pip install "jwst-mosaic-skymatch[plots]", and run the step again.'
        log.info("No report is saved, as %s is missing. %s", error.name, remedy)
        return
    page = render_report(result)
    with files.whole_files() as draft:
        path = draft(output_path(result.product, "skymatch_report", "html"))
        path.write_text(page, encoding="utf-8")
