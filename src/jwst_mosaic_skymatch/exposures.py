"""Models of exposures: borrowing, checks, flags, footprints."""

from contextlib import contextmanager

import numpy as np
from astropy.nddata.bitmask import interpret_bit_flags
from gwcs import WCS
from gwcs.coordinate_frames import CelestialFrame
from stcal.alignment.util import sregion_to_footprint
from stdatamodels.jwst.datamodels.dqflags import pixel
from stpipe.library import BorrowError, ClosedLibraryError

from jwst_mosaic_skymatch.loading import drop_garbage
from jwst_mosaic_skymatch.pixels import Pixels

__all__ = [
    "borrowed",
    "check_model",
    "drop_models",
    "good_bits",
    "pixels_of",
    "read_footprint",
    "unreadable",
    "wcs_footprint",
]


@contextmanager
def borrowed(library, index, *, modify=False):
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
    except (BorrowError, ClosedLibraryError):
        raise
    except Exception as error:
        raise unreadable(library.asn["products"][0]["members"][index]["expname"], error) from error
    try:
        yield model
    finally:
        library.shelve(model, index, modify=modify)


def drop_models(library):
    """Free models of a library on disk that nobody holds any more.

    Parameters
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        The library; nothing is done for one in memory.
    """
    if library.on_disk:
        drop_garbage()


def unreadable(path, error):
    """Make an error that says which file cannot be read.

    Parameters
    ----------
    path : str or Path
        The file.
    error : Exception
        What went wrong.

    Returns
    -------
    OSError
        The error.
    """
    return OSError(
        f"{path}: cannot be read ({type(error).__name__}: {error}); fetch or make the file anew, "
        "or remove it from the input."
    )


def check_model(model, filename):
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
    shape = getattr(getattr(model, "data", None), "shape", ())
    if len(shape) != 2:
        raise ValueError(
            f"{filename}: the data are {len(shape)}-D, but only 2-D images can be matched; "
            "give the _cal.fits files of calwebb_image2."
        )
    wcs = model.meta.wcs
    remedy = "run assign_wcs (calwebb_image2) on it."
    if not isinstance(wcs, WCS):
        raise ValueError(f"{filename}: no WCS; {remedy}")
    if not isinstance(wcs.output_frame, CelestialFrame):
        raise ValueError(
            f"{filename}: the WCS ends in the frame {getattr(wcs.output_frame, 'name', None)!r}, "
            f"not on the sky; {remedy}"
        )
    if not np.all(np.isfinite(wcs((shape[1] - 1) / 2, (shape[0] - 1) / 2))):
        raise ValueError(f"{filename}: the WCS gives no sky position at the centre; {remedy}")


def pixels_of(model):
    """Take the pixels of a model.

    Parameters
    ----------
    model : `~stdatamodels.jwst.datamodels.JwstDataModel`
        The exposure.

    Returns
    -------
    Pixels
        Plain arrays, which can be sent to other processes; None for flags or errors
        that are not there.
    """
    images = (getattr(model, name, None) for name in ("data", "dq", "err"))
    return Pixels(*(None if image is None else np.asarray(image) for image in images))


def good_bits(dqbits):
    """Read jwst's notation for flags that do not make a pixel bad.

    Parameters
    ----------
    dqbits : str or int or None
        Flags, such as ``~DO_NOT_USE+NON_SCIENCE``.

    Returns
    -------
    int or None
        The bits; None when all flags are to be ignored.

    Raises
    ------
    ValueError
        If there is no such flag.
    """
    try:
        return interpret_bit_flags(dqbits, flag_name_map=pixel)
    except KeyError as error:
        raise ValueError(f"dqbits={dqbits!r}: jwst has no flag {error}.") from None


def read_footprint(s_region):
    """Read the corners of an exposure from S_REGION.

    Parameters
    ----------
    s_region : str or None
        The keyword's value.

    Returns
    -------
    ndarray, shape (n, 2), or None
        RA and Dec, degrees; None if they cannot be read.
    """
    try:
        return sregion_to_footprint(s_region)
    except (TypeError, ValueError):
        return None


def wcs_footprint(wcs, shape):
    """Find the corners of an exposure on the sky.

    Parameters
    ----------
    wcs : `~gwcs.wcs.WCS`
        The exposure's WCS.
    shape : tuple of int
        Shape (ny, nx).

    Returns
    -------
    ndarray, shape (4, 2)
        RA and Dec, degrees.
    """
    x = np.array([0, shape[1] - 1, shape[1] - 1, 0], dtype=float)
    y = np.array([0, 0, shape[0] - 1, shape[0] - 1], dtype=float)
    return np.stack(wcs(x, y, with_bounding_box=False), axis=1)
