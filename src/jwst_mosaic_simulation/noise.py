"""Filters with their numbers, and the noise usual for them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Filter:
    """Rounded in-flight numbers of a filter.

    Attributes
    ----------
    fwhm, conversion, gain, read_noise, exposure_time, sky : float
        FWHM of the PSF, arcsec; surface brightness of one DN/s in a pixel, MJy/sr;
        electrons per DN; read noise of the fitted ramp, electrons; usual exposure time, s;
        usual background, MJy/sr.
    """

    fwhm: float
    conversion: float
    gain: float
    read_noise: float
    exposure_time: float
    sky: float


#: A `Filter` for each name; its numbers in the order of the attributes.
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
    electrons, read_noise, exposure_time : float
        Electrons collected in a pixel per MJy/sr; read noise, electrons; exposure time, s.
    draw : bool
        Whether noise is added to the data. Without it, the quoted variances stay.
    """

    electrons: float
    read_noise: float
    exposure_time: float
    draw: bool = True


def filter_noise(filter_name: str, *, exposure_time: float | None = None) -> Noise:
    """Make the noise usual for a filter.

    Parameters
    ----------
    filter_name : str
        One of `FILTERS`.
    exposure_time : float, optional
        Exposure time, s. The default is usual for the filter.

    Returns
    -------
    Noise
        The noise.
    """
    numbers = FILTERS[filter_name]
    time = numbers.exposure_time if exposure_time is None else exposure_time
    electrons = numbers.gain * time / numbers.conversion
    return Noise(electrons, numbers.read_noise, time)
