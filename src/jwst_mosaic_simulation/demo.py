"""Simulate a mosaic with known levels, match it, and show what that does.

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from stdatamodels.jwst.datamodels import ImageModel

from jwst_mosaic_simulation import Simulation, simulate_mosaic, stephans_quintet
from jwst_mosaic_skymatch.exposures.models import borrowed, read_footprint
from jwst_mosaic_skymatch.exposures.pixels import good_bits, good_pixels
from jwst_mosaic_skymatch.tiles.grid import Grid, shared_grid
from jwst_mosaic_skymatch.tiles.mean import mean_tile
from jwst_mosaic_skymatch.tiles.tile import Tile, drizzle_tile

__all__ = ["main", "print_stock_levels"]

OURS, STOCK = "PixelSkyMatchStep", "SkyMatchStep"
# A quarter of the size: all runs take a minute, and the cost of the stock
# step, set by polygons and not by pixels, would not shrink much further.
DEFAULT_BINNING = 4
# Cell of the picture, arcsec: three native MIRI pixels.
PICTURE_CELL = 0.33
# Largest error in the colours of the picture's lower row, MJy/sr.
ERROR_LIMIT = 0.25


@dataclass(frozen=True)
class _Result:
    """What a step has measured: levels about their mean, and their errors, MJy/sr."""

    step: str
    levels: np.ndarray
    errors: np.ndarray

    @property
    def rms(self) -> float:
        return float(np.sqrt(np.mean(self.errors**2)))


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
        results, results_unmasked = _run_steps(masked, unmasked)
    _print_table(masked.levels, results)
    _print_summary(results, results_unmasked)
    picture = directory / "skymatch-demo.png"
    _draw_picture(picture, masked, results)
    print(f"\nThe mosaic before and after: {picture}")
    print(f"The report, to be opened in a browser: {_report(masked)}")
    return 0


def print_stock_levels(association: str) -> None:
    """Run jwst's own step with its default parameters and print its levels as JSON.

    Parameters
    ----------
    association : str
        The exposures. Nothing is saved.
    """
    from jwst.skymatch import SkyMatchStep

    levels = {}
    with SkyMatchStep().run(association) as library:
        for index in range(len(library)):
            with borrowed(library, index) as model:
                rootname = model.meta.filename.rpartition("_")[0]
                levels[rootname] = model.meta.background.level
    print(json.dumps(levels))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m jwst_mosaic_simulation.demo",
        description="Simulate MIRI exposures of Stephan's Quintet with known levels, match them "
        f"with {OURS} and with jwst's {STOCK}, and compare the levels found.",
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
        options.exposures,
        seed=options.seed,
        binning=options.binning,
        masked_strips=masked_strips,
    )
    what = "with" if masked_strips else "without"

    def show(done: int, total: int) -> None:
        if done == total or sys.stdout.isatty():
            print(f"\rSimulating {what} MIRI's strips masked: {done}/{total}", end="", flush=True)

    simulation = simulate_mosaic(scene, directory, progress=show)
    print()
    return simulation


def _run_steps(masked: Simulation, unmasked: Simulation) -> list[tuple[_Result, _Result]]:
    """Run both steps on both sets of exposures, two at a time."""
    directory = masked.association.parent
    print(f"Running strun pixel_skymatch {masked.association} --output_dir {directory}")
    print(f"and {STOCK}, and both once more without masked strips ...", flush=True)
    with ThreadPoolExecutor(max_workers=2) as pool:
        # The longest first, so that two workers end together.
        stock = pool.map(_run_stock, (masked, unmasked))
        ours = pool.map(_run_ours, (masked, unmasked))
        return list(zip(ours, stock, strict=True))


def _run_ours(simulation: Simulation) -> _Result:
    """Run our step as a user does, and read the levels from the files that it writes."""
    # The strun of this Python, whatever else is on the path.
    strun = shutil.which("strun", path=sysconfig.get_path("scripts")) or "strun"
    directory = simulation.association.parent
    _run(
        *(strun, "pixel_skymatch", simulation.association, "--output_dir", directory),
        "--save_diagnostics=true",
    )
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
    """Run a command quietly; show what it said if it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        words = " ".join(map(str, command))
        raise SystemExit(f"{done.stdout}{done.stderr}\nThis failed: {words}")
    return done.stdout


def _compare(step: str, levels: Mapping[str, float], truth: Mapping[str, float]) -> _Result:
    found = _about_mean([levels[name] for name in truth])
    return _Result(step=step, levels=found, errors=found - _about_mean(truth.values()))


def _about_mean(levels: Iterable[float]) -> np.ndarray:
    """Subtract the mean of the levels: no step can know what they have in common."""
    values = np.array(list(levels), dtype=float)
    return values - values.mean()


