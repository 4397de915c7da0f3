"""Differences between the libraries of jwst 1.20 and those of later versions."""

from inspect import signature
from typing import Any

import numpy as np
from drizzle.resample import Drizzle

__all__ = ["add_history", "add_image"]

_KERNEL_HAS_ITS_OWN_SCALE = "pixel_scale_ratio" in signature(Drizzle.add_image).parameters


def add_image(
    drizzle: Drizzle, data: np.ndarray, *, pixel_scale_ratio: float, **arguments: Any
) -> None:
    """Drizzle an image as drizzle 2.2 does; in 2.1 the kernel's scale also scales the image.

    Parameters
    ----------
    drizzle : `~drizzle.resample.Drizzle`
        The output.
    data : ndarray, shape (ny, nx)
        The image.
    pixel_scale_ratio : float
        Side of an output pixel in input pixels.
    **arguments
        As for `~drizzle.resample.Drizzle.add_image`.
    """
    if _KERNEL_HAS_ITS_OWN_SCALE:
        drizzle.add_image(data, pixel_scale_ratio=pixel_scale_ratio, **arguments)
    else:
        drizzle.add_image(data / pixel_scale_ratio**2, scale=pixel_scale_ratio, **arguments)


def add_history(model: Any, sentence: str) -> None:
    """Add an entry to a model's history; before stdatamodels 5 it was a plain list.

    Parameters
    ----------
    model : `~stdatamodels.jwst.datamodels.JwstDataModel`
        The model.
    sentence : str
        The entry.
    """
    if hasattr(model, "add_history_entry"):
        model.add_history_entry(sentence)
    else:
        from stdatamodels.util import create_history_entry

        model.history.append(create_history_entry(sentence))
