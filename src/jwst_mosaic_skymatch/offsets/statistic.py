"""Location of the differences of a pair."""

from dataclasses import dataclass

import numpy as np

from jwst_mosaic_skymatch.exposures.pixels import clipped_statistic
from jwst_mosaic_skymatch.offsets.regression import Regression
from jwst_mosaic_skymatch.tiles.scatter import scale_of

__all__ = ["OFFSET_STATS", "Statistic"]

#: Options of ``offset_stat``.
OFFSET_STATS = ("biweight", "median")
# Variance of the median over that of the mean, for Gaussian noise.
MEDIAN_VARIANCE = np.pi / 2


@dataclass(frozen=True)
class Statistic:
    """The statistic chosen by ``offset_stat`` and the parameters that go with it.

    Parameters
    ----------
    name : str
        The statistic, one of `OFFSET_STATS`. The median is jwst's own, after clipping.
    nclip : int
        Number of clipping iterations (not used by 'biweight', which gives
        outliers no weight by itself).
    lsigma, usigma : float
        Lower and upper clipping limit in sigma (not used by 'biweight').
    """

    name: str = "biweight"
    nclip: int = 5
    lsigma: float = 4.0
    usigma: float = 4.0

    def locate(self, values: np.ndarray, fit: Regression) -> tuple[float, float]:
        """Take the location of differences that a robust regression has been fitted to.

        Parameters
        ----------
        values : ndarray of float32, shape (n,)
            The differences, with their trends subtracted, MJy/sr.
        fit : Regression
            The regression; its intercept is the location by the biweight.

        Returns
        -------
        value : float
            The location, MJy/sr; NaN where clipping leaves no value.
        variance : float
            Its variance for independent values, (MJy/sr)^2.
        """
        if self.name == "biweight":
            return fit.coefficients[0], fit.covariance[0, 0]
        value, n_used = clipped_statistic(
            values, self.name, nclip=self.nclip, lsigma=self.lsigma, usigma=self.usigma
        )
        factor = 1.0 if self.name == "mean" else MEDIAN_VARIANCE
        return value, factor * scale_of(values - np.median(values)) ** 2 / max(n_used, 1)
