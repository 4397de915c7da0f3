"""Simulate a mosaic with known levels, match it by two steps, and compare the levels.

Run it with ``python -m jwst_mosaic_simulation.demo [DIR]``.
"""

import argparse
import json
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from stdatamodels.jwst.datamodels import ImageModel, dqflags

from ._geometry import TangentPlane
from .exposure import Simulation, simulate_mosaic
from .scenes import stephans_quintet

OURS, STOCK = "PixelSkyMatchStep", "SkyMatchStep"
# A quarter of the size: all runs take a minute, and the cost of the stock
# step, set by polygons and not by pixels, would not shrink much further.
DEFAULT_BINNING = 4
PICTURE_CELL = 0.33  # arcsec: three native MIRI pixels
ERROR_LIMIT = 0.25  # of the colours of the picture's lower row, MJy/sr


class _Result(NamedTuple):
    """Levels of a step about their mean, their errors, and the rms of these, MJy/sr."""

    step: str
    levels: np.ndarray
    errors: np.ndarray
    rms: float


def main(argv: Sequence[str] | None = None) -> int:
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
    masked = _simulate(directory, options, masked_strips=True)
    # On the disk that the user chose, since full-size exposures take 1.6 GB.
    with tempfile.TemporaryDirectory(dir=directory, prefix="without-strips-") as scratch:
        unmasked = _simulate(Path(scratch), options, masked_strips=False)
        print(f"Running strun pixel_skymatch {masked.association} --output_dir {directory}")
        print(f"and {STOCK}, and both once more without masked strips ...", flush=True)
        with ThreadPoolExecutor(max_workers=2) as pool:
            # The longest first, so that two workers end together.
            stock = pool.map(_run_stock, (masked, unmasked))
            results, results_unmasked = zip(
                pool.map(_run_ours, (masked, unmasked)), stock, strict=True
            )
    _print_table(masked.levels, results)
    _print_summary(results, results_unmasked)
    picture = directory / "skymatch-demo.png"
    _draw_picture(picture, masked, results)
    print(f"\nThe mosaic before and after: {picture}")
    (report,) = directory.glob("*_skymatch_report.html")
    print(f"The report, to be opened in a browser: {report}")
    return 0


def print_stock_levels(association: str) -> None:
    """Run jwst's own step with its default parameters and print its levels as JSON.

    Parameters
    ----------
    association : str
        Path of the association. Nothing is saved.
    """
    from jwst.skymatch import SkyMatchStep

    levels = {}
    with SkyMatchStep().run(association) as library:
        for model in library:
            levels[model.meta.filename.rpartition("_")[0]] = model.meta.background.level
            library.shelve(model, modify=False)
    print(json.dumps(levels))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m jwst_mosaic_simulation.demo",
        description="Simulate MIRI exposures of Stephan's Quintet with known levels, match them "
        f"with {OURS} and with jwst's {STOCK}, and compare the levels.",
    )
    default, text = "skymatch-demo", "where to write exposures, results and picture [%(default)s]"
    parser.add_argument("directory", metavar="DIR", nargs="?", default=default, help=text)
    size = parser.add_mutually_exclusive_group()
    text = "MIRI pixels per simulated pixel and axis [%(default)s]"
    size.add_argument("--binning", type=int, default=DEFAULT_BINNING, help=text)
    text = "full-size detectors (needs 4 GB of disk)"
    size.add_argument("--full", dest="binning", action="store_const", const=1, help=text)
    text = "seed of the simulation [%(default)s]"
    parser.add_argument("--seed", type=int, default=1, help=text)
    text = "use only that many exposures [%(default)s]"
    parser.add_argument("--exposures", type=int, default=32, help=text)
    options = parser.parse_args(argv)
    for name, low, high in (("binning", 1, 16), ("exposures", 2, 32)):
        if not low <= getattr(options, name) <= high:
            parser.error(f"--{name} must be between {low} and {high}")
    if options.seed < 0:
        parser.error("--seed must not be negative")
    return options


