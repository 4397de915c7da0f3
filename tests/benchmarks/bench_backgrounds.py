"""Levels and their errors where backgrounds are no constants, and what planes leave of these.

``python tests/benchmarks/bench_backgrounds.py [--seeds 20] [--first-seed 1] [--binning 2]
[--cases NAME ...] [--plane group|exposure] [--grouping visit|exposure|none] [--json FILE]``

2 x 3 visits of two dithers. For each kind of background, over the seeds: rms error of the levels
about the mean, rms of ``level_error``, standard deviation of their ratio, and the number of pairs
left out. With --plane the step subtracts planes, and the plane that is common to all
is taken out of the errors; what is left of the backgrounds in all pixels, rms, comes last.
"""

import argparse
import logging
import os

import numpy as np
from information_bound import plane_bound
from records import add_json_option, write_record

import jwst_mosaic_simulation as sim
from jwst_mosaic_simulation._effects import draw_background
from jwst_mosaic_simulation._geometry import load_aperture
from jwst_mosaic_skymatch.step import PixelSkyMatchStep

CASES = {
    "constants": {},
    **{f"visits {rms:g}": {"visit_gradient_rms": rms} for rms in (0.002, 0.01, 0.05, 0.2)},
    **{f"exposures {rms:g}": {"exposure_gradient_rms": rms} for rms in (0.002, 0.01, 0.05, 0.2)},
    "gain 0.5 %": {"gain_rms": 0.005},
    "rows 0.02": {"row_rms": 0.02},
    "rows 0.05": {"row_rms": 0.05},
    "columns 0.02": {"column_rms": 0.02},
    "glow 0.1": {"glow": 0.1},
    "Lyot 0.5": {"lyot_offset": 0.5},
}
# Pixels between those at which backgrounds are compared.
STEP = 8
COLUMNS = {
    "backgrounds": "kind of backgrounds, sizes in MJy/sr",
    "rms": "rms error of the levels, MJy/sr",
    "quoted": "rms of level_error, MJy/sr",
    "pull": "standard deviation of error over level_error",
    "unused": "pairs left out, mean over the seeds",
    "left": "what is left of backgrounds in all pixels, rms, MJy/sr",
    "bound": "information bound of left, MJy/sr",
}


def mosaic(seed, binning, imperfections):
    """Make six visits of a galaxy, with stars."""
    return sim.compose_scene(
        "backgrounds",
        sim.mosaic_pointings(2, 3, overlap=0.15, dithers=2, visit_per_tile=True, rolls=(40.0,)),
        components=(sim.Galaxy(6.0, 15.0), sim.Cirrus(0.5, 0.8)),
        stars=sim.StarCounts(500, flux=10.0),
        seed=seed,
        binning=binning,
        imperfections=sim.Imperfections(**imperfections),
    )


def measure(scene, parameters, *, planes):
    """Run one mosaic: errors of levels, quoted ones, pairs left out, what is left in pixels."""
    models = sim.simulate_models(scene)
    before = [model.data.copy() for model in models]
    step = PixelSkyMatchStep(subtract=True, **parameters)
    with step.run(models) as library:
        after = list(library)
        for model in after:
            library.shelve(model, modify=False)
    left, places, members = [], [], []
    for k, (pointing, old, model) in enumerate(zip(scene.pointings, before, after, strict=True)):
        aperture = load_aperture(pointing.aperture, scene.detector.binning, None)
        truth = scene.levels[pointing.rootname] + draw_background(scene, pointing, aperture)
        y, x = np.mgrid[: old.shape[0] : STEP, : old.shape[1] : STEP]
        good = np.isfinite(old[y, x]) & (model.dq[y, x] % 2 == 0)
        left.append((truth - (old.astype(float) - model.data))[y, x][good])
        places.append(np.stack(model.meta.wcs(x[good], y[good], with_bounding_box=False)))
        members.append(np.full(np.count_nonzero(good), k))
    left, members = np.concatenate(left), np.concatenate(members)
    design = np.ones((1, left.size))
    if planes:
        position = np.concatenate(places, axis=1)
        design = np.concatenate([design, position - position.mean(axis=1)[:, None]])
    left -= np.linalg.lstsq(design.T, left, rcond=None)[0] @ design
    table = step.levels_table
    order = np.argsort(np.argsort([p.rootname for p in scene.pointings]))
    if planes:
        error = np.array([left[members == k].mean() for k in range(len(before))])
    else:
        truth = np.array([sim.true_level(scene, p) for p in scene.pointings])
        error = table["level"].value[order] - truth
        error -= error.mean()
    unused = np.count_nonzero(~step.pairs_table["used"])
    return error, table["level_error"].value[order], unused, np.sqrt(np.mean(left**2))


def bound(name, options):
    """Find the least that planes of a case can leave; NaN for other cases."""
    rms = [value for key, value in CASES[name].items() if key.endswith("gradient_rms")]
    if not (options.plane and rms):
        return np.nan
    scene = mosaic(options.first_seed, options.binning, CASES[name])
    models = sim.simulate_models(scene)
    return plane_bound(models, scene, rms[0], per_exposure=options.plane == "exposure")


def main():
    """Run all cases and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--binning", type=int, default=2)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--plane", choices=("group", "exposure"))
    parser.add_argument("--grouping", default="visit", choices=("visit", "exposure", "none"))
    add_json_option(parser)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    os.environ["STPIPE_DISABLE_CRDS_STEPPARS"] = "true"
    background = {None: "constant", "group": "plane", "exposure": "plane_per_exposure"}
    parameters = {"grouping": options.grouping, "background": background[options.plane]}
    print(
        f"{'backgrounds':18}{'rms':>9}{'quoted':>9}{'pull':>7}{'unused':>8}{'left':>9}{'bound':>9}"
    )
    rows = []
    for name in options.cases:
        results = [
            measure(
                mosaic(seed, options.binning, CASES[name]), parameters, planes=bool(options.plane)
            )
            for seed in range(options.first_seed, options.first_seed + options.seeds)
        ]
        error, quoted = (np.concatenate([r[k] for r in results]) for k in (0, 1))
        rms, sigma = (np.sqrt(np.mean(values**2)) for values in (error, quoted))
        left = np.sqrt(np.mean([r[3] ** 2 for r in results]))
        unused = np.mean([r[2] for r in results])
        pull, least = np.std(error / quoted), bound(name, options)
        print(
            f"{name:18}{rms:9.5f}{sigma:9.5f}{pull:7.2f}{unused:8.1f}{left:9.5f}{least:9.5f}",
            flush=True,
        )
        rows.append(dict(zip(COLUMNS, (name, rms, sigma, pull, unused, left, least), strict=True)))
    write_record(options.json, rows, COLUMNS)


if __name__ == "__main__":
    main()
