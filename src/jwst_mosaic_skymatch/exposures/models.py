"""Models of exposures: borrowing, checks, pixels, footprints."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from gwcs import WCS
from gwcs.coordinate_frames import CelestialFrame
from stcal.alignment.util import sregion_to_footprint
from stdatamodels.jwst.datamodels import JwstDataModel
from stpipe.library import AbstractModelLibrary, LibraryError

from jwst_mosaic_skymatch.exposures.metadata import Exposure, Exposures
from jwst_mosaic_skymatch.exposures.pixels import Pixels, checked_pixels, unreadable

__all__ = [
    "borrowed",
    "check_model",
    "each_model",
    "load_models",
    "pixels_of",
    "read_footprint",
    "unwritable",
    "wcs_footprint",
]

# Exposures between collections of all garbage, which take as long as one exposure.
N_YOUNG = 64

_Result = TypeVar("_Result")


@contextmanager
def borrowed(
    library: AbstractModelLibrary, index: int, *, modify: bool = False
) -> Iterator[JwstDataModel]:
    """Borrow a model; it goes back to the library even after an error.

    Parameters
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        An open library.
    index : int
        Position of the model.
    modify : bool, optional
        Whether the model is changed.

    Yields
    ------
    `~stdatamodels.jwst.datamodels.JwstDataModel`
        The model.

    Raises
    ------
    OSError
        If its file cannot be read.
    """
    try:
        model = library.borrow(index)
    except LibraryError:
        raise
    except Exception as error:
        raise unreadable(library.asn["products"][0]["members"][index]["expname"], error) from None
    try:
        yield model
    finally:
        try:
            library.shelve(model, index, modify=modify)
        except OSError as error:
            raise unwritable(error) from None


def each_model(
    library: AbstractModelLibrary,
    exposures: Exposures,
    function: Callable[[Exposure, JwstDataModel], _Result],
    *,
    modify: bool = False,
) -> list[_Result]:
    """Apply a function to each exposure, of which one at a time is open.

    Parameters
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        The exposures.
    exposures : sequence of Exposure
        Which of them.
    function : callable
        Takes an exposure and its model, and does not keep the model.
    modify : bool, optional
        Whether the function changes the models.

    Returns
    -------
    list
        Its value for each.

    Raises
    ------
    OSError
        If a file cannot be read.
    ValueError
        If an exposure is no image on the sky.
    """
    results = []
    with library:
        for number, exposure in enumerate(exposures, 1):
            with borrowed(library, exposure.index, modify=modify) as model:
                check_model(model, exposure.name)
                results.append(function(exposure, model))
            if library.on_disk:
                # 25 MB of MIRI stay until garbage is collected, as a WCS refers to itself. Older
                # garbage, such as validators that asdf no longer caches, has 0.2 MB an exposure.
                del model
                gc.collect(1 if number % N_YOUNG else 2)
    return results


def load_models(library: AbstractModelLibrary, exposures: Exposures) -> None:
    """Open the models of exposures once, after which a library in memory keeps them.

    Parameters
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        The exposures.
    exposures : sequence of Exposure
        Which of them.

    Raises
    ------
    OSError
        If a file cannot be read.
    """
    with library:
        for exposure in exposures:
            with borrowed(library, exposure.index):
                pass


def unwritable(error: OSError) -> OSError:
    """Make the error for a working directory without room for temporary copies.

    Parameters
    ----------
    error : OSError
        Error of the attempt to write one.

    Returns
    -------
    OSError
        The error, with its cause and a remedy.
    """
    return OSError(
        f"{Path.cwd()}: cannot write to this directory ({error.strerror or error}); temporary "
        "copies of the exposures go there: make room, or run the step in another."
    )


def check_model(model: JwstDataModel, filename: str) -> None:
    """Refuse an exposure that is no image on the sky.

    Parameters
    ----------
    model : `~stdatamodels.jwst.datamodels.JwstDataModel`
        The exposure.
    filename : str
        Its name, for the message.

    Raises
    ------
    ValueError
        If the data are not 2-D or the WCS is missing or does not end on the
        sky.
    """
    shape: tuple[int, ...] = getattr(getattr(model, "data", None), "shape", ())
    if len(shape) != 2:
        raise ValueError(
            f"{filename}: the data are {len(shape)}-D, but only 2-D images can be matched; "
            "give the _cal.fits files of calwebb_image2."
        )
    wcs: Any = getattr(model.meta, "wcs", None)
    is_on_sky = isinstance(getattr(wcs, "output_frame", None), CelestialFrame)
    if not is_on_sky or not np.all(np.isfinite(wcs((shape[1] - 1) / 2, (shape[0] - 1) / 2))):
        raise ValueError(
            f"{filename}: no WCS that leads from the centre to the sky; run assign_wcs "
            "(calwebb_image2) on it."
        )


def pixels_of(model: JwstDataModel, name: str) -> Pixels:
    """Return data, flags and errors of a model as plain arrays.

    Parameters
    ----------
    model : `~stdatamodels.jwst.datamodels.JwstDataModel`
        The model.
    name : str
        Name of the exposure, for a message.

    Returns
    -------
    Pixels
        The arrays; None for flags or errors that are missing.

    Raises
    ------
    ValueError
        If their shapes differ.
    """
    images = (getattr(model, what, None) for what in ("data", "dq", "err"))
    arrays: Any = (None if image is None else np.asarray(image) for image in images)
    return checked_pixels(name, *arrays)


def read_footprint(s_region: str | None) -> np.ndarray:
    """Read the corners of an exposure from S_REGION.

    Parameters
    ----------
    s_region : str or None
        The keyword.

    Returns
    -------
    ndarray, shape (n, 2)
        RA and Dec, degrees; empty if it cannot be read.
    """
    try:
        return np.array(sregion_to_footprint(s_region))
    except (TypeError, ValueError):
        return np.zeros((0, 2))


def wcs_footprint(wcs: WCS, shape: tuple[int, int]) -> np.ndarray:
    """Compute the corners of an exposure.

    Parameters
    ----------
    wcs : `~gwcs.wcs.WCS`
        Its WCS.
    shape : tuple of int
        Its shape (ny, nx).

    Returns
    -------
    ndarray, shape (4, 2)
        RA and Dec, degrees.
    """
    return wcs.footprint(bounding_box=((0, shape[1] - 1), (0, shape[0] - 1)))
