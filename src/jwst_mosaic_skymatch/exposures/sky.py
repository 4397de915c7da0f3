"""The level of an exposure's own pixels."""

from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.exposures.pixels import good_pixels

__all__ = ["SkyStatistic", "clipped_statistic"]


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
    values: np.ndarray,
    name: str,
    *,
    nclip: int,
    lsigma: float,
    usigma: float,
    binwidth: float,
    lower: float | None = None,
    upper: float | None = None,
) -> tuple[float, int]:
    """Measure one of the stock step's statistics, by its own code.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The sample.
    name : str
        'mean', 'median', 'mode' or 'midpt'.
    nclip, lsigma, usigma, binwidth, lower, upper
        See `SkyStatistic`.

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

    measure = SkyStats(
        skystat=name,
        lower=lower,
        upper=upper,
        nclip=nclip,
        lsig=lsigma,
        usig=usigma,
        binwidth=binwidth,
    )
    try:
        value, n_used = measure(values)
    except ValueError:  # no value is left
        return np.nan, 0
    return (float(value), int(n_used)) if np.isfinite(value) else (np.nan, 0)
