"""References of the zero point: exposures by their name, or an image of the sky."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS
from scipy.ndimage import map_coordinates

from jwst_mosaic_skymatch.exposures.metadata import Exposures
from jwst_mosaic_skymatch.exposures.pixels import unreadable

__all__ = [
    "ReferenceImage",
    "Stem",
    "check_unit",
    "named_exposures",
    "open_image",
    "unknown_reference",
]

#: Reduces a file name to the part that is compared.
Stem = Callable[[str], str]
# Names of each kind that a message lists.
LISTED = 3
REMEDY = "give a FITS image with a celestial WCS, such as _i2d.fits, as reference"


def named_exposures(
    name: str, exposures: Exposures, labels: Sequence[str], stem: Stem
) -> tuple[int, ...]:
    """Select the exposures that a name means.

    Parameters
    ----------
    name : str
        A member, with or without directory, suffix and extension; or a visit: its
        ``visit_id``, with or without ``jw``, or the label of a group.
    exposures : sequence of Exposure
        The exposures.
    labels : sequence of str
        Group of each.
    stem : callable
        Reduces a file name to the part that is compared (without extension and without the
        suffix of a pipeline product).

    Returns
    -------
    tuple of int
        Their positions; empty if the name means none. An exact name counts before one
        without suffix, and a member before a visit.
    """
    filename = Path(name).name
    meant = [
        (
            name in (e.name, e.expname),
            filename == e.filename,
            stem(filename) == stem(e.filename),
            name in (label, e.visit_id, f"jw{e.visit_id}"),
        )
        for e, label in zip(exposures, labels, strict=True)
    ]
    ways = [np.flatnonzero(way).tolist() for way in np.transpose(meant)]
    return tuple(next(filter(None, ways), ()))


def unknown_reference(name: str, exposures: Exposures) -> ValueError:
    """Make the error for an unknown name, with names that are known.

    Parameters
    ----------
    name : str
        The name.
    exposures : sequence of Exposure
        The exposures.

    Returns
    -------
    ValueError
        The error.
    """
    members = [exposure.name for exposure in exposures]
    visits = sorted({exposure.visit_id for exposure in exposures if exposure.visit_id})
    return ValueError(
        f"reference={name!r}: no member or visit of the input has this name, and no file is "
        f"there; give a member ({_first(members)}), a visit ({_first(visits)}), or the path of "
        "a FITS image."
    )


def _first(names: Sequence[str]) -> str:
    return ", ".join([*names[:LISTED], "..."] if len(names) > LISTED else names) or "none here"


@dataclass(frozen=True)
class ReferenceImage:
    """An image of the sky.

    Attributes
    ----------
    path : Path
        Its file.
    data : ndarray, shape (ny, nx)
        Surface brightness; NaN where it is not known. In the file until it is needed.
    weight : ndarray or None, shape (ny, nx)
        Weight of each pixel (extension WHT); those without are left out.
    wcs : `~astropy.wcs.WCS`
        Celestial WCS.
    unit : str or None
        BUNIT.
    """

    path: Path
    data: np.ndarray
    weight: np.ndarray | None
    wcs: WCS
    unit: str | None

    def sample(self, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        """Interpolate the image at some positions, bilinearly.

        Parameters
        ----------
        ra, dec : ndarray, shape (n,)
            ICRS positions, degrees.

        Returns
        -------
        ndarray, shape (n,)
            Surface brightness; NaN beyond the image and beside pixels without a value.
        """
        sky = self.wcs.world_to_pixel(SkyCoord(ra, dec, unit="deg"))
        place = np.nan_to_num(sky[::-1], nan=-1.0)
        # Of a large mosaic only this part is read.
        ends = place.min(axis=1), place.max(axis=1) + 2
        (y0, x0), (y1, x1) = np.clip(ends, 0, self.data.shape).astype(int).tolist()
        part = np.s_[y0:y1, x0:x1]
        image = np.array(self.data[part], dtype=float)
        if not image.size:
            return np.full(place[0].shape, np.nan)
        image[~np.isfinite(image)] = np.nan
        if self.weight is not None:
            image[~(self.weight[part] > 0)] = np.nan
        return map_coordinates(image, place - [[y0], [x0]], order=1, cval=np.nan)


def open_image(path: Path, remedy: str = REMEDY) -> ReferenceImage:
    """Open an image, of which no pixel is read yet.

    Parameters
    ----------
    path : Path
        A FITS file. Its extension SCI is taken, or the first 2-D image if it has none.
    remedy : str, optional
        The remedy if it is no such image.

    Returns
    -------
    ReferenceImage
        The image.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If there is no 2-D image or no celestial WCS in it.
    """
    try:
        with warnings.catch_warnings():
            # Obsolete keywords are mended.
            warnings.simplefilter("ignore", AstropyWarning)
            with fits.open(path) as hdus:
                image = _image_in(hdus, path)
    except Exception as error:  # whatever a damaged file leads to
        raise unreadable(path, error, remedy) from None
    if image is None:
        raise ValueError(f"{path}: holds no 2-D image; {remedy}.")
    if not image.wcs.has_celestial:
        raise ValueError(
            f"{path}: has no celestial WCS (CTYPE, CRVAL, CRPIX, CDELT or CD); {remedy}."
        )
    return image


def _image_in(hdus: fits.HDUList, path: Path) -> ReferenceImage | None:
    candidates = [hdus["SCI"]] if "SCI" in hdus else hdus
    images = [hdu for hdu in candidates if hdu.is_image and sum(n > 1 for n in hdu.shape) == 2]
    if not images:
        return None
    header, data = images[0].header, np.squeeze(images[0].data)
    weight = hdus["WHT"].data if "WHT" in hdus else None
    if weight is not None and weight.shape != data.shape:
        weight = None
    unit = header.get("BUNIT") or hdus[0].header.get("BUNIT")
    return ReferenceImage(path, data, weight, WCS(header, hdus, naxis=2), unit)


def check_unit(image: ReferenceImage, unit: str | None) -> None:
    """Refuse an image in another unit than the exposures; a missing unit is no other one.

    Parameters
    ----------
    image : ReferenceImage
        The image.
    unit : str or None
        Unit of the exposures.

    Raises
    ------
    ValueError
        If they differ.
    """
    units = [u.Unit(name or "", parse_strict="silent") for name in (image.unit, unit)]
    if image.unit and unit and units[0] != units[1]:
        raise ValueError(
            f"{image.path}: its unit (BUNIT) is {image.unit}, but {unit} in the exposures; convert "
            "the image to that unit."
        )
