"""What levels can be relative to."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from jwst_mosaic_skymatch.exposures.metadata import Exposure
from jwst_mosaic_skymatch.exposures.reference import (
    check_unit,
    named_exposures,
    open_image,
)

EXPOSURES = (
    Exposure(0, "a_cal.fits", expname="/data/a_cal.fits", visit_id="001"),
    Exposure(1, "a_crf.fits", expname="/data/a_crf.fits", visit_id="001"),
    Exposure(2, "b_cal.fits", expname="/1/b_cal.fits", alias="/1/b_cal.fits", visit_id="002"),
    Exposure(3, "b_cal.fits", expname="/2/b_cal.fits", alias="/2/b_cal.fits", visit_id="002"),
    Exposure(4, "001_cal.fits", expname="/data/001_cal.fits"),
)
LABELS = ("jw001_a", "jw001_b", "jw002", "jw002", "none")


def stem(name):
    return Path(name).stem.removesuffix("_cal").removesuffix("_crf")


@pytest.mark.parametrize(
    ("name", "positions"),
    [
        ("/data/a_cal.fits", (0,)),
        ("elsewhere/a_cal.fits", (0,)),
        ("a", (0, 1)),  # both
        ("/2/b_cal.fits", (3,)),
        ("b_cal.fits", (2, 3)),
        ("002", (2, 3)),
        ("jw001", (0, 1)),
        ("jw001_b", (1,)),
        ("001", (4,)),  # a member before a visit
        ("c_cal.fits", ()),
    ],
)
def test_names(name, positions):
    assert named_exposures(name, EXPOSURES, LABELS, stem) == positions


@pytest.fixture
def wcs():
    """One pixel a degree, without distortion at the centre of a pixel."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---CAR", "DEC--CAR"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [0.0, 0.0], [3.0, 1.0], [1.0, 1.0]
    return wcs


def write(path, wcs, *, data=None, weight=None, unit=None):
    data = np.arange(20.0).reshape(4, 5) if data is None else data
    header = wcs.to_header()
    if unit:
        header["BUNIT"] = unit
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(data, header, name="SCI")]
    if weight is not None:
        hdus.append(fits.ImageHDU(weight, name="WHT"))
    fits.HDUList(hdus).writeto(path)
    return open_image(path)


def at(image, x, y):
    """Sample at pixels; the WCS has its first at right ascension -2, declination 0."""
    return image.sample(np.array(x, dtype=float) - 2.0, np.array(y, dtype=float))


def test_image_is_interpolated(tmp_path, wcs):
    image = write(tmp_path / "i.fits", wcs)
    x, y = np.array([0.0, 0.5, 2.25, 4.0]), np.array([0.0, 1.5, 2.0, 3.0])
    np.testing.assert_allclose(at(image, x, y), 5 * y + x, atol=1e-9)
    beyond = at(image, [-0.1, 4.1, 2.0, 2.0, 100.0], [1.0, 1.0, -0.1, 3.1, 50.0])
    assert np.isnan(beyond).all()


@pytest.mark.parametrize(
    ("value", "weight"), [(np.nan, 1.0), (np.inf, 1.0), (1.0, 0.0), (1.0, np.nan)]
)
def test_pixels_without_a_value(tmp_path, wcs, value, weight):
    data, weights = np.ones((2, 4, 5), dtype=np.float32)
    data[1, 1], weights[1, 1] = value, weight
    image = write(tmp_path / "i.fits", wcs, data=data, weight=weights)
    assert np.isnan(at(image, [1.0, 0.6, 1.4], [1.0, 0.6, 1.4])).all()
    assert at(image, [2.5, 3.5], [2.5, 1.5]).tolist() == [1.0, 1.0]


def test_first_image_of_a_file_without_sci(tmp_path, wcs):
    """Weights of another shape are ignored."""
    hdus = [fits.PrimaryHDU(np.full((2, 6), 3.0), wcs.to_header())]
    hdus.append(fits.ImageHDU(np.zeros((2, 2)), name="WHT"))
    fits.HDUList(hdus).writeto(tmp_path / "i.fits")
    assert at(open_image(tmp_path / "i.fits"), [1.0], [0.5]).tolist() == [3.0]


def test_image_in_other_coordinates(tmp_path):
    galactic = WCS(naxis=2)
    galactic.wcs.ctype = ["GLON-TAN", "GLAT-TAN"]
    galactic.wcs.crval, galactic.wcs.crpix = [120.0, 45.0], [3.0, 2.0]
    galactic.wcs.cdelt = [-0.01, 0.01]
    image = write(tmp_path / "i.fits", galactic)
    sky = galactic.pixel_to_world(1.25, 2.5).icrs
    actual = image.sample(np.array([sky.ra.deg]), np.array([sky.dec.deg]))
    np.testing.assert_allclose(actual, 5 * 2.5 + 1.25, atol=1e-6)


@pytest.mark.parametrize(
    ("own", "others"),
    [("MJy/sr", "MJy/sr"), ("MJy / sr", "MJy/sr"), (None, "MJy/sr"), ("MJy/sr", None)],
)
def test_units_that_agree(tmp_path, wcs, own, others):
    check_unit(write(tmp_path / "i.fits", wcs, unit=own), others)


@pytest.mark.parametrize("own", ["Jy/sr", "counts/s"])
def test_units_that_differ(tmp_path, wcs, own):
    with pytest.raises(ValueError, match=f"i.fits: .* is {own}, but MJy/sr in the exposures"):
        check_unit(write(tmp_path / "i.fits", wcs, unit=own), "MJy/sr")


def cut_off(path, wcs):
    fits.writeto(path, np.zeros((200, 200)), wcs.to_header())
    path.write_bytes(path.read_bytes()[:5000])


def break_wcs(path, wcs):
    fits.writeto(path, np.zeros((3, 4)), wcs.to_header())
    path.write_bytes(path.read_bytes().replace(b"'DEC--CAR'", b"'GLAT-CAR'"))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (cut_off, OSError, "cannot be read"),
        (lambda path, _: fits.writeto(path, np.zeros((2, 3, 4))), ValueError, "holds no 2-D"),
        (lambda path, _: fits.writeto(path, np.zeros((3, 4))), ValueError, "has no celestial"),
        (break_wcs, (OSError, ValueError), ""),
    ],
)
def test_files_without_an_image_of_the_sky(tmp_path, wcs, make, error, message):
    make(tmp_path / "i.fits", wcs)
    with pytest.raises(error, match=f"i.fits: {message}"):
        open_image(tmp_path / "i.fits")
