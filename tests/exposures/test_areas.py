"""Areas that a user names in a file: DS9 regions and FITS masks."""

import gzip
import sys

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from jwst_mosaic_skymatch.exposures.areas import read_area

RA, DEC = 150.0, 60.0


def write_regions(path, *lines):
    path.write_text("\n".join(["# Region file format: DS9 version 4.1", *lines, ""]))
    return path


def inside(area, ra, dec, column=0.0, row=0.0):
    """Look up points, by way of a plane about the middle of the field."""
    plane = area.on_plane(RA, DEC)
    x, y = plane.from_sky(*np.broadcast_arrays(np.atleast_1d(ra), np.atleast_1d(dec)))
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
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [RA, DEC], [50.5, 100.5]
    wcs.wcs.cdelt = [-0.5 / 3600, 0.5 / 3600]
    return wcs


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


def no_projection(path):
    header = fits.Header({"CTYPE1": "RA---XXX", "CTYPE2": "DEC--XXX"})
    fits.writeto(path, np.ones((3, 4)), header)


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
    "no projection": (no_projection, OSError, "cannot be read"),
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
