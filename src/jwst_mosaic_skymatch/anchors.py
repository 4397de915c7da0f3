"""References of the zero point: levels of a table, exposures, visits, or an image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.exposures.associations import expand
from jwst_mosaic_skymatch.exposures.library import named_exposures
from jwst_mosaic_skymatch.exposures.metadata import Exposures, group_labels
from jwst_mosaic_skymatch.exposures.sky_files import open_image
from jwst_mosaic_skymatch.parameters import Parameters, is_table, reference_of
from jwst_mosaic_skymatch.products.tables import read_levels

__all__ = ["Anchor", "open_anchor"]


@dataclass(frozen=True)
class Anchor:
    """The reference of the zero point, and levels that it fixes before the match.

    Attributes
    ----------
    positions : tuple of int
        Exposures whose mean level is zero.
    held : ndarray, shape (n,), or None
        Levels of exposures, MJy/sr; NaN for unknown ones.
    image : callable or None
        Takes RA and Dec, degrees, and returns the brightness of a reference image, MJy/sr.
    """

    positions: tuple[int, ...] = ()
    held: np.ndarray | None = None
    image: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None


def open_anchor(exposures: Exposures, parameters: Parameters) -> Anchor:
    """Decide whether the reference is a table, an exposure, a visit, or an image, and open it.

    Parameters
    ----------
    exposures : sequence of Exposure
        The exposures.
    parameters : mapping
        Parameters of the step, by name.

    Returns
    -------
    Anchor
        The anchor; an empty one without a reference.

    Raises
    ------
    OSError
        If a file cannot be read.
    ValueError
        If the reference is unusable.
    """
    reference = reference_of(parameters)
    if reference is None:
        return Anchor()
    path, labels = expand(reference), group_labels(exposures, parameters["grouping"])
    if is_table(reference):
        held = read_levels(path, exposures) - [e.subtracted_level for e in exposures]
        if parameters["grouping"] == "exposure":
            _check_common_levels(held, labels, reference)
        return Anchor(held=held)
    if path.is_file() and path.name not in {exposure.filename for exposure in exposures}:
        return Anchor(image=open_image(path, unit=exposures[0].unit).sample)
    return Anchor(named_exposures(reference, exposures, labels))


def _check_common_levels(held: np.ndarray, labels: Sequence[str], reference: str) -> None:
    """Refuse levels that differ between detectors of an exposure, which get one level."""
    known: dict[str, float] = {}
    for label, level in zip(labels, held.tolist(), strict=True):
        if np.isfinite(level) and not np.isclose(known.setdefault(label, level), level):
            raise ValueError(
                f"{reference}: levels of the detectors of {label} differ, and grouping='exposure' "
                "gives them one; use the grouping of the run that wrote the table."
            )
