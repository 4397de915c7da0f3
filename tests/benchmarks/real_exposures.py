"""Levels of real exposures whose true differences are known.

``python tests/benchmarks/real_exposures.py {orion,nircam} DIRECTORY
[--output DIRECTORY] [--json FILE] [--tools NAME ...]``

The images are those of others and not part of this repository; ``docs/real_exposures.rst`` names
their sources. DIRECTORY has the FITS files, which may be compressed by gzip. The report of this
step and ``mosaic.png``, before and after, go to the other one.

orion
    2MASS atlas images in J, wrapped as exposures of a NIRCam detector, with one photometric zero
    point. A visit is one scan of one night. Consecutive frames of a scan share rows of pixels,
    whose median difference is exact. Independent noise of the size of the images' own makes the
    shared rows as different as those of two exposures. For frames of different nights, the median
    difference of the nearest pixels takes the place of the true one.
nircam
    Two stamps of Abell 2744 in F200W, from two programs, on one pixel grid. The first is cut into
    nine exposures, the second into four across them. Each gets a level.

All steps subtract. The error of a pair is the median difference that remains in common pixels: of
the images without more noise, or of the levels that were added.

``--tools``, with orion, are those of ``compare_tools.py``, each in an environment of its own, which
pip makes below ./compare-tools. They get the same exposures. Where one cannot be installed or
fails, a note has its last message.
"""

import argparse
import logging
import os
import subprocess
import sys
import tempfile
from itertools import combinations, product
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from astropy.coordinates import ICRS
from astropy.io import fits
from astropy.wcs import WCS
from compare_tools import PACKAGES, add_fits_wcs, install, resample, run_tool
from gwcs import WCS as GWCS
from gwcs.coordinate_frames import CelestialFrame, Frame2D
from gwcs.utils import make_fitswcs_transform
from jwst.assign_wcs.util import update_s_region_imaging, wcs_bbox_from_shape
from jwst.skymatch import SkyMatchStep
from mosaics import Table, rms
from scipy.ndimage import map_coordinates
from stdatamodels.jwst.datamodels import ImageModel

import jwst_mosaic_simulation as sim
from jwst_mosaic_skymatch import PixelSkyMatchStep

ZERO_POINT, NOISE = 20.9044, 0.7  # mag, DN
# Differences whose quantiles, 16 % and 84 %, differ by no more are of shared pixels.
EXACT = 0.02
# Every fourth row and column is compared, and pairs count from 10,000 common pixels on.
STRIDE, ENOUGH = 4, 625
# Pixels of the grid for reproject and Montage, in those of the exposures; ours is 2.2 too.
COARSE = 2.2
SCATTER = 0.1  # of the levels that are added to the stamps, MJy/sr
PATTERNS = {"orion": "2mass-atlas-*.fits", "nircam": "*i2d_stamp.fits"}
COLUMNS = {
    "tool": "tool",
    "rms": "rms error of the known differences: Orion, of consecutive frames, DN; NIRCam, MJy/sr",
    "median": "median of their absolute values",
    "largest": "the largest of these",
    "rms of others": "rms error of the known differences without the largest",
    "night rms": "rms error of the differences of frames of two nights, DN",
    "rms of all": "rms of the differences that remain in all overlaps",
    "median of all": "median of their absolute values",
    "rms ratio": "rms of the first errors over their level_error, that of both exposures",
    "median ratio": "median of the absolute values; 0.67 for normal errors",
    "rms of fit": "rms of the first errors over fitted_error, the error of the difference itself",
    "median of fit": "median of the absolute values; 0.67 for normal errors",
    "warnings": "number of warnings",
    "time": "time of processor, s; without resampling of exposures for reproject and Montage",
}


