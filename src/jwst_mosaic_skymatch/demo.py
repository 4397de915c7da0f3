"""Simulate a mosaic with known levels, match it, and show what that does.

Run it with ``python -m jwst_mosaic_skymatch.demo [DIR]``.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from stdatamodels.jwst.datamodels import ImageModel

from jwst_mosaic_skymatch.exposures import good_bits, read_footprint
from jwst_mosaic_skymatch.grid import shared_grid
from jwst_mosaic_skymatch.pixels import good_pixels
from jwst_mosaic_skymatch.simulation import simulate_mosaic, stephans_quintet
from jwst_mosaic_skymatch.stack import stack_tiles
from jwst_mosaic_skymatch.tile import drizzle_tile

__all__ = ["main", "print_levels"]

OURS, STOCK = "PixelSkyMatchStep", "SkyMatchStep"
# A quarter of the size: all runs take a minute, and the cost of the stock
# step, set by polygons and not by pixels, would not shrink much further.
DEFAULT_BINNING = 4
# Cell of the picture, arcsec: three native MIRI pixels.
PICTURE_CELL = 0.33
# Largest error in the colours of the picture's lower row, MJy/sr.
ERROR_LIMIT = 0.25


def main(argv=None):
    """Run the demo.

    Parameters
    ----------
    argv : sequence of str or None, optional
        Command-line arguments; None takes those of the process.

    Returns
    -------
    int
        Exit code: 0.

    Raises
    ------
    SystemExit
        If an argument is wrong, matplotlib is missing, or a step fails.
    """
    options = _parse(argv)
    _figure_class()  # refuse before the work, not after it
    directory = Path(options.directory)
    truth = _simulate(directory, options, masked_strips=True)
    # On the disk that the user chose, since full-size exposures take 0.8 GB.
    with tempfile.TemporaryDirectory(dir=directory, prefix="without-strips-") as scratch:
        unmasked = _simulate(Path(scratch), options, masked_strips=False)
        found, without = _run_steps(truth, unmasked, directory)
    _print_table(truth.levels, found)
    _print_summary(truth.levels, found, without)
    picture = directory / "skymatch-demo.png"
    _draw_picture(picture, truth, found)
    print(f"\nThe mosaic before and after: {picture}")
    return 0


def print_levels(step, association):
    """Run a step and print the levels that it finds, as JSON.

    Parameters
    ----------
    step : {'PixelSkyMatchStep', 'SkyMatchStep'}
        The step, run with its default parameters. Nothing is saved.
    association : str
        The exposures.
    """
    from jwst.skymatch import SkyMatchStep

    from jwst_mosaic_skymatch.step import PixelSkyMatchStep

    classes = {OURS: PixelSkyMatchStep, STOCK: SkyMatchStep}
    library = classes[step].call(association)
    levels = {}
    with library:
        for index, model in enumerate(library):
            levels[_rootname(model.meta.filename)] = model.meta.background.level
            library.shelve(model, index, modify=False)
    print(json.dumps(levels))


# --- arguments and simulation ------------------------------------------------


def _parse(argv):
    parser = argparse.ArgumentParser(
        prog="python -m jwst_mosaic_skymatch.demo",
        description="Simulate MIRI exposures of Stephan's Quintet with known levels, match them "
        f"with {OURS} and with jwst's {STOCK}, and compare the levels found.",
    )
    parser.add_argument(
        "directory",
        metavar="DIR",
        nargs="?",
        default="skymatch-demo",
        help="where to write the exposures, the results and the picture [%(default)s]",
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--full", action="store_true", help="full-size detectors (needs 3 GB of disk)"
    )
    size.add_argument(
        "--binning",
        type=int,
        default=DEFAULT_BINNING,
        help="MIRI pixels per simulated pixel and axis [%(default)s]",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the simulation [%(default)s]")
    parser.add_argument(
        "--exposures", type=int, default=32, help="use only that many exposures [%(default)s]"
    )
    options = parser.parse_args(argv)
    if options.full:
        options.binning = 1
    if not 1 <= options.binning <= 16:
        parser.error("--binning must be between 1 and 16")
    if not 2 <= options.exposures <= 32:
        parser.error("--exposures must be between 2 and 32")
    if options.seed < 0:
        parser.error("--seed must not be negative")
    return options


def _simulate(directory, options, *, masked_strips):
    scene = stephans_quintet(
        options.exposures,
        seed=options.seed,
        binning=options.binning,
        masked_strips=masked_strips,
    )
    what = "with" if masked_strips else "without"

    def show(done, total):
        if done == total or sys.stdout.isatty():
            print(f"\rSimulating {what} MIRI's strips masked: {done}/{total}", end="", flush=True)

    simulation = simulate_mosaic(scene, directory, progress=show)
    print()
    return simulation


# --- running the steps -------------------------------------------------------


def _run_steps(truth, unmasked, directory):
    """Run both steps on both sets of exposures, two at a time."""
    print(f"Running strun pixel_skymatch {truth.association} --output_dir {directory}")
    print(f"and {STOCK}, and both once more without masked strips ...", flush=True)
    with ThreadPoolExecutor(max_workers=2) as pool:
        # The longest first, so that two workers end together.
        stock = pool.submit(_levels_of, STOCK, truth.association)
        stock_without = pool.submit(_levels_of, STOCK, unmasked.association)
        ours = pool.submit(_strun, truth, directory)
        ours_without = pool.submit(_levels_of, OURS, unmasked.association)
        found = {OURS: ours.result(), STOCK: stock.result()}
        without = {OURS: ours_without.result(), STOCK: stock_without.result()}
    return found, without


def _strun(truth, directory):
    """Run the step as a user does, and read the levels from the files it writes."""
    # The strun of this Python, whatever else is on the path.
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    strun = shutil.which("strun", path=path) or "strun"
    _run([strun, "pixel_skymatch", truth.association, "--output_dir", directory])
    levels = {}
    for name in truth.levels:
        with ImageModel(directory / f"{name}_skymatch.fits") as model:
            levels[name] = model.meta.background.level
    return levels


def _levels_of(step, association):
    code = "import sys; from jwst_mosaic_skymatch.demo import print_levels as p; p(*sys.argv[1:])"
    # The stock step would ask CRDS for parameters, which needs network or a cache.
    environment = {**os.environ, "STPIPE_DISABLE_CRDS_STEPPARS": "true"}
    output = _run([sys.executable, "-c", code, step, association], environment)
    return json.loads(output.splitlines()[-1])


def _run(command, environment=None):
    """Run a command quietly; show what it said if it fails."""
    command = [str(word) for word in command]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    except OSError as error:
        raise SystemExit(f"{command[0]} cannot be run: {error}") from error
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}\nThis failed: {' '.join(command)}")
    return done.stdout


# --- results -----------------------------------------------------------------


def _rootname(filename):
    return filename.rpartition("_")[0]


def _relative(levels, names):
    """Levels about their mean: a common constant is not the step's to find."""
    values = np.array([levels.get(name) for name in names], dtype=float)
    return values - values.mean()


