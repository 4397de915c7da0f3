"""Filters: PSF width, sky and the numbers of the noise."""

from dataclasses import dataclass

__all__ = ["FILTERS", "Filter"]


@dataclass(frozen=True)
class Filter:
    """A filter, with rounded in-flight numbers.

    Attributes
    ----------
    name : str
        Name of the filter.
    fwhm : float
        Full width at half maximum of the PSF, arcsec.
    conversion : float
        Surface brightness of one DN/s in a pixel, MJy/sr.
    gain : float
        Electrons per DN.
    read_noise : float
        Read noise of the fitted ramp, electrons.
    exposure_time : float
        Usual exposure time, s.
    sky : float
        Usual background, MJy/sr.
    """

    name: str
    fwhm: float
    conversion: float
    gain: float
    read_noise: float
    exposure_time: float
    sky: float


# Columns in the order of the attributes above.
FILTERS = {
    row.name: row
    for row in (
        Filter("F770W", 0.27, 0.25, 5.5, 40.0, 222.0, 8.0),
        Filter("F1000W", 0.33, 0.43, 5.5, 40.0, 122.0, 20.0),
        Filter("F1280W", 0.42, 0.66, 5.5, 40.0, 89.0, 32.0),
        Filter("F2100W", 0.67, 0.95, 5.5, 40.0, 322.0, 220.0),
        Filter("F150W", 0.05, 1.86, 2.05, 12.0, 859.0, 0.25),
        Filter("F200W", 0.066, 1.55, 2.05, 12.0, 859.0, 0.22),
        Filter("F356W", 0.116, 0.36, 1.82, 11.0, 859.0, 0.15),
        Filter("F444W", 0.145, 0.40, 1.82, 11.0, 859.0, 0.3),
    )
}
