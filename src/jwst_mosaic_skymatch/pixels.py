"""Pixels of one exposure, in memory or in a file."""

from dataclasses import dataclass

import numpy as np
from astropy.io import fits

from jwst_mosaic_skymatch.bands import row_bands
from jwst_mosaic_skymatch.statistic import in_range

__all__ = ["FilePixels", "Pixels", "good_pixels"]


@dataclass(frozen=True)
class Pixels:
    """Pixels of one exposure.

    Attributes
    ----------
    data : ndarray, shape (ny, nx)
        Surface brightness, MJy/sr.
    dq : ndarray of int, shape (ny, nx), or None
        Data quality flags.
    err : ndarray, shape (ny, nx), or None
        Quoted 1-sigma errors, MJy/sr.
    """

    data: np.ndarray
    dq: np.ndarray | None
    err: np.ndarray | None

    def read(self):
        """Return themselves, as `FilePixels` returns what is in its file.

        Returns
        -------
        Pixels
            These pixels.
        """
        return self


@dataclass(frozen=True)
class FilePixels:
    """Pixels that are still in their file.

    Attributes
    ----------
    path : str
        A FITS file with extensions SCI, DQ and ERR.
    """

    path: str

    def read(self):
        """Read the file.

        Returns
        -------
        Pixels
            In native byte order; None for DQ or ERR where there is none.

        Raises
        ------
        OSError
            If the file cannot be read.
        """
        try:
            with fits.open(self.path, memmap=False) as hdus:
                arrays = [_native(hdus, name) for name in ("SCI", "DQ", "ERR")]
        except OSError as error:
            raise OSError(
                f"{self.path}: cannot be read ({error}); every process needs to see the file "
                "under this path."
            ) from error
        return Pixels(*arrays)


def _native(hdus, name):
    if name not in hdus or hdus[name].data is None:
        return None
    data = hdus[name].data
    return data.astype(data.dtype.newbyteorder("="), copy=False)


def good_pixels(data, dq, *, good_bits=None, lower=None, upper=None):
    """Select the pixels that may be compared.

    Parameters
    ----------
    data : ndarray, shape (ny, nx)
        Surface brightness, MJy/sr.
    dq : ndarray of int, shape (ny, nx), or None
        Data quality flags; None stands for no flag set.
    good_bits : int or None, optional
        Flags that do not make a pixel bad; None ignores all flags.
    lower, upper : float or None, optional
        Limits of ``data``.

    Returns
    -------
    ndarray of bool, shape (ny, nx)
        True for finite pixels within limits without a bad flag.
    """
    good = np.empty(np.shape(data), dtype=bool)
    for rows in row_bands(good.shape):
        good[rows] = in_range(data[rows], lower, upper)
        if dq is not None and good_bits is not None:
            # As astropy.nddata.bitmask does, whose import costs a worker process more than
            # its work on some exposures.
            good[rows] &= dq[rows] & np.int64(~good_bits).astype(dq.dtype) == 0
    return good