def _errors(found, true):
    return _relative(found, true) - _relative(true, true)


def _rms(found, true):
    return float(np.sqrt(np.mean(_errors(found, true) ** 2)))


def _print_table(true, found):
    print("\nSky level of each exposure about the mean of all, MJy/sr\n")
    print(f"{'visit, exposure':<18}{'true':>9}{OURS:>24}{STOCK:>24}")
    print(f"{'':<27}{'found':>14}{'error':>10}{'found':>14}{'error':>10}")
    columns = [_relative(true, true)]
    for step in (OURS, STOCK):
        columns += [_relative(found[step], true), _errors(found[step], true)]
    before = None
    for name, values in zip(true, zip(*columns, strict=True), strict=True):
        visit, _, exposure, *_ = name.split("_")
        label = visit if visit != before else ""
        before = visit
        row = "{:>9.4f}{:>14.4f}{:>10.4f}{:>14.4f}{:>10.4f}".format(*values)
        print(f"{label:<14}{int(exposure):>3} {row}")


def _short(value):
    """Write a number with two significant digits and without an exponent."""
    return np.format_float_positional(value, precision=2, fractional=False, trim="-")


def _print_summary(true, found, without):
    ours, stock = (_rms(found[step], true) for step in (OURS, STOCK))
    print(f"\nrms error of {OURS}: {_short(ours)} MJy/sr")
    print(f"rms error of {STOCK}: {_short(stock)} MJy/sr")
    print(f"ratio: {stock / ours:.0f}")
    ours_without, stock_without = (_rms(without[step], true) for step in (OURS, STOCK))
    print(
        f"Without MIRI's masked strips the errors are {_short(ours_without)} and "
        f"{_short(stock_without)} MJy/sr, ratio {stock_without / ours_without:.0f}:\n"
        f"the strips multiply the error of {STOCK} by {stock / stock_without:.1f}."
    )


# --- picture -----------------------------------------------------------------


def _figure_class():
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise SystemExit("The demo draws with matplotlib: pip install matplotlib") from None
    return Figure


