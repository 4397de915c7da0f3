"""Areas that a user names in a file: DS9 regions and FITS masks."""

import gzip
import sys

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from jwst_mosaic_skymatch.exposures.areas import MaskArea, RegionArea, read_area

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


def mask_wcs(scale=0.5, kind="RA---TAN"):
    """Make the WCS of 100 x 200 pixels of some arcsec, about the middle of the field."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [kind, kind.replace("RA---", "DEC--").replace("GLON", "GLAT")]
    middle = SkyCoord(RA, DEC, unit="deg")
    wcs.wcs.crval = (
        [RA, DEC] if kind.startswith("RA") else [middle.galactic.l.deg, middle.galactic.b.deg]
    )
    wcs.wcs.crpix = [50.5, 100.5]
    wcs.wcs.cdelt = [-scale / 3600, scale / 3600]
    return wcs


@pytest.mark.parametrize("frame", ["icrs", "fk5", "galactic"])
@pytest.mark.parametrize("angle", [0.0, 77.0, 190.0])
def test_circle_is_round_on_the_sky(tmp_path, frame, angle):
    """Its edge is where it should be to a hundredth of an arcsec, also far from the middle."""
    centre = SkyCoord(*offsets(600.0, 30.0), unit="deg")
    there = centre.transform_to(frame).spherical
    path = write_regions(tmp_path / "a.reg", frame, f'circle({there.lon.deg},{there.lat.deg},30")')
    edge = centre.directional_offset_by(angle * u.deg, np.array([29.99, 30.01]) * u.arcsec)
    assert inside(read_area(path), edge.ra.deg, edge.dec.deg).tolist() == [True, False]


def test_minus_takes_out_of_all_regions(tmp_path):
    path = write_regions(
        tmp_path / "a.reg",
        "icrs",
        f'-circle({RA},{DEC},10")',
        f'circle({RA},{DEC},20")',
        f'ellipse({RA},{DEC},40",5",0)',
    )
    ra, dec = offsets(np.array([5.0, 15.0, 15.0, 30.0, 30.0]), np.array([0, 0, 90, 0, 90]))
    assert inside(read_area(path), ra, dec).tolist() == [False, True, True, False, True]


def test_image_coordinates_count_from_one_on_the_detector(tmp_path):
    path = write_regions(tmp_path / "a.reg", "image", "box(11,21,4,2,0)", "-circle(11,21,0.5)")
    area = read_area(path)
    points = {(10, 20): False, (11, 20): True, (9, 20): True, (13, 20): False, (11, 22): False}
    for (column, row), expected in points.items():
        assert inside(area, 0.0, 0.0, column, row).tolist() == [expected]


def test_regions_on_the_other_side_of_the_sky_do_no_harm(tmp_path):
    path = write_regions(
        tmp_path / "a.reg",
        "icrs",
        f'circle({RA + 180},{-DEC},20")',
        f"polygon({RA},-20,{RA + 1},-20,{RA},-21)",
        f'circle({RA},{DEC},20")',
    )
    ra, dec = offsets(np.array([19.0, 21.0]), 45.0)
    assert inside(read_area(path), ra, dec).tolist() == [True, False]


def test_what_has_no_area_is_passed_over(tmp_path):
    path = write_regions(
        tmp_path / "a.reg",
        "icrs",
        f"point({RA},{DEC})",
        f'circle({RA},{DEC},20")',
        "image",
        "line(1,1,5,5)",
        "# text(3,3) text={here}",
    )
    area = read_area(path)
    assert isinstance(area, RegionArea)
    assert (len(area.included), len(area.excluded)) == (1, 0)


@pytest.mark.parametrize("name", ["mask.fits", "mask.reg", "mask.fits.gz"])
@pytest.mark.parametrize("kind", ["RA---TAN", "GLON-TAN"])
def test_mask_in_fits(tmp_path, name, kind):
    """What it is called does not matter; NaN is no part of it."""
    image = np.zeros((1, 200, 100), dtype=np.float32)
    image[0, 100:, :50], image[0, 0, 0] = 1.0, np.nan
    wcs, path = mask_wcs(kind=kind), tmp_path / name
    header = wcs.to_header()
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(image, header), fits.ImageHDU(image)])
    hdus.writeto(tmp_path / "plain.fits")
    content = (tmp_path / "plain.fits").read_bytes()
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    area = read_area(path)
    assert isinstance(area, MaskArea)
    x, y = np.array([[10, 150], [60, 150], [10, 50], [0, 0], [10, 250], [-3, 150]]).T
    sky = wcs.pixel_to_world(x, y).icrs
    actual = inside(area, sky.ra.deg, sky.dec.deg)
    assert actual.tolist() == [True, False, False, False, False, False]


def test_mask_does_not_reach_the_other_side_of_the_sky():
    area = MaskArea(image=np.ones((200, 100), dtype=bool), wcs=mask_wcs())
    assert inside(area, RA, DEC).tolist() == [True]
    assert inside(area, RA + 180.0, -DEC).tolist() == [False]


def table(path):
    fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])]).writeto(path)


def cut_off(path):
    fits.PrimaryHDU(np.ones((200, 200)), mask_wcs().to_header()).writeto(path)
    path.write_bytes(path.read_bytes()[:5000])


FILES = {
    "missing": (lambda path: None, FileNotFoundError, "no such file"),
    "directory": (lambda path: path.mkdir(), FileNotFoundError, "no such file"),
    "empty": (lambda path: path.touch(), ValueError, "no region to leave out"),
    "points": (
        lambda path: write_regions(path, "icrs", "point(1,2)"),
        ValueError,
        "no region to leave out",
    ),
    "only minus": (
        lambda path: write_regions(path, "icrs", '-circle(1,2,3")'),
        ValueError,
        "no region to leave out",
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
    "table": (table, ValueError, "no 2-D image"),
    "cube": (
        lambda path: fits.PrimaryHDU(np.ones((2, 3, 4))).writeto(path),
        ValueError,
        "no 2-D image",
    ),
    "no WCS": (
        lambda path: fits.PrimaryHDU(np.ones((3, 4))).writeto(path),
        ValueError,
        "no celestial WCS",
    ),
    "no projection": (
        lambda path: fits.PrimaryHDU(
            np.ones((3, 4)), fits.Header({"CTYPE1": "RA---XXX", "CTYPE2": "DEC--XXX"})
        ).writeto(path),
        OSError,
        "cannot be read",
    ),
    "cut off": (cut_off, OSError, "cannot be read"),
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
    path = write_regions(tmp_path / "a.reg", "icrs", f'circle({RA},{DEC},20")')
    with pytest.raises(ImportError, match=r"\.reg: is no FITS file.*pip install regions"):
        read_area(path)
    mask = tmp_path / "mask.fits"
    fits.PrimaryHDU(np.ones((200, 100)), mask_wcs().to_header()).writeto(mask)
    assert inside(read_area(mask), RA, DEC).tolist() == [True]
