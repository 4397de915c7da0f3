"""What levels can be relative to: exposures by their name, or an image of the sky."""

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

from jwst_mosaic_skymatch.exposures.metadata import Exposure

__all__ = ["ReferenceImage", "check_unit", "named_exposures", "open_image", "unknown_reference"]

# Names of each kind that a message lists.
LISTED = 3


def named_exposures(
    name: str, exposures: Sequence[Exposure], labels: Sequence[str], stem: Callable[[str], str]
) -> tuple[int, ...]:
    """Find the exposures that a name means.

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
        Reduces a file name to what is compared (without extension and without
        the suffix of a pipeline product).

    Returns
    -------
    tuple of int
        Their positions; empty if the name means none. An exact name counts before one
        without suffix, and a member before a visit.
    """
    filename = Path(name).name
    ways: tuple[Callable[[Exposure, str], bool], ...] = (
        lambda e, _: name in (e.name, e.expname),
        lambda e, _: filename == e.filename,
        lambda e, _: stem(filename) == stem(e.filename),
        lambda e, label: name in (label, e.visit_id, f"jw{e.visit_id}"),
    )
    for means in ways:
        found = tuple(
            k for k, (e, label) in enumerate(zip(exposures, labels, strict=True)) if means(e, label)
        )
        if found:
            return found
    return ()


def unknown_reference(  # numpydoc ignore=PR01,RT01
    name: str, exposures: Sequence[Exposure]
) -> ValueError:
    """Make the error that says what could have been given instead of a name."""
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
        Surface brightness; NaN where nothing is known. In the file until it is needed.
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
        x, y = self.wcs.world_to_pixel(SkyCoord(ra, dec, unit="deg"))
        ny, nx = self.data.shape
        inside = (x >= 0) & (x <= nx - 1) & (y >= 0) & (y <= ny - 1)
        values = np.full(np.shape(x), np.nan)
        if not inside.any():
            return values
        x, y = x[inside], y[inside]
        x0, y0 = int(x.min()), int(y.min())
        # Of a large mosaic only this part is read.
        part = np.s_[y0 : int(y.max()) + 2, x0 : int(x.max()) + 2]
        image = np.array(self.data[part], dtype=float)
        image[~np.isfinite(image)] = np.nan
        if self.weight is not None:
            image[~(self.weight[part] > 0)] = np.nan
        values[inside] = map_coordinates(image, (y - y0, x - x0), order=1, cval=np.nan)
        return values


def open_image(path: Path) -> ReferenceImage:
    """Open an image, of which no pixel is read yet.

    Parameters
    ----------
    path : Path
        A FITS file. Its extension SCI is taken, or the first 2-D image if it has none.

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
            warnings.simplefilter("ignore", AstropyWarning)
            with fits.open(path) as hdus:
                image = _image_in(hdus, path)
    except Exception as error:  # whatever a damaged file leads to
        what = " ".join(str(error).split())
        raise OSError(
            f"{path}: cannot be read as a FITS image ({type(error).__name__}: {what}); give "
            "another image as reference."
        ) from None
    if image is None:
        raise ValueError(f"{path}: holds no 2-D image; give a FITS image of the sky as reference.")
    if not image.wcs.has_celestial:
        raise ValueError(
            f"{path}: has no celestial WCS; give an image with one as reference, such as _i2d.fits."
        )
    return image


def _image_in(hdus: fits.HDUList, path: Path) -> ReferenceImage | None:
    candidates = [hdus["SCI"]] if "SCI" in hdus else hdus
    found = [hdu for hdu in candidates if hdu.is_image and len(hdu.shape) == 2]
    if not found:
        return None
    header, data = found[0].header, found[0].data
    weight = hdus["WHT"].data if "WHT" in hdus else None
    if weight is not None and weight.shape != data.shape:
        weight = None
    return ReferenceImage(
        path=path,
        data=data,
        weight=weight,
        wcs=WCS(header, hdus, naxis=2),
        unit=header.get("BUNIT") or hdus[0].header.get("BUNIT"),
    )


def check_unit(image: ReferenceImage, unit: str | None) -> list[str]:
    """Refuse an image in another unit than the exposures.

    Parameters
    ----------
    image : ReferenceImage
        The image.
    unit : str or None
        Unit of the exposures.

    Returns
    -------
    list of str
        A warning if one of the two is not known.

    Raises
    ------
    ValueError
        If they differ.
    """
    if not image.unit or not unit:
        missing = f"the reference image {image.path}" if not image.unit else "the exposures"
        return [f"BUNIT is missing in {missing}; image and exposures are taken to have one unit."]
    if u.Unit(image.unit, parse_strict="silent") != u.Unit(unit, parse_strict="silent"):
        raise ValueError(
            f"{image.path}: its unit (BUNIT) is {image.unit}, but {unit} in the exposures; convert "
            "the image to that unit."
        )
    return []
