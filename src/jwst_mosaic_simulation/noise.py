"""Properties of filters, and their usual noise."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Filter:
    """Rounded in-flight properties of a filter.

    Attributes
    ----------
    fwhm : float
        FWHM of the PSF, arcsec.
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

    fwhm: float
    conversion: float
    gain: float
    read_noise: float
    exposure_time: float
    sky: float


#: A `Filter` for each name; its values in the order of the attributes.
FILTERS = {
    "F770W": Filter(0.27, 0.25, 5.5, 40.0, 222.0, 8.0),
    "F1000W": Filter(0.33, 0.43, 5.5, 40.0, 122.0, 20.0),
    "F1280W": Filter(0.42, 0.66, 5.5, 40.0, 89.0, 32.0),
    "F2100W": Filter(0.67, 0.95, 5.5, 40.0, 322.0, 220.0),
    "F150W": Filter(0.05, 1.86, 2.05, 12.0, 859.0, 0.25),
    "F200W": Filter(0.066, 1.55, 2.05, 12.0, 859.0, 0.22),
    "F356W": Filter(0.116, 0.36, 1.82, 11.0, 859.0, 0.15),
    "F444W": Filter(0.145, 0.40, 1.82, 11.0, 859.0, 0.3),
}


@dataclass(frozen=True)
class Noise:
    """Photon and read noise of exposures.

    Attributes
    ----------
    electrons : float
        Electrons in a pixel per MJy/sr.
    read_noise : float
        Read noise, electrons.
    exposure_time : float
        Exposure time, s.
    draw : bool
        Whether noise is added to the data. The quoted variances do not depend on it.
    """

    electrons: float
    read_noise: float
    exposure_time: float
    draw: bool = True


def filter_noise(filter_name: str, *, exposure_time: float | None = None) -> Noise:
    """Make the usual noise of a filter.

    Parameters
    ----------
    filter_name : str
        One of `FILTERS`.
    exposure_time : float, optional
        Exposure time, s. The default is the usual one of the filter.

    Returns
    -------
    Noise
        The noise.
    """
    numbers = FILTERS[filter_name]
    time = numbers.exposure_time if exposure_time is None else exposure_time
    electrons = numbers.gain * time / numbers.conversion
    return Noise(electrons, numbers.read_noise, time)
