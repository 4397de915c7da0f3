"""What fixes the free constant of each component, if not the smallest level.

An anchor is made before any pixel is read, and applied to the match.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from jwst_mosaic_skymatch.exposures.library import StepInput, expand
from jwst_mosaic_skymatch.exposures.metadata import LYOT_MARK, Exposure, group_labels
from jwst_mosaic_skymatch.exposures.reference import (
    ReferenceImage,
    named_exposures,
    open_image,
    unknown_reference,
)
from jwst_mosaic_skymatch.levels.gauge import (
    apply_constants,
    constants_of_exposures,
    hold_levels,
)
from jwst_mosaic_skymatch.levels.image import ImageConstants, anchor_to_image
from jwst_mosaic_skymatch.levels.results import Match
from jwst_mosaic_skymatch.products.findings import Finding
from jwst_mosaic_skymatch.products.messages import name_components
from jwst_mosaic_skymatch.products.record import levels_before
from jwst_mosaic_skymatch.products.tables import read_levels
from jwst_mosaic_skymatch.tiles.grid import Grid

__all__ = [
    "Anchor",
    "Anchored",
    "ExposureAnchor",
    "ImageAnchor",
    "TableAnchor",
    "anchor_of_reference",
    "anchor_of_table",
]

# Held levels that the match contradicts by more than this make a warning.
SIGMAS = 3.0


@dataclass(frozen=True)
class Anchored:
    """Levels with their constants.

    Attributes
    ----------
    match : Match
        The match; an anchor may give levels to exposures that had none.
    levels : ndarray, shape (n,)
        Levels, MJy/sr; NaN for none.
    news : tuple of str
        What to say of it.
    warnings : tuple of Finding
        What users should know of it.
    """

    match: Match
    levels: np.ndarray
    news: tuple[str, ...] = ()
    warnings: tuple[Finding, ...] = ()


class Anchor(Protocol):
    """Something that levels are put in relation to."""

    def apply(self, match: Match, usual: np.ndarray, grid: Grid, min_cells: int) -> Anchored:
        """Put the levels of components in relation to the anchor.

        Parameters
        ----------
        match : Match
            The match; means of stacks are still in their files.
        usual : ndarray, shape (n,)
            Levels without an anchor, which those keep that it does not reach.
        grid : Grid
            The grid.
        min_cells : int
            Least number of common cells of two images that say something.

        Returns
        -------
        Anchored
            The levels.
        """


@dataclass(frozen=True)
class ExposureAnchor:
    """Exposures whose mean level is zero.

    Attributes
    ----------
    name : str
        What they are called: a member or a visit.
    positions : tuple of int
        The exposures.
    exposures : sequence of Exposure
        All exposures.
    """

    name: str
    positions: tuple[int, ...]
    exposures: Sequence[Exposure]

    def apply(  # numpydoc ignore=PR01,RT01
        self, match: Match, usual: np.ndarray, grid: Grid, min_cells: int
    ) -> Anchored:
        """Put the levels of components in relation to the anchor; see `Anchor`."""
        constants = constants_of_exposures(match.levels, match.components, self.positions)
        if not np.isfinite(constants).any():
            reason = match.reasons[self.positions[0]]
            brief, remedy = f"the reference {self.name} has no level", "choose another reference"
            sentence = (
                f"The reference {self.name} has no level ({reason}), so that the smallest or "
                f"largest level is zero as usual (match_down); {remedy}."
            )
            names = tuple(self.exposures[k].name for k in self.positions)
            return Anchored(match, usual, warnings=(Finding(sentence, brief, remedy, names),))
        what = (
            f"does not overlap the reference {self.name}, and is not relative to it: its levels "
            "are as usual (match_down)"
        )
        remedy = "give an image that covers all as reference, or exposures in between"
        return Anchored(
            match,
            apply_constants(match.levels, match.components, constants, usual),
            news=(
                f"Levels are relative to the mean level of the reference {self.name} "
                f"({_exposures(len(self.positions))})",
            ),
            warnings=_without(constants, match, self.exposures, what, remedy),
        )


@dataclass(frozen=True)
class ImageAnchor:
    """An image that exposures minus their levels are equal to.

    Attributes
    ----------
    image : ReferenceImage
        The image.
    exposures : sequence of Exposure
        All exposures.
    """

    image: ReferenceImage
    exposures: Sequence[Exposure]

    def apply(  # numpydoc ignore=PR01,RT01
        self, match: Match, usual: np.ndarray, grid: Grid, min_cells: int
    ) -> Anchored:
        """Put the levels of components in relation to the anchor; see `Anchor`."""

        def sample(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            return self.image.sample(*grid.wcs(x, y, with_bounding_box=False))

        found = anchor_to_image(match, sample, min_cells=min_cells)
        what = (
            f"has fewer than {min_cells} cells in common with the reference image "
            f"{self.image.path.name}, and is not anchored to it: its levels are as usual "
            "(match_down)"
        )
        remedy = "give an image that covers it"
        match = found.match
        return Anchored(
            match,
            apply_constants(match.levels, match.components, found.constants, usual),
            news=self._news(found),
            warnings=_without(found.constants, match, self.exposures, what, remedy),
        )

    def _news(self, found: ImageConstants) -> tuple[str, ...]:
        """Say of each component how well it is anchored."""
        names = name_components(found.match, self.exposures)
        return tuple(
            f"Levels of visits {names[k]} are anchored to the reference image "
            f"{self.image.path.name}: {_count(found.n_stacks[k], 'stack')}, "
            f"{_count(found.n_cells[k], 'cell')}, error {found.errors[k]:.2g}"
            + (f", scatter of stacks {found.scatter[k]:.2g}" if found.n_stacks[k] > 1 else "")
            for k in np.flatnonzero(np.isfinite(found.constants)).tolist()
        )


@dataclass(frozen=True)
class TableAnchor:
    """Levels of an earlier run that some exposures keep.

    Attributes
    ----------
    name : str
        The table.
    levels, errors : ndarray, shape (n,)
        Levels to be kept and their errors, MJy/sr; NaN for exposures that are new.
    exposures : sequence of Exposure
        All exposures.
    """

    name: str
    levels: np.ndarray
    errors: np.ndarray
    exposures: Sequence[Exposure]

    def apply(  # numpydoc ignore=PR01,RT01
        self, match: Match, usual: np.ndarray, grid: Grid, min_cells: int
    ) -> Anchored:
        """Put the levels of components in relation to the anchor; see `Anchor`."""
        found = hold_levels(
            match.levels, match.level_errors, match.components, self.levels, self.errors, usual
        )
        kept = np.isfinite(self.levels)
        n = sum(not exposure.name.endswith(LYOT_MARK) for exposure in self.exposures)
        sentence = f"{kept[:n].sum()} of {_exposures(n)} keep their levels of {self.name}"
        if np.isfinite(found.rms):
            sentence += (
                f"; the match agrees with these to {found.rms:.3g} rms ({found.sigmas:.2g} sigma)"
            )
        what = (
            f"has no exposure of {self.name}, and is not relative to it: its levels are as usual "
            "(match_down)"
        )
        remedy = "add exposures of the earlier run that overlap it"
        warnings = _without(found.constants, match, self.exposures, what, remedy)
        agrees = not found.sigmas > SIGMAS
        remedy = "match all anew without fixed, or leave those out of the table"
        contradiction = Finding(
            f"{sentence}. Some of the earlier levels contradict the match: {remedy}.",
            f"levels of {self.name} contradict the match",
            remedy,
        )
        reasons = [
            "" if keeps else reason for keeps, reason in zip(kept, match.reasons, strict=True)
        ]
        return Anchored(
            replace(match, reasons=tuple(reasons)),
            found.levels,
            news=(sentence,) if agrees else (),
            warnings=warnings if agrees else (contradiction, *warnings),
        )


def anchor_of_table(
    fixed: str, images: Sequence[Exposure], stem: Callable[[str], str], *, subtract: bool
) -> TableAnchor:
    """Read the levels that exposures keep.

    Parameters
    ----------
    fixed : str
        Path of the table.
    images : sequence of Exposure
        All exposures, and pieces of them.
    stem : callable
        Reduces a file name to what is compared.
    subtract : bool
        Whether levels are subtracted.

    Returns
    -------
    TableAnchor
        The anchor.

    Raises
    ------
    OSError
        If the table cannot be read.
    ValueError
        If it is no table of levels, has another unit, or has no level of any exposure.
    """
    levels, errors = read_levels(expand(fixed), images, stem)
    # What was subtracted is gone from the data, and not to be subtracted again.
    levels = levels - levels_before(images, subtract=subtract)
    return TableAnchor(fixed, levels, errors, images)


def anchor_of_reference(
    reference: str,
    step_input: StepInput,
    images: Sequence[Exposure],
    grouping: str,
    stem: Callable[[str], str],
) -> ExposureAnchor | ImageAnchor:
    """Find out what a reference is: a member, a visit, or an image.

    Parameters
    ----------
    reference : str
        Its name, or the path of an image.
    step_input : StepInput
        The exposures.
    images : sequence of Exposure
        The exposures, and pieces of them.
    grouping : str
        What makes a group, whose label is a name too.
    stem : callable
        Reduces a file name to what is compared.

    Returns
    -------
    ExposureAnchor or ImageAnchor
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
            return ExposureAnchor(reference, positions, images)
        if not path.is_file():
            raise unknown_reference(reference, exposures)
    return ImageAnchor(open_image(path), images)


def _without(
    constants: np.ndarray, match: Match, exposures: Sequence[Exposure], what: str, remedy: str
) -> tuple[Finding, ...]:
    """Say of each component that an anchor does not reach what is done with it."""
    names = name_components(match, exposures)
    return tuple(
        Finding(
            f"The component of visits {names[k]} {what}; {remedy}.",
            f"the component of visits {names[k]} has no anchor",
            remedy,
            tuple(exposures[m].name for m in np.flatnonzero(match.components == k).tolist()),
        )
        for k in np.flatnonzero(np.isnan(constants)).tolist()
    )


def _exposures(number: int) -> str:
    return _count(number, "exposure")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
