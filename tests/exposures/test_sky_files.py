"""Images and areas that a user names in a file: references, DS9 regions, FITS masks."""

import gzip
import sys

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from jwst_mosaic_skymatch.exposures.sky_files import open_image, read_area, tangent_plane

RA, DEC = 150.0, 60.0


def write_regions(path, *lines):
    path.write_text("\n".join(["# Region file format: DS9 version 4.1", *lines, ""]))
    return path


def inside(area, ra, dec, column=0.0, row=0.0):
    """Look up points, by way of a plane about the middle of the field."""
    plane = area(RA, DEC)
    sky = SkyCoord(*np.broadcast_arrays(np.atleast_1d(ra), np.atleast_1d(dec)), unit="deg")
    x, y = plane.wcs.world_to_pixel(sky)
    return plane.contains(x, y, np.full(x.shape, column), np.full(x.shape, row))


def offsets(separation, angle):
    """Give RA and Dec of points so far (arcsec) from the middle, at some angle (degrees)."""
    there = SkyCoord(RA, DEC, unit="deg").directional_offset_by(
        angle * u.deg, separation * u.arcsec
    )
    return there.ra.deg, there.dec.deg


@pytest.mark.parametrize("frame", ["icrs", "fk5", "galactic"])
@pytest.mark.parametrize("angle", [0.0, 77.0, 190.0])
def test_circle_is_round_on_the_sky(tmp_path, frame, angle):
    """Its edge is where it should be to a hundredth of an arcsec, also far from the middle."""
    centre = SkyCoord(*offsets(600.0, 30.0), unit="deg")
    there = centre.transform_to(frame).spherical
    path = write_regions(tmp_path / "a.reg", frame, f'circle({there.lon.deg},{there.lat.deg},30")')
    edge = centre.directional_offset_by(angle * u.deg, np.array([29.99, 30.01]) * u.arcsec)
    assert inside(read_area(path), edge.ra.deg, edge.dec.deg).tolist() == [True, False]


def test_image_coordinates_count_from_one_on_the_detector(tmp_path):
    path = write_regions(tmp_path / "a.reg", "image", "box(11,21,4,2,0)", "-circle(11,21,0.5)")
    area = read_area(path)
    points = {(10, 20): False, (11, 20): True, (9, 20): True, (13, 20): False, (11, 22): False}
    for (column, row), expected in points.items():
        assert inside(area, 0.0, 0.0, column, row).tolist() == [expected]


CIRCLE = f'circle({RA},{DEC},20")'
ELSEWHERE = f'circle({RA + 180},{-DEC},20")', f"polygon({RA},-20,{RA + 1},-20,{RA},-21)"


@pytest.mark.parametrize(
    ("lines", "separations", "angles", "expected"),
    [
        (
            (f'-circle({RA},{DEC},10")', CIRCLE, f'ellipse({RA},{DEC},40",5",0)'),
            (5.0, 15.0, 15.0, 30.0, 30.0),
            (0.0, 0.0, 90.0, 0.0, 90.0),
            [False, True, True, False, True],
        ),
        ((*ELSEWHERE, CIRCLE), (19.0, 21.0), 45.0, [True, False]),
        (
            (f"point({RA},{DEC})", CIRCLE),
            (19.0, 21.0),
            45.0,
            [True, False],
        ),
    ],
    ids=["minus", "other side of the sky", "without an area"],
)
def test_points_in_regions(tmp_path, lines, separations, angles, expected):
    """A region with a minus is taken out of all others, before or after it."""
    area = read_area(write_regions(tmp_path / "a.reg", "icrs", *lines))
    assert inside(area, *offsets(np.array(separations), angles)).tolist() == expected


@pytest.fixture
def wcs():
    """The WCS of 100 x 200 pixels of half an arcsec, about the middle of the field."""
    return tangent_plane(RA, DEC, np.diag([-0.5, 0.5]) / 3600, (50.5, 100.5))


def test_mask_in_fits(tmp_path, wcs, monkeypatch):
    """Its name does not matter, nor does it need the package regions; NaN is no part of it."""
    monkeypatch.setitem(sys.modules, "regions", None)
    image = np.zeros((1, 200, 100), dtype=np.float32)
    image[0, 100:, :50], image[0, 0, 0] = 1.0, np.nan
    fits.writeto(tmp_path / "plain.fits", image, wcs.to_header())
    (tmp_path / "a.reg").write_bytes(gzip.compress((tmp_path / "plain.fits").read_bytes()))
    area = read_area(tmp_path / "a.reg")
    x, y = np.array([[10, 150], [60, 150], [10, 50], [0, 0], [10, 250], [-3, 150]]).T
    ra, dec = wcs.all_pix2world(x, y, 0)
    assert inside(area, ra, dec).tolist() == [True, False, False, False, False, False]
    # The antipode of the first.
    assert not inside(area, ra[0] + 180.0, -dec[0]).any()