def _simulate(directory: Path, options: argparse.Namespace, *, masked_strips: bool) -> Simulation:
    scene = stephans_quintet(
        options.exposures, seed=options.seed, binning=options.binning, masked_strips=masked_strips
    )
    kind = "with" if masked_strips else "without"

    def show(done: int, total: int) -> None:
        if done == total or sys.stdout.isatty():
            print(f"\rSimulating {kind} MIRI's strips masked: {done}/{total}", end="", flush=True)

    simulation = simulate_mosaic(scene, directory, progress=show)
    print()
    return simulation


def _run_ours(simulation: Simulation) -> _Result:
    """Run our step as a user does, and read the levels from its files."""
    # The strun of this Python, whatever else is on the path.
    strun = shutil.which("strun", path=sysconfig.get_path("scripts")) or "strun"
    directory = simulation.association.parent
    command = (strun, "pixel_skymatch", simulation.association, "--output_dir", directory)
    _run(*command, "--save_diagnostics=true")
    levels = {}
    for name in simulation.levels:
        with ImageModel(directory / f"{name}_skymatch.fits") as model:
            levels[name] = model.meta.background.level
    return _compare(OURS, levels, simulation.levels)


def _run_stock(simulation: Simulation) -> _Result:
    code = "import sys, jwst_mosaic_simulation.demo as d; d.print_stock_levels(sys.argv[1])"
    output = _run(sys.executable, "-c", code, simulation.association)
    return _compare(STOCK, json.loads(output.splitlines()[-1]), simulation.levels)


def _run(*command: str | Path) -> str:
    """Run a command quietly; print its output if it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        words = " ".join(map(str, command))
        raise SystemExit(f"{done.stdout}{done.stderr}\nThis failed: {words}")
    return done.stdout


def _compare(step: str, levels: Mapping[str, float], truth: Mapping[str, float]) -> _Result:
    measured = _about_mean(levels[name] for name in truth)
    errors = measured - _about_mean(truth.values())
    return _Result(step, measured, errors, float(np.sqrt(np.mean(errors**2))))


def _about_mean(levels: Iterable[float]) -> np.ndarray:
    """Subtract the mean of the levels, which no step can measure."""
    values = np.array(list(levels), dtype=float)
    return values - values.mean()


def _print_table(truth: Mapping[str, float], results: Sequence[_Result]) -> None:
    print("\nSky level of each exposure about the mean of all, MJy/sr\n")
    print(f"{'visit, exposure':<18}{'true':>9}" + "".join(f"{r.step:>24}" for r in results))
    print(f"{'':<27}" + f"{'measured':>14}{'error':>10}" * 2)
    true = _about_mean(truth.values())
    before = None
    for k, name in enumerate(truth):
        visit, _, exposure, *_ = name.split("_")
        row = "".join(f"{r.levels[k]:>14.4f}{r.errors[k]:>10.4f}" for r in results)
        print(f"{visit if visit != before else '':<14}{int(exposure):>3} {true[k]:>9.4f}{row}")
        before = visit


def _print_summary(results: Sequence[_Result], results_unmasked: Sequence[_Result]) -> None:
    ours, stock = (result.rms for result in results)
    print(f"\nrms error of {OURS}: {_short(ours)} MJy/sr")
    print(f"rms error of {STOCK}: {_short(stock)} MJy/sr")
    print(f"ratio: {stock / ours:.0f}")
    ours_unmasked, stock_unmasked = (result.rms for result in results_unmasked)
    print(
        f"Without MIRI's masked strips the errors are {_short(ours_unmasked)} and "
        f"{_short(stock_unmasked)} MJy/sr, ratio {stock_unmasked / ours_unmasked:.0f}:\n"
        f"the strips multiply the error of {STOCK} by {stock / stock_unmasked:.1f}."
    )


def _short(value: float) -> str:
    """Write a number with two significant digits and without an exponent."""
    return np.format_float_positional(value, precision=2, fractional=False, trim="-")


def _figure_class() -> Any:
    try:
        import jinja2  # noqa: F401, the report is made with it
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SystemExit(
            f"The demo draws, and {error.name} is missing: pip install matplotlib jinja2"
        ) from None
    return Figure


def _draw_picture(path: Path, simulation: Simulation, results: Sequence[_Result]) -> None:
    """Draw the mosaic before and after, and below the errors that the levels leave in it."""
    from matplotlib.colors import AsinhNorm

    images, extent = _map_exposures(simulation.files)
    perfect = _mosaic(images, _about_mean(simulation.levels.values()))
    columns = {"Before matching": np.zeros(len(images))}
    columns |= {f"{r.step}: rms error {_short(r.rms)} MJy/sr": r.levels for r in results}
    # Linear about the sky, where a step of 0.1 MJy/sr is a twentieth of the
    # range; logarithmic in the galaxies.
    brightness = {"norm": AsinhNorm(linear_width=0.4, vmin=-0.7, vmax=8.0), "cmap": "magma"}
    errors = {"vmin": -ERROR_LIMIT, "vmax": ERROR_LIMIT, "cmap": "RdBu_r"}
    place = {"origin": "lower", "extent": extent, "interpolation": "nearest"}
    figure = _figure_class()(figsize=(15, 8.2), layout="compressed")
    axes = figure.subplots(2, 3, sharex=True, sharey=True, subplot_kw={"facecolor": "0.8"})
    for (above, below), (title, levels) in zip(axes.T, columns.items(), strict=True):
        mosaic = _mosaic(images, levels)
        above.set_title(title)
        above.imshow(mosaic - np.nanpercentile(perfect, 20), **place, **brightness)
        below.set_title(f"largest: {_short(np.nanmax(np.abs(mosaic - perfect)))} MJy/sr")
        below.set_xlabel("east, arcsec")
        below.imshow(mosaic - perfect, **place, **errors)
    bars = (
        ("brightness above the sky, MJy/sr", (-0.5, -0.2, 0, 0.2, 0.5, 1, 2, 4, 8)),
        ("difference from true levels, MJy/sr", (-0.2, -0.1, 0, 0.1, 0.2)),
    )
    for row, (label, ticks) in zip(axes, bars, strict=True):
        row[0].set_ylabel("north, arcsec")
        image = row[0].images[0]
        bar = figure.colorbar(image, ax=row, label=label, extend="both", fraction=0.03, pad=0.01)
        bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    figure.savefig(path, dpi=110)


def _mosaic(images: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Average the exposures without their levels; NaN where no exposure has data."""
    seen = np.isfinite(images)
    total = np.where(seen, images - levels[:, None, None], 0).sum(axis=0)
    count = seen.sum(axis=0)
    return np.where(count, total / np.maximum(count, 1), np.nan)


