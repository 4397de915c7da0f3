"""Levels in the metadata and the data of models."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from stdatamodels.jwst.datamodels import JwstDataModel
from stpipe.library import AbstractModelLibrary

from jwst_mosaic_skymatch.exposures.metadata import Exposure, Exposures
from jwst_mosaic_skymatch.exposures.models import each_model
from jwst_mosaic_skymatch.tiles.frame import PixelPlane

__all__ = ["levels_before", "record_levels"]


def record_levels(
    library: AbstractModelLibrary,
    exposures: Exposures,
    levels: np.ndarray,
    *,
    method: str,
    subtract: bool,
    version: str,
    details: Sequence[Mapping[str, Any]] | None = None,
    planes: Sequence[PixelPlane | None] = (),
) -> None:
    """Write levels into the models, and subtract them if asked to.

    Parameters
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        The models, which are changed.
    exposures : sequence of Exposure
        Metadata of the exposures, from before this run.
    levels : ndarray, shape (n,)
        Their levels, MJy/sr; NaN for none.
    method : str
        The ``skymethod``.
    subtract : bool
        Whether to subtract the levels from the data.
    version : str
        Version of this package.
    details : sequence of dict, optional
        More about each level, for ``meta.pixel_skymatch``.
    planes : sequence of PixelPlane or None, optional
        Planes to subtract besides, of exposures that have a level; only with ``subtract``.
    """
    details, planes = details or [{}] * len(levels), planes or [None] * len(levels)
    own = zip(levels.tolist(), details, planes, strict=True)
    of_exposure = dict(zip(exposures, own, strict=True))

    def record(exposure: Exposure, model: JwstDataModel) -> None:
        level, detail, plane = of_exposure[exposure]
        background = model.meta.background
        model.meta.pixel_skymatch = {"version": version, **detail}
        if not exposure.subtracted:
            # Resample would subtract the level of an earlier run.
            background.level = background.method = background.subtracted = None
            if background.polynomial_info:
                background.polynomial_info = []
        if not np.isfinite(level):
            model.meta.cal_step.skymatch = "SKIPPED"
            return
        _add_history(model, f"Sky level ({method}) by jwst-mosaic-skymatch {version}")
        background.method, background.subtracted = method, subtract
        background.level = level
        if subtract:
            background.level += exposure.level or 0.0
            image = plane.image(model.data.shape) if plane else np.float32(0)
            model.data = model.data - (image + np.float32(level))
            _record_plane(background, level, plane)
        model.meta.cal_step.skymatch = "COMPLETE"

    each_model(library, exposures, record, modify=True)


def _add_history(model: JwstDataModel, sentence: str) -> None:
    """Add an entry to a model's history; before stdatamodels 5 it was a plain list."""
    if hasattr(model, "add_history_entry"):
        model.add_history_entry(sentence)
    else:
        from stdatamodels.util import create_history_entry

        model.history.append(create_history_entry(sentence))


def _record_plane(background: Any, level: float, plane: PixelPlane | None) -> None:
    """Add level and plane to those that earlier runs have recorded, if either has a plane.

    As the polynomial of degree 1 in x and in y, around a pixel counted from 0: coefficients of 1,
    y, x, xy.
    """
    earlier = [p for p in background.polynomial_info or [] if list(p.degree) == [1, 1]]
    if not plane and not earlier:
        return
    plane = plane or PixelPlane(0.0, 0.0, 0.0, 0.0)
    x, y = earlier[0].refpoint if earlier else (plane.x, plane.y)
    added = np.array([level, plane.slope_y, plane.slope_x, 0.0])
    added[0] += plane.slope_x * (x - plane.x) + plane.slope_y * (y - plane.y)
    if earlier:
        added += np.array(list(earlier[0].coefficients))
    background.polynomial_info = [
        {"degree": [1, 1], "refpoint": [float(x), float(y)], "coefficients": added.tolist()}
    ]


def levels_before(exposures: Exposures, *, subtract: bool) -> np.ndarray:
    """Collect the levels that earlier runs have subtracted: absent from the data, but recorded.

    Parameters
    ----------
    exposures : sequence of Exposure
        The exposures.
    subtract : bool
        Whether this run subtracts levels. If not, no earlier one may have done so.

    Returns
    -------
    ndarray, shape (n,)
        The levels, MJy/sr.
    """
    return np.array([(e.level or 0.0) if subtract else 0.0 for e in exposures])
