"""Simulate a mosaic with known levels, match it by two steps, and compare the levels.

Run it with ``python -m jwst_mosaic_simulation.demo [DIR]``.
"""

import argparse
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
from stdatamodels.jwst.datamodels import ImageModel, dqflags

from ._geometry import TangentPlane
from .exposure import Simulation, simulate_mosaic
from .scenes import stephans_quintet

OURS, STOCK = "PixelSkyMatchStep", "SkyMatchStep"
PICTURE_CELL = 0.33  # arcsec: three native MIRI pixels


class _Result(NamedTuple):
    """Levels of a step about their mean, their errors, and the rms error, MJy/sr."""

    step: str
    levels: np.ndarray
    errors: np.ndarray
    rms: float


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo.

    Parameters
    ----------
    argv : sequence of str or None, optional
        Command-line arguments; None for the arguments of the process.

    Returns
    -------
    int
        Exit code 0; an error ends the process with a message.
    """
    options = _parse(argv)
    try:
        for name in ("matplotlib.figure", "jinja2"):  # an error before the work, not after it
            import_module(name)
    except ImportError:
        raise SystemExit(f"{name} is missing: pip install matplotlib jinja2") from None
    directory = Path(options.directory)
    masked = _simulate(directory, options, masked_strips=True)
    # On the disk of the chosen directory, since full-size exposures take 1.6 GB.
    with tempfile.TemporaryDirectory(dir=directory, prefix="without-strips-") as scratch:
        unmasked = _simulate(Path(scratch), options, masked_strips=False)
        print(f"Running strun pixel_skymatch {masked.association} --output_dir {directory}")
        print(f"and {STOCK}, and both once more without masked strips ...", flush=True)
        with ThreadPoolExecutor(max_workers=2) as pool:
            results, results_unmasked = pool.map(_run_both, (masked, unmasked))
    _print_table(masked.levels, results)
    _print_summary(results, results_unmasked)
    picture = directory / "skymatch-demo.png"
    _draw_picture(picture, masked, results)
    print(f"\nThe mosaic before and after: {picture}")
    (report,) = directory.glob("*_skymatch_report.html")
    print(f"The report, to be opened in a browser: {report}")
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m jwst_mosaic_simulation.demo",
        description="Simulate MIRI exposures of Stephan's Quintet with known levels, match them "
        f"with {OURS} and with jwst's {STOCK}, and compare the levels.",
    )
    text = "where to write exposures, results and picture [%(default)s]"
    parser.add_argument("directory", metavar="DIR", nargs="?", default="skymatch-demo", help=text)
    # The cost of the stock step, which polygons dominate, hardly falls beyond a binning of four.
    text = "MIRI pixels per simulated pixel and axis, 1 (needs 4 GB of disk) to 16 [%(default)s]"
    parser.add_argument("--binning", type=int, default=4, help=text)
    parser.add_argument("--seed", type=int, default=1, help="of the simulation [%(default)s]")
    parser.add_argument("--exposures", type=int, default=32, help="their number [%(default)s]")
    options = parser.parse_args(argv)
    for name, low, high in (("binning", 1, 16), ("exposures", 2, 32), ("seed", 0, 10**9)):
        if not low <= getattr(options, name) <= high:
            parser.error(f"--{name} must be between {low} and {high}")
    return options


def _simulate(directory: Path, options: argparse.Namespace, *, masked_strips: bool) -> Simulation:
    n, kind = options.exposures, "with" if masked_strips else "without"
    print(f"Simulating {n} exposures {kind} MIRI's strips masked ...", flush=True)
    scene = stephans_quintet(
        n, seed=options.seed, binning=options.binning, masked_strips=masked_strips
    )
    return simulate_mosaic(scene, directory)


def _run(step: str, alias: str, simulation: Simulation, directory: Path, *options: str) -> _Result:
    """Run a step as a user does, and read the levels from its files."""
    # The strun of this Python, which need not be the first on the path.
    strun = shutil.which("strun", path=sysconfig.get_path("scripts")) or "strun"
    command = (strun, alias, str(simulation.association), f"--output_dir={directory}", *options)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}\nThis failed: {' '.join(command)}")
    levels = {}
    for file in directory.glob("*_skymatch*.fits"):  # the stock step numbers its files
        with ImageModel(file) as model:
            names = model.meta.observation
            exposure = f"{names.obs_id[-5:]}_{names.exposure_number}"
            levels[f"jw{names.visit_id}_{exposure}_mirimage"] = model.meta.background.level
    measured = _about_mean(levels[name] for name in simulation.levels)
    errors = measured - _about_mean(simulation.levels.values())
    return _Result(step, measured, errors, float(np.sqrt(np.mean(errors**2))))


def _run_both(simulation: Simulation) -> tuple[_Result, _Result]:
    directory = simulation.association.parent
    ours = _run(OURS, "pixel_skymatch", simulation, directory, "--save_diagnostics=true")
    # In another directory, since both steps give their files the same names.
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        stock = _run(STOCK, "skymatch", simulation, Path(scratch), "--disable-crds-steppars")
    return ours, stock


def _about_mean(levels: Iterable[float]) -> np.ndarray:
    """Subtract the mean of the levels, which no difference constrains."""
    values = np.array(list(levels), dtype=float)
    return values - values.mean()


def _print_table(truth: Mapping[str, float], results: Sequence[_Result]) -> None:
    print("\nSky level of each exposure about the mean of all, MJy/sr\n")
    print(f"{'visit, exposure':<18}{'true':>9}" + "".join(f"{r.step:>24}" for r in results))
    print(f"{'':<27}" + f"{'measured':>14}{'error':>10}" * 2)
    true = _about_mean(truth.values())
    for k, name in enumerate(truth):
        visit, _, exposure, *_ = name.split("_")
        row = "".join(f"{r.levels[k]:>14.4f}{r.errors[k]:>10.4f}" for r in results)
        print(f"{visit:<14}{int(exposure):>3} {true[k]:>9.4f}{row}")


def _print_summary(results: Sequence[_Result], results_unmasked: Sequence[_Result]) -> None:
    ours, stock = (result.rms for result in results)
    print(f"\nrms error of {OURS}: {ours:.2g} MJy/sr")
    print(f"rms error of {STOCK}: {stock:.2g} MJy/sr")
    print(f"ratio: {stock / ours:.0f}")
    ours_unmasked, stock_unmasked = (result.rms for result in results_unmasked)
    print(
        f"Without MIRI's masked strips the errors are {ours_unmasked:.2g} and "
        f"{stock_unmasked:.2g} MJy/sr, ratio {stock_unmasked / ours_unmasked:.0f}:\n"
        f"the strips multiply the error of {STOCK} by {stock / stock_unmasked:.1f}."
    )


def _draw_picture(path: Path, simulation: Simulation, results: Sequence[_Result]) -> None:
    """Draw the mosaic before and after, and below it the errors by the levels of each step."""
    from matplotlib.colors import AsinhNorm
    from matplotlib.figure import Figure

    images, extent = _map_exposures(simulation.files)
    perfect = _mosaic(images, _about_mean(simulation.levels.values()))
    columns = {"Before matching\n": np.zeros(len(images))}
    columns |= {f"{r.step}\nrms error {r.rms:.2g} MJy/sr": r.levels for r in results}
    # Linear about the sky, where a step of 0.1 MJy/sr is a twentieth of the range, and
    # logarithmic in the galaxies.
    brightness = {"norm": AsinhNorm(linear_width=0.4, vmin=-0.7, vmax=8.0), "cmap": "magma"}
    errors = {"vmin": -0.25, "vmax": 0.25, "cmap": "RdBu_r"}
    place = {"origin": "lower", "extent": extent, "interpolation": "nearest"}
    figure = Figure(figsize=(15, 8.2), layout="compressed")
    axes = figure.subplots(2, 3, sharex=True, sharey=True, subplot_kw={"facecolor": "0.8"})
    for (above, below), (title, levels) in zip(axes.T, columns.items(), strict=True):
        mosaic = _mosaic(images, levels)
        above.set_title(title)
        above.imshow(mosaic - np.nanpercentile(perfect, 20), **place, **brightness)
        below.set_title(f"largest: {np.nanmax(np.abs(mosaic - perfect)):.2g} MJy/sr")
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
    """Average the exposures minus their levels; NaN where no exposure has data."""
    return np.ma.masked_invalid(images - levels[:, None, None]).mean(axis=0).filled(np.nan)


def _map_exposures(files: Sequence[Path]) -> tuple[np.ndarray, tuple[float, ...]]:
    """Map the nearest good pixels, or NaN, to a common grid with east to the left.

    The second value is the extent of the grid (left, right, bottom, top), arcsec.
    """
    models = [ImageModel(file) for file in files]
    corners = np.array([model.meta.wcs.footprint(center=False) for model in models])
    plane = TangentPlane(*corners.mean(axis=(0, 1)))
    corners = np.stack(plane.project(*np.moveaxis(corners, -1, 0)), axis=-1)
    cell = max(PICTURE_CELL, np.sqrt(models[0].meta.photometry.pixelarea_arcsecsq))
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    x, y = np.arange(high[0], low[0], -cell), np.arange(low[1], high[1], cell)
    images = np.full((len(files), y.size, x.size), np.nan, dtype=np.float32)
    unusable = dqflags.pixel["DO_NOT_USE"] | dqflags.pixel["NON_SCIENCE"]
    for image, model, ends in zip(images, models, corners, strict=True):
        # Only near the exposure: far from it the inverse distortion is invalid.
        (x0, y0), (x1, y1) = ends.min(axis=0), ends.max(axis=0)
        columns, rows = np.flatnonzero((x > x0) & (x < x1)), np.flatnonzero((y > y0) & (y < y1))
        sky = plane.deproject(*np.meshgrid(x[columns], y[rows]))
        i, j = np.rint(model.meta.wcs.invert(*sky, with_bounding_box=False)).astype(int)
        data = np.where(model.dq & unusable, np.nan, model.data)
        inside = (i >= 0) & (i < data.shape[1]) & (j >= 0) & (j < data.shape[0])
        image[np.ix_(rows, columns)] = np.where(inside, data[j * inside, i * inside], np.nan)
        model.close()
    return images, (x[0], x[-1], y[0], y[-1])


if __name__ == "__main__":
    sys.exit(main())
