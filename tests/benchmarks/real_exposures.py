"""Levels of real exposures whose true differences are known.

``python tests/benchmarks/real_exposures.py {orion,nircam} DIRECTORY [--tools NAME ...]
[--picture FILE] [--json FILE]``

The images are those of others and not part of this repository; ``docs/real_exposures.rst`` names
their sources. DIRECTORY has the FITS files, which may be compressed by gzip.

orion
    2MASS atlas images in J, wrapped as exposures of a NIRCam detector, with one photometric zero
    point. A visit is one scan of one night. Consecutive frames of a scan share rows of pixels: the
    median of their differences is the true one. Independent noise of the size of the images' own
    makes the shared rows as different as those of two exposures. Tools run as in
    ``compare_tools.py``; the last row has what remains in the shared rows after planes.
nircam
    Two stamps of Abell 2744 in F200W, from two programs, on one pixel grid. The first is cut into
    nine exposures, the second into four across them. Each gets a level.
"""

import argparse
import logging
import os
import re
import sys
import tempfile
import time
from itertools import combinations, pairwise, product
from pathlib import Path

import numpy as np
from astropy import coordinates
from astropy.io import fits
from astropy.wcs import WCS
from compare_tools import OWN, PACKAGES, add_fits_wcs, install, resample, run_tool
from gwcs import WCS as GWCS
from gwcs import coordinate_frames
from gwcs.utils import make_fitswcs_transform
from mosaics import Table, rms
from scipy.ndimage import map_coordinates
from stdatamodels.jwst.datamodels import ImageModel

import jwst_mosaic_simulation as sim

ZERO_POINT, NOISE = 20.9044, 0.7  # mag, DN
# Quantiles of the shared rows, 16 % and 84 %, that differ by more were not made of the same data.
EXACT = 0.02
# Common pixels of two frames of different nights from which on their difference counts.
ENOUGH = 10_000
SCATTER = 0.1  # of the levels that are added to the stamps, MJy/sr
COLUMNS = {
    "tool": "tool",
    "scan rms": "rms error of the differences of consecutive frames, DN",
    "scan median": "median of their absolute values, DN",
    "night rms": "rms over pairs of frames of different nights: difference of levels minus median "
    f"difference of the common pixels, at least {ENOUGH}, DN",
    "seconds": "wall time of the process",
    "rms": "rms error of the levels, MJy/sr",
    "pull": "rms of the errors in units of level_error",
}


