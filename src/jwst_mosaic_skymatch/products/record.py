"""Levels in the metadata and the data of models."""

from typing import Any

import numpy as np
from stdatamodels.jwst.datamodels import JwstDataModel
from stpipe.library import AbstractModelLibrary

from jwst_mosaic_skymatch import __version__
from jwst_mosaic_skymatch.exposures.library import DeferringLibrary
from jwst_mosaic_skymatch.exposures.metadata import Exposure, Exposures
from jwst_mosaic_skymatch.exposures.models import each_model
from jwst_mosaic_skymatch.levels.results import Match
from jwst_mosaic_skymatch.products.tables import details_of_levels
from jwst_mosaic_skymatch.tiles.frame import PixelPlane

__all__ = ["record_levels"]

FLAT = PixelPlane(0.0, 0.0, 0.0, 0.0)


def record_levels(
    library: AbstractModelLibrary,
    exposures: Exposures,
    match: Match,
    levels: np.ndarray,
    *,
    method: str,
    subtract: bool,
) -> None:
    """Write levels into the models, and subtract them and planes if asked to.

    Parameters
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        The models, which are changed.
    exposures : sequence of Exposure
        Metadata of the exposures, from before this run.
    match : Match
        Their match, with the planes to subtract from exposures that have a level.
    levels : ndarray, shape (n,)
        Their levels, MJy/sr; NaN for none.
    method : str
        The ``skymethod``.
    subtract : bool
        Whether to subtract the levels from the data.
    """
    planes = [plane or FLAT for plane in match.backgrounds.planes] or [FLAT] * len(levels)
    own = zip(levels.tolist(), details_of_levels(match), planes, strict=True)
    of_exposure = dict(zip(exposures, own, strict=True))

    def record(exposure: Exposure, model: JwstDataModel) -> None:
        level, details, plane = of_exposure[exposure]
        background = model.meta.background
        if "match" not in method:
            details = {}
        model.meta.pixel_skymatch = {"version": __version__, **details}
        if not exposure.subtracted:
            # Resample would subtract the level of an earlier run.
            background.level = background.method = background.subtracted = None
            if background.polynomial_info:
                background.polynomial_info = []
        if not np.isfinite(level):
            model.meta.cal_step.skymatch = "SKIPPED"
            return
        _add_history(model, f"Sky level ({method}) by jwst-mosaic-skymatch {__version__}")
        background.method, background.subtracted = method, subtract
        background.level = level + exposure.subtracted_level
        if subtract:
            model.data = model.data - (plane.image(model.data.shape) + np.float32(level))
            _record_plane(background, level, plane)
        model.meta.cal_step.skymatch = "COMPLETE"

    if isinstance(library, DeferringLibrary) and library.on_disk:
        library.defer(exposures, record)
    else:
        each_model(library, exposures, record, modify=True)


def _add_history(model: JwstDataModel, sentence: str) -> None:
    """Add an entry to a model's history; before stdatamodels 5 it was a plain list."""
    if hasattr(model, "add_history_entry"):
        model.add_history_entry(sentence)
    else:
        from stdatamodels.util import create_history_entry

        model.history.append(create_history_entry(sentence))


def _record_plane(background: Any, level: float, plane: PixelPlane) -> None:
    """Add level and plane to those that earlier runs have recorded, if either has a plane.

    As the polynomial of degree 1 in x and in y, around a pixel counted from 0: coefficients of 1,
    y, x, xy.
    """
    earlier = [p for p in background.polynomial_info or [] if list(p.degree) == [1, 1]]
    if plane is FLAT and not earlier:
        return
    x, y = earlier[0].refpoint if earlier else (plane.x, plane.y)
    added = np.array([level, plane.slope_y, plane.slope_x, 0.0])
    added[0] += plane.slope_x * (x - plane.x) + plane.slope_y * (y - plane.y)
    if earlier:
        added += np.array(list(earlier[0].coefficients))
    background.polynomial_info = [
        {"degree": [1, 1], "refpoint": [float(x), float(y)], "coefficients": added.tolist()}
    ]
