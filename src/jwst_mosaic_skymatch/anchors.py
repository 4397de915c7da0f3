"""The zero point of levels: a reference member, visit, image or table of an earlier run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from jwst_mosaic_skymatch.exposures.library import StepInput, expand
from jwst_mosaic_skymatch.exposures.metadata import Exposure, group_labels
from jwst_mosaic_skymatch.exposures.reference import (
    check_unit,
    named_exposures,
    open_image,
    unknown_reference,
)
from jwst_mosaic_skymatch.levels.gauge import (
    apply_constants,
    apply_gauge,
    constants_of_exposures,
)
from jwst_mosaic_skymatch.levels.results import Levels
from jwst_mosaic_skymatch.products.findings import Finding
from jwst_mosaic_skymatch.products.messages import name_components
from jwst_mosaic_skymatch.products.record import levels_before
from jwst_mosaic_skymatch.products.tables import read_levels
from jwst_mosaic_skymatch.run import Constraints

__all__ = ["Anchor", "anchor_of_reference", "anchor_of_table", "fix_zero_point"]


@dataclass(frozen=True)
class Anchor:
    """The reference of the zero point.

    Attributes
    ----------
    name : str
        Its name in messages; empty for no reference.
    constraints : Constraints
        Levels that are held during the match.
    positions : tuple of int
        Exposures whose mean level is zero.
    warnings : tuple of str
        Doubts about an image.
    """

    name: str = ""
    constraints: Constraints = field(default_factory=Constraints)
    positions: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()


def anchor_of_table(
    table: str, exposures: Sequence[Exposure], stem: Callable[[str], str], *, subtract: bool
) -> Anchor:
    """Read the levels that exposures keep.

    Parameters
    ----------
    table : str
        Path of the table.
    exposures : sequence of Exposure
        All exposures.
    stem : callable
        Reduces a file name to the part that is compared.
    subtract : bool
        Whether levels are subtracted.

    Returns
    -------
    Anchor
        The anchor.

    Raises
    ------
    OSError
        If the table cannot be read.
    ValueError
        If it is no table of levels, has another unit, or has no level of any exposure.
    """
    levels, _ = read_levels(expand(table), exposures, stem)
    # Levels that were subtracted are gone from the data.
    held = levels - levels_before(exposures, subtract=subtract)
    return Anchor(table, Constraints(held=held))


def anchor_of_reference(
    reference: str, step_input: StepInput, grouping: str, stem: Callable[[str], str]
) -> Anchor:
    """Decide whether a reference is a member, a visit, or an image, and open it.

    Parameters
    ----------
    reference : str
        Its name, or the path of an image.
    step_input : StepInput
        The exposures.
    grouping : str
        Kind of the groups, whose labels are names too.
    stem : callable
        Reduces a file name to the part that is compared.

    Returns
    -------
    Anchor
        The anchor.

    Raises
    ------
    OSError
        If the image cannot be read.
    ValueError
        If there is neither a member or visit nor a file of that name, or the file is no image
        of the sky.
    """
    exposures, path = step_input.exposures, expand(reference)
    is_image = path.is_file() and path.resolve() not in step_input.files
    if not is_image or path.name in {exposure.filename for exposure in exposures}:
        labels = group_labels(exposures, grouping)
        positions = named_exposures(reference, exposures, labels, stem)
        if positions:
            return Anchor(reference, positions=positions)
        if not path.is_file():
            raise unknown_reference(reference, exposures)
    image = open_image(path)
    warnings = tuple(check_unit(image, exposures[0].unit))
    return Anchor(reference, Constraints(image=image.sample), warnings=warnings)


def fix_zero_point(
    levels: Levels, anchor: Anchor, exposures: Sequence[Exposure], *, match_down: bool
) -> tuple[np.ndarray, list[Finding]]:
    """Fix the constant of each component.

    Parameters
    ----------
    levels : Levels
        Levels of the match.
    anchor : Anchor
        The reference of the zero point.
    exposures : sequence of Exposure
        The exposures.
    match_down : bool
        Without a reference, whether the smallest level is zero; else the largest.

    Returns
    -------
    values : ndarray, shape (n,)
        Levels, MJy/sr; NaN for none.
    warnings : list of Finding
        Components that the reference does not reach; their levels are as without it.
    """
    usual = apply_gauge(_without_anchors(levels), match_down=match_down)
    held = np.full(len(usual), np.nan)
    if anchor.constraints.held is not None:
        held = anchor.constraints.held
    constants = np.where(levels.anchored, 0.0, np.nan)
    if anchor.positions:
        constants = constants_of_exposures(levels.values, levels.components, anchor.positions)
    values = apply_constants(levels.values, levels.components, constants, usual)
    values = np.where(np.isfinite(held), held, values)
    if not anchor.name:
        return values, []
    if anchor.positions and not np.isfinite(constants).any():
        return values, [_without_level(levels, anchor, exposures)]
    return values, _not_reached(levels, constants, anchor, exposures)


def _without_anchors(levels: Levels) -> np.ndarray:
    """Subtract the mean level of each component with an anchor, as others have zero mean."""
    values = levels.values.copy()
    for component in np.flatnonzero(levels.anchored).tolist():
        members = levels.components == component
        values[members] -= values[members].mean()
    return values


def _without_level(levels: Levels, anchor: Anchor, exposures: Sequence[Exposure]) -> Finding:
    remedy = "choose another reference"
    return Finding(
        f"The reference {anchor.name} has no level ({levels.reasons[anchor.positions[0]]}), so "
        f"that the smallest or largest level is zero as usual (match_down); {remedy}.",
        f"the reference {anchor.name} has no level",
        remedy,
        tuple(exposures[k].name for k in anchor.positions),
    )


def _not_reached(
    levels: Levels, constants: np.ndarray, anchor: Anchor, exposures: Sequence[Exposure]
) -> list[Finding]:
    names = name_components(levels.components, exposures)
    remedy = "add exposures in between, or give an image that covers all as reference"
    return [
        Finding(
            f"The component of visits {names[k]} does not overlap the reference {anchor.name}: "
            f"its levels are as usual (match_down); {remedy}.",
            f"the component of visits {names[k]} has no anchor",
            remedy,
            tuple(exposures[m].name for m in np.flatnonzero(levels.components == k).tolist()),
        )
        for k in np.flatnonzero(np.isnan(constants)).tolist()
    ]
