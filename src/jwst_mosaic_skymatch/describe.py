"""Description of a match, or of levels without one, for the log."""

from jwst_mosaic_skymatch.exposures.metadata import Exposures
from jwst_mosaic_skymatch.parameters import PLANES, Parameters, reference_of
from jwst_mosaic_skymatch.products.findings import (
    Finding,
    empty_area,
    findings_of_unmatched,
    findings_of_zero_point,
)
from jwst_mosaic_skymatch.products.messages import findings_of_match, summarize_match
from jwst_mosaic_skymatch.run import Matched
from jwst_mosaic_skymatch.tiles.observation import ALL_EXCLUDED, NO_PIXEL

__all__ = ["describe_match"]


def describe_match(
    matched: Matched, exposures: Exposures, parameters: Parameters
) -> tuple[list[str], list[Finding]]:
    """Describe a match, or levels without one, for the log.

    Parameters
    ----------
    matched : Matched
        The levels.
    exposures : sequence of Exposure
        The exposures.
    parameters : mapping
        Parameters of the step, by name.

    Returns
    -------
    lines : list of str
        The description.
    findings : list of Finding
        The warnings.
    """
    match, grid, reference = matched.match, matched.grid, reference_of(parameters)
    unmatched = findings_of_unmatched(exposures, matched.values, match.levels.reasons)
    if grid is None:
        return [], unmatched
    findings = findings_of_match(match, exposures, grid, PLANES[parameters["background"]])
    if matched.area_is_empty:
        findings.append(empty_area("exclude", parameters["exclude"], "left out"))
    is_empty = {ALL_EXCLUDED} <= set(match.levels.reasons) <= {ALL_EXCLUDED, NO_PIXEL}
    # With both parameters, either may have left out the pixels.
    if is_empty and parameters["include"] and parameters["exclude"] is None:
        findings.append(empty_area("include", parameters["include"], "matched"))
    if reference is not None:
        findings += findings_of_zero_point(
            match.levels, reference, matched.positions, matched.unreached, exposures
        )
    lines = summarize_match(match, exposures, grid, parameters["grouping"])
    return lines, findings + unmatched