def main():
    """Read the images of one kind, match them and print a line for each tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("orion", "nircam"))
    parser.add_argument("directory", type=Path)
    parser.add_argument("--tools", nargs="+", default=OWN, choices=(*OWN, *PACKAGES))
    parser.add_argument("--picture", type=Path, help="mosaic before and after, as PNG")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    options = parser.parse_args()
    pattern = {"orion": "2mass-atlas-*.fits", "nircam": "*i2d_stamp.fits"}[options.kind]
    paths = sorted(options.directory.glob(pattern))
    if not paths:
        sys.exit(f"{options.directory} has no {pattern}; docs/real_exposures.rst names the source.")
    logging.disable(logging.WARNING)
    os.environ["STPIPE_DISABLE_CRDS_STEPPARS"] = "true"
    table = Table(COLUMNS, options.json)
    with tempfile.TemporaryDirectory() as name:
        if options.kind == "orion":
            match_orion(dict(map(read_frame, paths)), Path(name), table, options)
        else:
            match_nircam(paths, table)
    print(*table.notes, sep="\n")


def make_exposure(data, wcs, name, visit, number=1):
    """Wrap an image as an exposure of NIRCam without errors; DQ flags what is not finite."""
    scene = sim.nircam_mosaic(binning=128)
    model = ImageModel(data.astype(np.float32))
    model.update(sim.simulate_exposure(scene, scene.pointings[0]))
    model.meta.observation.observation_number = f"{visit:03}"
    model.meta.observation.visit_id = f"09999{visit:03}001"
    model.meta.observation.exposure_number = f"{number:05}"
    model.dq = (~np.isfinite(data)).astype(np.uint32)
    model.meta.filename = f"{name}_cal.fits"
    sky = coordinate_frames.CelestialFrame(reference_frame=coordinates.ICRS(), name="world")
    detector = coordinate_frames.Frame2D(name="detector")
    model.meta.wcs = GWCS([(detector, make_fitswcs_transform(wcs.to_header())), (sky, None)])
    model.meta.wcs.array_shape = data.shape
    model.meta.wcs.bounding_box = tuple((-0.5, size - 0.5) for size in data.shape[::-1])
    region = " ".join(f"{c:.9f}" for c in model.meta.wcs.footprint(center=False).ravel())
    model.meta.wcsinfo.s_region = f"POLYGON ICRS  {region}"
    area = float(abs(np.linalg.det(wcs.pixel_scale_matrix)))
    model.meta.photometry.pixelarea_arcsecsq = area * 3600**2
    model.meta.photometry.pixelarea_steradians = area * np.deg2rad(1) ** 2
    return model


def match(exposures, **parameters):
    """Match and give the step, and levels and their errors by name."""
    from jwst_mosaic_skymatch import PixelSkyMatchStep

    step = PixelSkyMatchStep(**parameters)
    library = step.run(exposures)
    names = [str(name).removesuffix("_cal.fits") for name in step.result.levels["filename"]]
    columns = (step.result.levels[key].value for key in ("level", "level_error"))
    return step, library, *(dict(zip(names, column, strict=True)) for column in columns)


# --- Orion -------------------------------------------------------------------


def match_orion(images, directory, table, options):
    """Compare the tools, and the errors that this step quotes with its own."""
    truth, nights = scan_differences(images), night_differences(images)
    association = write_orion(images, directory, options.tools)
    describe_own(str(association), truth, table, options.picture, directory)
    for tool in options.tools:
        python = install(tool) if tool in PACKAGES else sys.executable
        start = time.perf_counter()
        try:
            levels = run_tool(tool, python, directory, association)
        except RuntimeError as error:
            table.notes.append(f"{tool} failed: {error}")
            continue
        seconds = time.perf_counter() - start
        row = {"tool": tool, "night rms": rms(compare_levels(levels, nights)), "seconds": seconds}
        add_row(table, compare_levels(levels, truth), **row)
    _, library, *_ = match(str(association), background="plane_per_exposure", subtract=True)
    after = dict(library.map_function(subtracted_image, modify=False))
    wcs = {name: own for name, (_, own) in images.items()}
    remaining = [
        np.nanmedian(shared_rows((after[a], wcs[a]), (after[b], wcs[b]))) for a, b in truth
    ]
    add_row(table, remaining, tool="ours, plane_per_exposure")


def add_row(table, errors, **row):
    """Add errors of scan differences to the table."""
    table.add(**{**row, "scan rms": rms([errors]), "scan median": np.median(np.abs(errors))})


def subtracted_image(model, _):
    """Give the name and the data of a model."""
    return model.meta.filename.removesuffix("_cal.fits"), model.data.astype(float)


def describe_own(association, truth, table, picture, directory):
    """Note the quoted errors and the warnings of this step, and draw the mosaic."""
    step, _, levels, sigmas = match(association, save_diagnostics=True, output_dir=str(directory))
    wrong = np.abs(compare_levels(levels, truth))
    quoted = np.array([np.hypot(sigmas[a], sigmas[b]) for a, b in truth])
    worst = list(truth)[int(np.argmax(wrong))]
    table.notes += [
        f"{len(truth)} scan differences; the largest error, {wrong.max():.2f} DN, is that of "
        f"{' and '.join(worst)}",
        f"Median of error over level_error {np.median(wrong / quoted):.2f}; 0.67 is expected",
        *(f"Warning: {finding.sentence}" for finding in step.result.findings),
    ]
    if picture:
        import matplotlib.pyplot as plt

        figure, panels = plt.subplots(1, 2, figsize=(10, 6), layout="constrained")
        for panel, which in zip(panels, ("before", "after"), strict=True):
            step.result.plot_mosaic(panel, which=which).set_title(which)
        figure.savefig(picture, dpi=70, bbox_inches="tight")


def read_frame(path):
    """Read a frame, as name, calibrated image in DN, and WCS."""
    with fits.open(path) as hdus:
        header, data = hdus[0].header, hdus[0].data.astype(float)
    name = "s{}f{}".format(*re.search(r"j(\d{3})(\d{4})", path.name).groups())
    gain = 10 ** (0.4 * (ZERO_POINT - header["MAGZP"]))
    return header["ORDATE"].strip() + name, (data * gain, WCS(header))


def shared_rows(one, other):
    """Subtract the rows of an image that another of the same scan has too."""
    (first, wcs), (second, wcs2) = one, other
    rows = round(float(wcs.all_world2pix([wcs2.wcs.crval], 1)[0, 1] - wcs2.wcs.crpix[1]))
    low, high = max(rows, 0), min(len(first), len(second) + rows)
    return first[low:high] - second[low - rows : high - rows]


def scan_differences(images):
    """Give the differences of consecutive frames of a scan by names, from pixels they share."""
    differences = {}
    for a, b in pairwise(sorted(images)):
        if a[:10] == b[:10]:
            low, middle, high = np.nanquantile(shared_rows(images[a], images[b]), [0.16, 0.5, 0.84])
            if high - low < EXACT:
                differences[a, b] = float(middle)
    return differences


def night_differences(images):
    """Give the median differences of common pixels by names, for frames of different nights."""
    differences = {}
    for a, b in combinations(images, 2):
        (first, wcs), (second, other) = images[a], images[b]
        if a[:6] == b[:6] or abs(wcs.wcs.crval - other.wcs.crval).max() > 0.3:
            continue
        y, x = np.indices(second.shape)
        x, y = wcs.all_world2pix(*other.all_pix2world(x, y, 0), 0)
        change = map_coordinates(first, (y, x), order=1, cval=np.nan) - second
        if np.count_nonzero(np.isfinite(change)) > ENOUGH:
            differences[a, b] = float(np.nanmedian(change))
    return differences


def compare_levels(levels, differences):
    """Give the differences of levels minus these, in their order."""
    return np.array([levels[a] - levels[b] - value for (a, b), value in differences.items()])


def write_orion(images, directory, tools):
    """Write exposures with more noise, as the tools need them, and give the association."""
    from jwst.associations.asn_from_list import asn_from_list

    (directory / "cal").mkdir()
    scans = sorted({name[:10] for name in images})
    paths = [directory / "cal" / f"{name}_cal.fits" for name in images]
    for k, (name, (data, wcs)) in enumerate(images.items()):
        noisy = data + NOISE * np.random.default_rng(k).standard_normal(data.shape)
        model = make_exposure(noisy, wcs, name, scans.index(name[:10]) + 1, k)
        model.meta.bunit_data = "DN"
        model.save(paths[k])
    association = asn_from_list([path.name for path in paths], product_name="orion")
    result = directory / "cal/orion_asn.json"
    result.write_text(association.dump()[1])
    if not set(tools) <= set(OWN):
        resample(paths, directory / "tiles")
        add_fits_wcs(paths, directory / "sip")
    return result


# --- NIRCam ------------------------------------------------------------------


def match_nircam(paths, table):
    """Add levels to the pieces of both stamps, and compare levels with them."""
    from jwst.skymatch import SkyMatchStep

    rng = np.random.default_rng(1)
    models, truth = [], {}
    for path, n in zip(paths, (3, 2), strict=True):
        image, wcs = fits.getdata(path).astype(float), WCS(fits.getheader(path))
        size = len(image) // n
        for y, x in product(range(0, size * n, size), repeat=2):
            piece, name = np.s_[y : y + size, x : x + size], f"pieces{n}y{y}x{x}"
            truth[name] = SCATTER * rng.standard_normal()
            models.append(make_exposure(image[piece] + truth[name], wcs[piece], name, len(truth)))
    for skystat in ("mode", "median"):
        stock = SkyMatchStep(skystat=skystat)
        library = stock.run([model.copy() for model in models])
        levels = dict(library.map_function(level_of, modify=False))
        table.add(
            tool=f"SkyMatchStep, {skystat}", rms=np.std([levels[n] - truth[n] for n in truth])
        )
    _, _, levels, sigmas = match(models)
    errors = np.array([levels[name] - truth[name] for name in truth])
    errors -= errors.mean()
    pulls = errors / [sigmas[name] for name in truth]
    table.add(tool="ours", rms=rms([errors]), pull=rms([pulls]))


def level_of(model, _):
    """Give the name and the level of a model."""
    return model.meta.filename.removesuffix("_cal.fits"), model.meta.background.level


if __name__ == "__main__":
    main()
