"""Error of the levels against the information bound, and how honest the errors are.

``python tests/benchmarks/bench_accuracy.py [--seeds 10] [--first-seed 1] [--binning 1]
[--scenes NAME ...] [--stock-seeds N] [--json FILE]``

For each scene, over the seeds: rms and largest error of the levels (MJy/sr, mean of
each component removed), rms over the information bound, over that without shifts,
over the clipped median with equal weights, and over the stock step (slow, so only on the
first --stock-seeds of the seeds, and compared with our rms on these), chi2 per degree of
freedom of the pairs' closure, mean and standard deviation of the pulls (error / quoted
sigma), and the rms error of the fitted shifts in native pixels.
"""

import argparse
import logging
import os
from dataclasses import replace
from unittest.mock import patch

import numpy as np
from information_bound import level_covariance
from records import add_json_option, write_record

import jwst_mosaic_simulation as sim
from jwst_mosaic_skymatch.parameters import match_settings
from jwst_mosaic_skymatch.step import PixelSkyMatchStep

MIRI_PIXEL = 0.11
# 1 is the full-size detector; at 2, structure is twice as sharp, in pixels, as in reality.
BINNING = 1
COLUMNS = {
    "scene": "scene",
    "rms": "rms error of the levels, MJy/sr",
    "max": "largest error, MJy/sr",
    "/bound": "rms over the information bound",
    "/fixed": "rms over that without shifts of pairs",
    "/median": "rms over that of a clipped median with equal weights",
    "/stock": "rms over SkyMatchStep's",
    "chi2/dof": "closure of the pairs",
    "dof": "its degrees of freedom",
    "pull": "mean of error over level_error",
    "+-": "standard deviation of that",
    "shift": "rms error of the shifts, native pixels",
}


def pointing_error(pixels):
    """Errors of that many native pixels, rms per axis."""
    return sim.Imperfections(pointing_rms=pixels * MIRI_PIXEL * BINNING)


def structured(seed, **changes):
    """A galaxy group, 24 exposures in four visits: eight loops for the closure."""
    return sim.stephans_quintet(24, seed=seed, binning=BINNING, **changes)


def aligned_worse(pixels):
    """Make a structured scene with pointing errors."""
    return lambda seed: structured(seed, imperfections=pointing_error(pixels))


def one_dither(seed):
    """Make a mosaic of single exposures, seen at two rolls."""
    return sim.compose_scene(
        "single",
        sim.mosaic_pointings(2, 2, overlap=0.15, rolls=(40.0, 48.0), visit_per_tile=True),
        components=(sim.Galaxy(6.0, 15.0), sim.Cirrus(0.5, 0.8)),
        stars=sim.StarCounts(500, flux=10.0),
        seed=seed,
        binning=BINNING,
    )


def four_dithers(seed):
    """Make a mosaic of four visits of four dithers."""
    return sim.compose_scene(
        "four",
        sim.mosaic_pointings(2, 2, overlap=0.15, dithers=4, visit_per_tile=True),
        components=(sim.Galaxy(6.0, 15.0), sim.Cirrus(0.5, 0.8)),
        stars=sim.StarCounts(500, flux=10.0),
        seed=seed,
        binning=BINNING,
    )


def thin_overlaps(seed):
    """Twelve tiles that share strips of about ten cells."""
    pointings = sim.mosaic_pointings(4, 3, overlap_pixels=22 * BINNING, dithers=1)
    return sim.compose_scene(
        "thin",
        pointings,
        components=(sim.Galaxy(3.0, 20.0), sim.Cirrus(0.5, 0.8)),
        seed=seed,
        binning=BINNING,
        detector=sim.DetectorOptions(binning=BINNING, masked_strips=False),
    )


def spoiled(seed):
    """5 % cosmic rays and an afterglow over a part of one exposure."""
    scene = structured(seed, cosmic_rays=sim.CosmicRays(fraction=0.05))
    victim = scene.pointings[2].rootname
    return replace(
        scene, patches={victim: (sim.Patch(720 / BINNING, 480 / BINNING, 160 / BINNING, 0.6),)}
    )


def bright_stars(seed):
    """Bright undersampled stars on a faint field."""
    return sim.compose_scene(
        "stars",
        sim.dither_pointings(6, rolls=(40.0, 43.0)),
        components=(sim.Cirrus(0.2, 0.8),),
        stars=sim.StarCounts(2000, flux=60.0),
        seed=seed,
        binning=BINNING,
    )


def small_frames(seed):
    """SUB128-sized frames."""
    subarray = (500, 500, 128, 128)
    pointings = sim.mosaic_pointings(2, 2, overlap=0.4, subarray=subarray, dithers=2, step=1.0)
    return sim.compose_scene(
        "sub128",
        pointings,
        components=(sim.Galaxy(2.0, 6.0),),
        seed=seed,
        detector=sim.DetectorOptions(subarray=subarray, masked_strips=False),
    )


SCENES = {
    "blank": lambda seed: sim.blank_field(6, seed=seed, binning=BINNING, rolls=(40.0, 47.0)),
    "structured": structured,
    "emission-filled": lambda seed: sim.thirty_doradus(16, seed=seed, binning=BINNING),
    "stars": bright_stars,
    "misaligned 0.1": aligned_worse(0.1),
    "misaligned 0.3": aligned_worse(0.3),
    "misaligned 0.5": aligned_worse(0.5),
    "cosmic rays": spoiled,
    "thin overlaps": thin_overlaps,
    "1 dither": one_dither,
    "4 dithers": four_dithers,
    "16 dithers": lambda seed: sim.dithers(16, seed=seed, binning=BINNING),
    "NIRCam": lambda seed: sim.nircam_mosaic(seed=seed, binning=4 * BINNING),
    "two rolls": lambda seed: sim.dithers(4, seed=seed, binning=BINNING, rolls=(40.0, 75.0)),
    "gain 0.5 %": lambda seed: structured(seed, imperfections=sim.Imperfections(gain_rms=0.005)),
    "Lyot field 0.5": lambda seed: structured(
        seed, imperfections=sim.Imperfections(lyot_offset=0.5)
    ),
    "SUB128": small_frames,
}


