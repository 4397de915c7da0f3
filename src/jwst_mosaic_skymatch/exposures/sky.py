"""The level of an exposure's own pixels."""

from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.exposures.pixels import good_pixels

__all__ = ["SkyStatistic"]


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

    def __call__(
        self, data: np.ndarray, dq: np.ndarray | None
    ) -> float:  # numpydoc ignore=PR01,RT01
        """Measure the level of the good pixels of an image, MJy/sr; NaN if there are none."""
        # Here, since it brings the coordinate frames of astropy and gwcs along: half of
        # the time that a worker process takes to start.
        from stcal.skymatch import SkyStats

        measure = SkyStats(
            skystat=self.skystat,
            lower=self.lower,
            upper=self.upper,
            nclip=self.nclip,
            lsig=self.lsigma,
            usig=self.usigma,
            binwidth=self.binwidth,
        )
        try:
            level, _ = measure(data[good_pixels(data, dq, good_bits=self.good_bits)])
        except ValueError:  # no pixel is left
            return np.nan
        return float(level) if np.isfinite(level) else np.nan