def main():
    """Read the images of one kind, match them and print a line for each tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=PATTERNS)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--output", type=Path, default="real-exposures")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    parser.add_argument("--tools", nargs="+", default=[], choices=PACKAGES)
    options = parser.parse_args()
    pattern = PATTERNS[options.kind]
    paths = sorted(options.directory.glob(pattern))
    source = "docs/real_exposures.rst names the source."
    if len(paths) < 2:
        sys.exit(f"{options.directory} has no two {pattern}; {source}")
    logging.disable(logging.WARNING)
    options.output.mkdir(exist_ok=True)
    images = list(read_orion(paths) if options.kind == "orion" else read_nircam(paths[:2]))
    pairs = find_pairs(images)
    if not pairs[0]:
        sys.exit(f"{options.directory} has no two images with a known difference; {source}")
    versions = (PACKAGES[tool][0].split("==") for tool in options.tools)
    table = Table(COLUMNS, options.json, versions)
    table.notes = ["{} differences are known, {} of two nights, {} in all".format(*map(len, pairs))]
    steps = {
        "ours": PixelSkyMatchStep(save_diagnostics=True, output_dir=str(options.output)),
        "ours, plane_per_exposure": PixelSkyMatchStep(background="plane_per_exposure"),
        "SkyMatchStep, mode": SkyMatchStep(),
        "SkyMatchStep, median": SkyMatchStep(skystat="median"),
    }
    for tool, step in steps.items():
        add_step(table, tool, step, images, pairs)
    if options.tools:
        add_tools(table, options.tools, images, pairs)
    figure = plt.figure(figsize=(10, 6), layout="constrained")
    for k, which in enumerate(("before", "after"), 1):
        steps["ours"].result.plot_mosaic(figure.add_subplot(1, 2, k), which=which).set_title(which)
    figure.savefig(options.output / "mosaic.png", dpi=70)


def add_step(table, tool, step, images, pairs):
    """Run a step, and add its errors to the table."""
    step.subtract, begin = True, processor_time()
    library = step.run([model.copy() for model, *_ in images])
    row = {"time": processor_time() - begin}
    after = library.map_function(lambda model, _: model.data, modify=False)
    backgrounds = [model.data - data for (model, *_), data in zip(images, after, strict=True)]
    errors, summary = compute_errors(images, backgrounds, pairs)
    if isinstance(step, PixelSkyMatchStep):
        sigma = step.result.levels["level_error"].value
        row |= moments(errors / np.hypot(*sigma[np.transpose(pairs[0])]), " ratio")
        row |= moments(errors / fitted_errors(step.result, pairs[0]), " of fit")
        row["warnings"] = len(step.result.findings)
        table.notes += [f"{tool}: {finding.sentence}" for finding in step.result.findings]
    table.add(tool=tool, **summary, **row)


def fitted_errors(result, pairs):
    """Give the errors of the differences of exposures, each of which is a stack of its own."""
    rows, groups = result.pairs["first", "second", "fitted_error"], result.levels["group"].tolist()
    errors = {frozenset((first, second)): error.value for first, second, error in rows.iterrows()}
    return [errors.get(frozenset((groups[i], groups[j])), np.nan) for i, j in pairs]


def add_tools(table, tools, images, pairs):
    """Write the exposures for other tools, run these, and add their errors to the table."""
    with tempfile.TemporaryDirectory() as name:
        directory, paths = Path(name), []
        for model, *_ in images:
            # pjpipe cannot do without.
            model.err = np.full_like(model.data, NOISE)
            paths.append(Path(model.save(directory / model.meta.filename)))
        resample(paths, directory / "tiles", COARSE)
        add_fits_wcs(paths, directory / "sip")
        for tool in tools:
            try:
                python, begin = install(tool), processor_time()
                levels = run_tool(tool, python, directory, "")
                spent = processor_time() - begin
                backgrounds = [levels[path.stem.removesuffix("_cal")] for path in paths]
                _, summary = compute_errors(images, backgrounds, pairs)
                table.add(tool=tool, time=spent, **summary)
            except (subprocess.CalledProcessError, RuntimeError, KeyError) as error:
                table.notes.append(f"{tool} failed: {error}")
                table.add(tool=tool)


def compute_errors(images, backgrounds, pairs):
    """Give the errors of the known differences, and the columns of all errors."""
    left = [
        (model, truth - background, wcs)
        for (model, truth, wcs), background in zip(images, backgrounds, strict=True)
    ]
    rest = {(i, j): np.nanmedian(subtract(left[i], left[j])) for i, j in pairs[2]}
    errors, nights, every = (np.array([rest[pair] for pair in kind]) for kind in pairs)
    *others, largest = np.sort(np.abs(errors))
    row = {"largest": largest, "rms of others": rms(others), "night rms": rms(nights)}
    return errors, row | moments(errors) | moments(every, " of all")


def moments(errors, suffix=""):
    """Give rms, and median of the absolute values, as columns."""
    return {f"rms{suffix}": rms(errors), f"median{suffix}": np.median(np.abs(errors))}


def processor_time():
    """Give the time of this process and of all others that it has started and that have ended."""
    return sum(os.times()[:4])


def make_exposure(name, unit, data, wcs):
    """Wrap an image as an exposure of NIRCam, the last four digits of whose name are its number."""
    scene = sim.nircam_mosaic(binning=128)
    model = ImageModel(data.astype(np.float32), dq=np.isnan(data).astype(np.uint32))
    model.update(sim.simulate_exposure(scene, scene.pointings[0]))
    # pjpipe takes visit and detector from it.
    model.meta.filename = f"{name[:-4]}_02101_{name[-4:]}_nrca1_cal.fits"
    model.meta.bunit_data = unit
    observation = model.meta.observation
    observation.visit_id, observation.exposure_number = name[:-4], name
    transform = make_fitswcs_transform(wcs.to_header())
    model.meta.wcs = GWCS(
        transform, Frame2D(name="detector"), CelestialFrame(name="world", reference_frame=ICRS())
    )
    model.meta.wcs.bounding_box = wcs_bbox_from_shape(data.shape)
    update_s_region_imaging(model)
    return model


def read_orion(paths):
    """Read frames, as exposures with more noise, images without, and WCS."""
    rng = np.random.default_rng(1)
    for path in paths:
        header, name = fits.getheader(path), path.stem.removeprefix("2mass-atlas-")
        data, wcs = fits.getdata(path) * 10 ** (0.4 * (ZERO_POINT - header["MAGZP"])), WCS(header)
        noisy = data + NOISE * rng.standard_normal(data.shape)
        yield make_exposure(name, "DN", noisy, wcs), data, wcs


def read_nircam(paths):
    """Cut stamps into pieces, and give them with a level added, the level alone, and WCS."""
    rng = np.random.default_rng(1)
    for path, size in zip(paths, (300, 450), strict=True):
        image, wcs = fits.getdata(path), WCS(fits.getheader(path))
        for y, x in product(range(0, 900, size), repeat=2):
            piece, name = np.s_[y : y + size, x : x + size], f"piece{size}y{y}x{x}-0001"
            level = np.full((size, size), SCATTER * rng.standard_normal())
            yield make_exposure(name, "MJy/sr", image[piece] + level, wcs[piece]), level, wcs[piece]


def find_pairs(images):
    """Find the pairs whose difference is known, other ones of different nights, and all."""
    known, nights, every = [], [], []
    names = [model.meta.filename for model, *_ in images]
    for i, j in combinations(range(len(images)), 2):
        change = subtract(images[i], images[j])
        if np.isfinite(change).sum() > ENOUGH:
            every.append((i, j))
            if np.ptp(np.nanquantile(change, [0.16, 0.84])) < EXACT:
                known.append((i, j))
            elif names[i][:6] != names[j][:6]:
                nights.append((i, j))
    return known, nights, every


def subtract(one, other):
    """Subtract the pixels of an image from the nearest ones of another; NaN where there is none."""
    (_, first, wcs), (_, second, theirs) = one, other
    y, x = np.indices(second.shape)[:, ::STRIDE, ::STRIDE]
    x, y = wcs.wcs_world2pix(*theirs.wcs_pix2world(x, y, 0), 0)
    return map_coordinates(first, (y, x), order=0, cval=np.nan) - second[::STRIDE, ::STRIDE]


if __name__ == "__main__":
    main()