def main():
    """Run all scenes and print one line for each."""
    global BINNING
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="number of seeds")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--binning", type=int, default=BINNING)
    parser.add_argument("--scenes", nargs="+", default=list(SCENES), choices=list(SCENES))
    parser.add_argument(
        "--stock-seeds", type=int, default=0, help="run the stock step on that many (slow)"
    )
    add_json_option(parser)
    options = parser.parse_args()
    BINNING = options.binning
    logging.disable(logging.WARNING)
    os.environ["STPIPE_DISABLE_CRDS_STEPPARS"] = "true"
    print(
        f"{'scene':16}{'rms':>9}{'max':>9}{'/bound':>8}{'/fixed':>8}{'/median':>8}{'/stock':>8}{'chi2/dof':>9}{'dof':>6}"
        f"{'pull':>7}{'+-':>8}{'shift':>7}"
    )
    rows = []
    for name in options.scenes:
        seeds = range(options.first_seed, options.first_seed + options.seeds)
        stock = seeds[: options.stock_seeds]
        rows.append(report(name, [measure(SCENES[name](seed), seed in stock) for seed in seeds]))
    write_record(options.json, rows, COLUMNS)


def report(name, results):
    """Print one line over all seeds, and give its figures."""

    def total(key, results=results):
        values = [r[key] for r in results]
        return np.sqrt(np.mean(np.concatenate(values) ** 2)) if values else np.nan

    rms = total("error")
    with_stock = [r for r in results if "stock" in r]
    pulls = np.concatenate([r["pull"] for r in results])
    chi2, dof = (sum(r[k] for r in results) for k in ("chi2", "dof"))
    ratios = [rms / total(key) for key in ("bound", "fixed", "median")]
    ratios.append(total("error", with_stock) / total("stock", with_stock))
    largest = max(np.abs(r["error"]).max() for r in results)
    closure, shift = chi2 / dof if dof else np.nan, total("shift")
    print(
        f"{name:16}{rms:9.6f}{largest:9.6f}"
        + "".join(f"{ratio:8.2f}" for ratio in ratios[:3])
        + f"{ratios[3]:8.4f}{closure:9.2f}{dof:6.0f}{pulls.mean():7.2f}"
        f"{pulls.std():8.2f}{shift:7.3f}",
        flush=True,
    )
    figures = (rms, largest, *ratios, closure, dof, pulls.mean(), pulls.std(), shift)
    return dict(zip(COLUMNS, (name, *figures), strict=True))


def measure(scene, stock):
    """Run one mosaic."""
    models = sim.simulate_models(scene)
    covariance = level_covariance(models, scene)
    project = covariance @ np.linalg.pinv(covariance, rcond=1e-8, hermitian=True)
    step = PixelSkyMatchStep()
    library = step.run([model.copy() for model in models])
    error = project @ (_levels(library) - _truth(scene))
    # The table is in the order of names, the scene in that of its pointings.
    table = step.levels_table[np.argsort(np.argsort([p.rootname for p in scene.pointings]))]
    median = PixelSkyMatchStep(offset_stat="median", nclip=5, lsigma=3.0, usigma=3.0)
    measured = {
        "error": error,
        "bound": np.sqrt(np.diag(covariance)),
        "pull": error / table["level_error"].value,
        "chi2": table.meta["chi2"],
        "dof": table.meta["dof"],
        "fixed": project @ (_run_changed(step, models, fit_shift=False) - _truth(scene)),
        "median": project @ (_run_changed(median, models, weighted=False) - _truth(scene)),
        "shift": _shift_errors(scene, table),
    }
    if stock:
        from jwst.skymatch import SkyMatchStep

        measured["stock"] = project @ (_levels(SkyMatchStep().run(models)) - _truth(scene))
    return measured


def _truth(scene):
    return np.array([sim.true_level(scene, p) for p in scene.pointings])


def _run_changed(step, models, **changes):
    """Match with settings that are no parameters."""

    def changed(parameters):
        settings = match_settings(parameters)
        pairs = {name: value for name, value in changes.items() if hasattr(settings.pairs, name)}
        others = {name: value for name, value in changes.items() if name not in pairs}
        return replace(settings, pairs=replace(settings.pairs, **pairs), **others)

    with patch("jwst_mosaic_skymatch.step.match_settings", changed):
        return _levels(step.run([model.copy() for model in models]))


def _levels(library):
    levels = []
    with library:
        for model in library:
            levels.append(model.meta.background.level)
            library.shelve(model, modify=False)
    return np.array([np.nan if level is None else level for level in levels])


def _shift_errors(scene, table):
    """Fitted minus true displacement about the mean, native pixels."""
    found = np.stack([table["shift_ra"].value, table["shift_dec"].value], axis=1)
    truth = np.array([-sim.pointing_error(scene, p) for p in scene.pointings])
    scale = MIRI_PIXEL * scene.detector.binning
    return ((found - found.mean(axis=0)) - (truth - truth.mean(axis=0))).ravel() / scale


if __name__ == "__main__":
    main()