def _map_exposures(files: Sequence[Path]) -> tuple[np.ndarray, tuple[float, ...]]:
    """Map exposures to one grid, north up: the nearest good pixel of each cell, else NaN.

    The second value is the extent in arcsec, east to the left.
    """
    exposures = []
    for file in files:
        with ImageModel(file) as model:
            bad = model.dq & (dqflags.pixel["DO_NOT_USE"] | dqflags.pixel["NON_SCIENCE"])
            data = np.where(bad, np.nan, model.data).astype(np.float32)
            side = np.sqrt(model.meta.photometry.pixelarea_arcsecsq)
            exposures.append((data, model.meta.wcs))
    corners = np.array([wcs.footprint(center=False) for _, wcs in exposures])
    plane = TangentPlane(*corners.mean(axis=(0, 1)))
    low, high = (limit(plane.project(*corners.T), axis=(1, 2)) for limit in (np.min, np.max))
    x, y = (np.arange(a, b, max(side, PICTURE_CELL)) for a, b in zip(low, high, strict=True))
    x = x[::-1]
    images = np.full((len(files), y.size, x.size), np.nan, dtype=np.float32)
    for image, (data, wcs), place in zip(images, exposures, corners, strict=True):
        # Only near the exposure: far from it the inverse distortion is void.
        east, north = plane.project(*place.T)
        rows = np.flatnonzero((y > north.min()) & (y < north.max()))
        columns = np.flatnonzero((x > east.min()) & (x < east.max()))
        sky = plane.deproject(*np.meshgrid(x[columns], y[rows]))
        i, j = np.rint(wcs.invert(*sky, with_bounding_box=False)).astype(int)
        inside = (i >= 0) & (i < data.shape[1]) & (j >= 0) & (j < data.shape[0])
        values = np.where(inside, data[j * inside, i * inside], np.nan)
        image[np.ix_(rows, columns)] = values
    return images, (x[0], x[-1], y[0], y[-1])


if __name__ == "__main__":
    sys.exit(main())