def _print_table(truth: Mapping[str, float], results: Sequence[_Result]) -> None:
    print("\nSky level of each exposure about the mean of all, MJy/sr\n")
    print(f"{'visit, exposure':<18}{'true':>9}" + "".join(f"{r.step:>24}" for r in results))
    print(f"{'':<27}{'found':>14}{'error':>10}{'found':>14}{'error':>10}")
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


def _report(simulation: Simulation) -> Path:
    """Find the report that our step has made of the exposures."""
    (report,) = simulation.association.parent.glob("*_skymatch_report.html")
    return report


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
    grid, tiles = _drizzle(simulation.files)
    perfect = mean_tile(tiles, _about_mean(simulation.levels.values())).data
    columns = {"Before matching": np.zeros(len(tiles))}
    columns |= {f"{r.step}: rms error {_short(r.rms)} MJy/sr": r.levels for r in results}
    figure = _figure_class()(figsize=(15, 8.2), layout="compressed")
    axes = figure.subplots(2, 3, sharex=True, sharey=True)
    for panels, (title, levels) in zip(axes.T, columns.items(), strict=True):
        images = _draw_column(panels, mean_tile(tiles, levels), perfect, grid)
        panels[0].set_title(title)
    bars = (
        ("brightness above the sky, MJy/sr", (-0.5, -0.2, 0, 0.2, 0.5, 1, 2, 4, 8)),
        ("difference from true levels, MJy/sr", (-0.2, -0.1, 0, 0.1, 0.2)),
    )
    for row, image, (label, ticks) in zip(axes, images, bars, strict=True):
        row[0].set_ylabel("arcsec")
        bar = figure.colorbar(image, ax=row, label=label, extend="both", fraction=0.03, pad=0.01)
        bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    _draw_compass(axes[0, 0], grid)
    figure.savefig(path, dpi=110)


def _draw_column(panels: Any, mosaic: Tile, perfect: np.ndarray, grid: Grid) -> tuple[Any, Any]:
    """Draw a mosaic and, below, its difference from that with true levels."""
    from matplotlib.colors import AsinhNorm

    # Linear about the sky, where a step of 0.1 MJy/sr is a twentieth of the
    # range; logarithmic in the galaxies.
    brightness = {"norm": AsinhNorm(linear_width=0.4, vmin=-0.7, vmax=8.0), "cmap": "magma"}
    errors = {"vmin": -ERROR_LIMIT, "vmax": ERROR_LIMIT, "cmap": "RdBu_r"}
    # Edges in arcsec from the middle of the grid.
    extent = (np.array(mosaic.bounds) - np.repeat(grid.shape[::-1], 2) / 2) * grid.cell_scale
    place = {"origin": "lower", "extent": extent, "interpolation": "nearest"}
    difference = mosaic.data - perfect
    above, below = panels
    above.set_facecolor("0.8")
    below.set_facecolor("0.8")
    below.set_title(f"largest: {_short(np.nanmax(np.abs(difference)))} MJy/sr")
    below.set_xlabel("arcsec")
    sky = np.nanpercentile(perfect, 20)
    return (
        above.imshow(mosaic.data - sky, **place, **brightness),
        below.imshow(difference, **place, **errors),
    )


def _draw_compass(panel: Any, grid: Grid) -> None:
    corner, aspect = np.array([0.82, 0.94]), grid.shape[1] / grid.shape[0]
    style = {"xycoords": "axes fraction", "textcoords": "axes fraction"}
    arrow = {"arrowstyle": "->", "shrinkA": 0, "shrinkB": 0}
    # Cells for one arcsec to the east and to the north.
    for letter, cells in zip("EN", np.linalg.inv(grid.sky_axes).T, strict=True):
        along = 0.08 * cells / np.hypot(*cells) * (1, aspect)
        panel.annotate("", corner + along, corner, arrowprops=arrow, **style)
        panel.annotate(letter, corner, corner + 1.35 * along, ha="center", va="center", **style)


def _drizzle(files: Sequence[Path]) -> tuple[Grid, list[Tile]]:
    """Drizzle the exposures onto a grid with the axes of the first."""
    with ImageModel(files[0]) as first:
        wcs, wcsinfo = first.meta.wcs, first.meta.wcsinfo.instance
        side = np.sqrt(first.meta.photometry.pixelarea_arcsecsq)
    footprints: list[Any] = []
    for file in files:
        with ImageModel(file) as model:
            footprints.append(read_footprint(model.meta.wcsinfo.s_region))
    grid = shared_grid(footprints, wcs, wcsinfo, max(1.0, PICTURE_CELL / side))
    bits = good_bits("~DO_NOT_USE+NON_SCIENCE")
    tiles: list[Any] = []
    for file in files:
        with ImageModel(file) as model:
            good = good_pixels(model.data, model.dq, good_bits=bits)
            pixel_map = grid.map_pixels(model.meta.wcs, good.shape)
            tiles.append(drizzle_tile(model.data, good, pixel_map, min_coverage=0.5))
    return grid, tiles


if __name__ == "__main__":
    sys.exit(main())
