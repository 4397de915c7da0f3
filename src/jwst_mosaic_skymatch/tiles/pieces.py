"""Pieces of exposures that are matched as images of their own: MIRI's Lyot fields."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from gwcs import WCS
from stdatamodels.jwst.datamodels import JwstDataModel
from stpipe.library import AbstractModelLibrary

from jwst_mosaic_skymatch.exposures.metadata import Exposure, lyot_piece
from jwst_mosaic_skymatch.exposures.models import each_model
from jwst_mosaic_skymatch.tiles.exclusion import Exclusion, lyot_window
from jwst_mosaic_skymatch.tiles.windows import Window

__all__ = ["Pieces", "find_pieces", "window_footprint"]


@dataclass(frozen=True)
class Pieces:
    """All images that are to be matched: exposures, and pieces of some of them.

    Attributes
    ----------
    images : tuple of Exposure
        The exposures, and after them their pieces.
    owners : tuple of int
        Position of the exposure that each piece is a part of.
    footprints : tuple of ndarray, shape (4, 2)
        RA and Dec (degrees) of the corners of each piece.
    """

    images: tuple[Exposure, ...]
    owners: tuple[int, ...] = ()
    footprints: tuple[np.ndarray, ...] = ()

    @property
    def n_exposures(self) -> int:
        """Number of exposures, which is the position of the first piece."""
        return len(self.images) - len(self.owners)

    @property
    def positions(self) -> range:
        """Positions of the pieces among the images."""
        return range(self.n_exposures, len(self.images))

    def with_pieces(self, values: Sequence[str], mark: str = "") -> list[str]:
        """Give pieces what their exposures have.

        Parameters
        ----------
        values : sequence of str
            A text for each exposure.
        mark : str, optional
            What to add to those of pieces.

        Returns
        -------
        list of str
            A text for each image.
        """
        return [*values, *(values[k] + mark for k in self.owners)]


def find_pieces(
    library: AbstractModelLibrary, exposures: Sequence[Exposure], exclusion: Exclusion
) -> Pieces:
    """Find the exposures that have a Lyot field to be matched by itself.

    Parameters
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        The exposures; those of MIRI are opened if ``exclusion`` has 'separate', which no
        S_REGION does without.
    exposures : sequence of Exposure
        Their metadata.
    exclusion : Exclusion
        What becomes of the field.

    Returns
    -------
    Pieces
        The exposures, with pieces after them if there are any.
    """

    def look(exposure: Exposure, model: JwstDataModel) -> np.ndarray | None:
        window = lyot_window(exposure, model.data.shape)
        return None if window is None else window_footprint(model.meta.wcs, window)

    is_separate = exclusion.miri_lyot == "separate"
    candidates = [
        k for k, exposure in enumerate(exposures) if is_separate and exposure.instrument == "MIRI"
    ]
    found = each_model(library, [exposures[k] for k in candidates], look)
    # Of a WCS that gives no position all is said when its pixels are taken.
    footprints = {
        k: corners
        for k, corners in zip(candidates, found, strict=True)
        if corners is not None and np.isfinite(corners).all()
    }
    return Pieces(
        images=(*exposures, *(lyot_piece(exposures[k]) for k in footprints)),
        owners=tuple(footprints),
        footprints=tuple(footprints.values()),
    )


def window_footprint(wcs: WCS, window: Window) -> np.ndarray:
    """Find where a part of an exposure lies on the sky.

    Parameters
    ----------
    wcs : `~gwcs.wcs.WCS`
        WCS of the exposure.
    window : tuple of slice
        Rows and columns.

    Returns
    -------
    ndarray, shape (4, 2)
        RA and Dec (degrees) of the corner pixels, counterclockwise on the detector.
    """
    rows, columns = window
    x = np.array([columns.start, columns.stop - 1, columns.stop - 1, columns.start], dtype=float)
    y = np.array([rows.start, rows.start, rows.stop - 1, rows.stop - 1], dtype=float)
    return np.stack(wcs(x, y, with_bounding_box=False), axis=1)
