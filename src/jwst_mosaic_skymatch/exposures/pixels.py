"""Pixels of one exposure, in memory or in a file; the level of the good ones."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from astropy.io import fits

__all__ = [
    "ExcludedPixels",
    "FilePixels",
    "Pixels",
    "SkyStatistic",
    "checked_pixels",
    "clipped_statistic",
    "good_bits",
    "good_pixels",
    "unreadable",
]

# The square of a larger value overflows in single precision.
LARGEST = 1e18
EXTENSIONS = ("SCI", "DQ", "ERR")


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

    def read(self) -> Self:
        """Return themselves, as `FilePixels` returns what is in its file."""
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

    def read(self) -> Pixels:
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
                images = [hdus[name].data if name in hdus else None for name in EXTENSIONS]
        except OSError as error:
            remedy = "every process needs to see the file under this path"
            raise unreadable(self.path, error, remedy) from None
        native: Any = (
            None if image is None else image.astype(image.dtype.newbyteorder("="), copy=False)
            for image in images
        )
        return checked_pixels(self.path, *native)


@dataclass(frozen=True)
class ExcludedPixels:
    """Pixels that are left out although they may be good.

    Attributes
    ----------
    pixels : ndarray of bool, shape (ny, nx)
        True for pixels that are left out.
    in_area : bool
        Whether any of them is in an area that the user has named.
    """

    pixels: np.ndarray
    in_area: bool = False


def unreadable(
    path: str | Path,
    error: Exception,
    remedy: str = "fetch or make the file anew, or remove it from the input",
) -> OSError:
    """Make the error for a file that cannot be read.

    Parameters
    ----------
    path : str or Path
        The file.
    error : Exception
        Error of the attempt to read it.
    remedy : str, optional
        The remedy.

    Returns
    -------
    OSError
        The error, with its cause and the remedy.
    """
    reason = " ".join(str(error).split())
    return OSError(f"{path}: cannot be read ({type(error).__name__}: {reason}); {remedy}.")


def checked_pixels(
    name: str, data: np.ndarray, dq: np.ndarray | None, err: np.ndarray | None
) -> Pixels:
    """Refuse flags or errors of another shape than the data.

    Parameters
    ----------
    name : str
        Name of the exposure, for the message.
    data, dq, err : ndarray, shape (ny, nx), or None
        See `Pixels`.

    Returns
    -------
    Pixels
        The pixels.

    Raises
    ------
    ValueError
        If shapes differ.
    """
    for what, image in (("DQ", dq), ("ERR", err)):
        if image is not None and image.shape != data.shape:
            raise ValueError(
                f"{name}: the data have {' x '.join(map(str, data.shape))} pixels, {what} "
                f"{' x '.join(map(str, image.shape))}; make the file anew with calwebb_image2."
            )
    return Pixels(data, dq, err)


def good_bits(dqbits: str | int | None) -> int | None:
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
    # These imports would cost a worker process more than its work on some exposures.
    from astropy.nddata.bitmask import interpret_bit_flags
    from stdatamodels.jwst.datamodels.dqflags import pixel

    try:
        return interpret_bit_flags(dqbits, flag_name_map=pixel)
    except KeyError as error:
        raise ValueError(
            f"dqbits={dqbits!r}: jwst has no flag {error}; names are in "
            "jwst.datamodels.dqflags.pixel."
        ) from None


def good_pixels(
    data: np.ndarray,
    dq: np.ndarray | None,
    *,
    good_bits: int | None = None,
    lower: float | None = None,
    upper: float | None = None,
) -> np.ndarray:
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
        True for pixels within limits without a bad flag. Values that are not finite, or so large
        that their square is not, are bad.
    """
    good = np.abs(data) < LARGEST
    if lower is not None:
        good &= data >= lower
    if upper is not None:
        good &= data <= upper
    if dq is not None and good_bits is not None:
        good &= dq & np.int64(~good_bits).astype(dq.dtype) == 0
    return good


@dataclass(frozen=True)
class SkyStatistic:
    """The stock step's statistic of the pixels of an image, with its parameters.

    Attributes
    ----------
    skystat : str
        'mean', 'median', 'mode' or 'midpt'.
    good_bits : int or None
        Data quality flags that do not make a pixel bad; None ignores all.
    lower, upper : float or None
        Limits of usable pixels, MJy/sr.
    nclip : int
        Number of clipping iterations.
    lsigma, usigma : float
        Lower and upper clipping limit in sigma.
    binwidth : float
        Width of the histogram's bins in sigma, for 'mode' and 'midpt'.
    """

    skystat: str = "mode"
    good_bits: int | None = None
    lower: float | None = None
    upper: float | None = None
    nclip: int = 5
    lsigma: float = 4.0
    usigma: float = 4.0
    binwidth: float = 0.1

    def __call__(self, data: np.ndarray, dq: np.ndarray | None) -> float:
        """Measure the level of the good pixels of an image.

        Parameters
        ----------
        data : ndarray, shape (ny, nx)
            Surface brightness, MJy/sr.
        dq : ndarray of int, shape (ny, nx), or None
            Data quality flags.

        Returns
        -------
        float
            The level, MJy/sr; NaN if there are none.
        """
        values = data[good_pixels(data, dq, good_bits=self.good_bits)]
        options = {
            name: v for name, v in vars(self).items() if name not in ("skystat", "good_bits")
        }
        return clipped_statistic(values, self.skystat, **options)[0]


def clipped_statistic(
    values: np.ndarray, name: str, *, lsigma: float, usigma: float, **options: float | None
) -> tuple[float, int]:
    """Measure one of the stock step's statistics, by its own code.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The sample.
    name : str
        'mean', 'median', 'mode' or 'midpt'.
    lsigma, usigma : float
        See `SkyStatistic`.
    **options
        ``nclip``, ``binwidth``, ``lower``, ``upper``; see `SkyStatistic`.

    Returns
    -------
    value : float
        The statistic, in the units of the values; NaN if clipping leaves none.
    n_used : int
        Number of values after clipping.
    """
    # Here, since it brings the coordinate frames of astropy and gwcs along: half of
    # the time that a worker process takes to start.
    from stcal.skymatch import SkyStats

    measure = SkyStats(skystat=name, lsig=lsigma, usig=usigma, **options)
    try:
        value, n_used = measure(values)
    except ValueError:  # no value is left
        return np.nan, 0
    return (float(value), int(n_used)) if np.isfinite(value) else (np.nan, 0)