FILES = {
    "directory": (lambda path: path.mkdir(), FileNotFoundError, "no such file"),
    "empty": (lambda path: path.touch(), ValueError, "has no region, but"),
    "only minus": (
        lambda path: write_regions(path, "icrs", '-circle(1,2,3")'),
        ValueError,
        "has no region, but",
    ),
    "bad region": (
        lambda path: write_regions(path, "image", "circle(1,2)"),
        ValueError,
        "neither a DS9 region file nor FITS",
    ),
    "binary": (
        lambda path: path.write_bytes(bytes(range(256))),
        ValueError,
        "neither a DS9 region file nor FITS",
    ),
    "no WCS": (lambda path: fits.writeto(path, np.ones((3, 4))), ValueError, "no celestial WCS"),
    "no FITS": (lambda path: path.write_bytes(b"SIMPLE  = nothing"), OSError, "cannot be read"),
}


@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyUserWarning")
@pytest.mark.parametrize("case", FILES)
def test_files_that_name_no_area(tmp_path, case):
    make, error, message = FILES[case]
    path = tmp_path / "area.txt"
    make(path)
    with pytest.raises(error, match=message) as caught:
        read_area(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "exclude" in str(caught.value)


def test_without_the_package_regions(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "regions", None)
    path = write_regions(tmp_path / "a.reg", "icrs", CIRCLE)
    with pytest.raises(ImportError, match=r"\.reg: is no FITS file.*pip install regions"):
        read_area(path)


# --- Images -------------------------------------------------------------------


@pytest.fixture
def degrees():
    """One pixel a degree, without distortion at the centre of a pixel."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---CAR", "DEC--CAR"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [0.0, 0.0], [3.0, 1.0], [1.0, 1.0]
    return wcs


def write(path, wcs, *, data=None, weight=None, unit=None, name="SCI"):
    data = np.arange(20.0).reshape(4, 5) if data is None else data
    header = wcs.to_header()
    if unit:
        header["BUNIT"] = unit
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(data, header, name=name)]
    if weight is not None:
        hdus.append(fits.ImageHDU(weight, name="WHT"))
    fits.HDUList(hdus).writeto(path)
    return open_image(path)


def at(image, x, y):
    """Sample at pixels; the WCS has its first at right ascension -2, declination 0."""
    return image.sample(np.array(x, dtype=float) - 2.0, np.array(y, dtype=float))


def test_image_is_interpolated(tmp_path, degrees):
    image = write(tmp_path / "i.fits", degrees)
    x, y = np.array([0.0, 0.5, 2.25, 4.0]), np.array([0.0, 1.5, 2.0, 3.0])
    np.testing.assert_allclose(at(image, x, y), 5 * y + x, atol=1e-9)
    beyond = at(image, [-0.1, 4.1, 2.0, 2.0, 100.0], [1.0, 1.0, -0.1, 3.1, 50.0])
    assert np.isnan(beyond).all()


def test_pixels_without_a_value(tmp_path, degrees):
    data, weight = np.ones((2, 4, 8), dtype=np.float32)
    data[1, 1], data[1, 3], weight[1, 5], weight[1, 7] = np.nan, np.inf, 0.0, np.nan
    image = write(tmp_path / "i.fits", degrees, data=data, weight=weight)
    x = np.array([1.0, 3.0, 5.0, 7.0])
    for shift in (0.0, -0.4):
        assert np.isnan(at(image, x + shift, np.ones(4) + shift)).all()
    assert at(image, x - 0.5, np.full(4, 2.5)).tolist() == [1.0] * 4


def test_image_in_other_coordinates(tmp_path):
    """Without SCI it is the first of the file; weights of another shape are ignored."""
    galactic = WCS(naxis=2)
    galactic.wcs.ctype = ["GLON-TAN", "GLAT-TAN"]
    galactic.wcs.crval, galactic.wcs.crpix = [120.0, 45.0], [3.0, 2.0]
    galactic.wcs.cdelt = [-0.01, 0.01]
    image = write(tmp_path / "i.fits", galactic, name="MINE", weight=np.zeros((2, 2)))
    sky = galactic.pixel_to_world(1.25, 2.5).icrs
    actual = image.sample(np.array([sky.ra.deg]), np.array([sky.dec.deg]))
    np.testing.assert_allclose(actual, 5 * 2.5 + 1.25, atol=1e-6)


@pytest.mark.parametrize("own", ["MJy/sr", "MJy / sr", None, "Jy/sr", "counts/s"])
def test_unit_is_that_of_the_exposures(tmp_path, degrees, own):
    """A missing one is no other unit."""
    write(tmp_path / "i.fits", degrees, unit=own)
    open_image(tmp_path / "i.fits")
    if own in ("Jy/sr", "counts/s"):
        with pytest.raises(ValueError, match=f"i.fits: .* is {own}, but MJy/sr in the exposures"):
            open_image(tmp_path / "i.fits", unit="MJy/sr")
    else:
        open_image(tmp_path / "i.fits", unit="MJy/sr")


def cut_off(path, wcs):
    fits.writeto(path, np.zeros((200, 200)), wcs.to_header())
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (cut_off, OSError, "cannot be read"),
        (lambda path, _: fits.writeto(path, np.zeros((2, 3, 4))), ValueError, "holds no 2-D"),
    ],
)
def test_files_without_an_image_of_the_sky(tmp_path, degrees, make, error, message):
    make(tmp_path / "i.fits", degrees)
    with pytest.raises(error, match=f"i.fits: {message}"):
        open_image(tmp_path / "i.fits")