def _draw_picture(path, truth, found):
    grid, tiles = _drizzle(truth.files)
    names = list(truth.levels)
    perfect = stack_tiles(tiles, _relative(truth.levels, names), extents=tiles).data
    levels = {"Before matching": np.zeros(len(tiles))}
    for step in (OURS, STOCK):
        error = _short(_rms(found[step], truth.levels))
        levels[f"{step}: rms error {error} MJy/sr"] = _relative(found[step], names)
    figure = _figure_class()(figsize=(15, 8.2), layout="compressed")
    axes = figure.subplots(2, 3, sharex=True, sharey=True)
    sky = np.nanpercentile(perfect, 20)
    for (above, below), (title, subtracted) in zip(axes.T, levels.items(), strict=True):
        mosaic = stack_tiles(tiles, subtracted, extents=tiles)
        extent = _extent(mosaic, grid)
        image = _show(above, mosaic.data - sky, extent, norm=_stretch(), cmap="magma")
        errors = {"vmin": -ERROR_LIMIT, "vmax": ERROR_LIMIT, "cmap": "RdBu_r"}
        difference = mosaic.data - perfect
        error_map = _show(below, difference, extent, **errors)
        above.set_title(title)
        below.set_title(f"largest: {_short(np.nanmax(np.abs(difference)))} MJy/sr")
        below.set_xlabel("arcsec")
    for row, drawn, label, ticks in (
        (axes[0], image, "brightness above the sky, MJy/sr", (-0.5, -0.2, 0, 0.2, 0.5, 1, 2, 4, 8)),
        (axes[1], error_map, "difference from true levels, MJy/sr", (-0.2, -0.1, 0, 0.1, 0.2)),
    ):
        row[0].set_ylabel("arcsec")
        bar = figure.colorbar(drawn, ax=row, label=label, extend="both", fraction=0.03, pad=0.01)
        bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    _draw_compass(axes[0, 0], grid)
    figure.savefig(path, dpi=110)


def _show(panel, data, extent, **colours):
    panel.set_facecolor("0.8")
    return panel.imshow(data, origin="lower", extent=extent, interpolation="nearest", **colours)


def _stretch():
    from matplotlib.colors import AsinhNorm

    # Linear about the sky, where a step of 0.1 MJy/sr is a twentieth of the
    # range; logarithmic in the galaxies.
    return AsinhNorm(linear_width=0.4, vmin=-0.7, vmax=8.0)


def _drizzle(files):
    with ImageModel(files[0]) as first:
        wcs, wcsinfo = first.meta.wcs, first.meta.wcsinfo.instance
        side = np.sqrt(first.meta.photometry.pixelarea_arcsecsq)
    regions = []
    for file in files:
        with ImageModel(file) as model:
            regions.append(read_footprint(model.meta.wcsinfo.s_region))
    grid = shared_grid(regions, wcs, wcsinfo, max(1.0, PICTURE_CELL / side))
    tiles = []
    for file in files:
        with ImageModel(file) as model:
            good = good_pixels(model.data, model.dq, good_bits=good_bits("~DO_NOT_USE+NON_SCIENCE"))
            pixel_map = grid.map_pixels(model.meta.wcs, good.shape)
            tiles.append(drizzle_tile(model.data, good, pixel_map, min_coverage=0.5))
    return grid, tiles


def _extent(mosaic, grid):
    """Edges of a mosaic in arcsec from the middle of the grid."""
    middle = np.repeat(grid.shape[::-1], 2) / 2
    return (np.array(mosaic.bounds) - middle) * grid.cell_scale


def _draw_compass(panel, grid, length=0.08):
    x, y = np.array(grid.shape[::-1]) / 2
    ra, dec = grid.wcs(x, y)
    step = 10 / 3600
    there = {"N": (ra, dec + step), "E": (ra + step / np.cos(np.deg2rad(dec)), dec)}
    corner = np.array([0.82, 0.94])
    units = {"xycoords": "axes fraction", "textcoords": "axes fraction"}
    for letter, position in there.items():
        toward = np.array(grid.wcs.invert(*position)) - (x, y)
        toward = length * toward / np.hypot(*toward) * (1, grid.shape[1] / grid.shape[0])
        arrow = {"arrowstyle": "->", "shrinkA": 0, "shrinkB": 0}
        panel.annotate("", corner + toward, corner, arrowprops=arrow, **units)
        name = {"ha": "center", "va": "center"}
        panel.annotate(letter, corner, corner + 1.35 * toward, **units, **name)


if __name__ == "__main__":
    sys.exit(main())
