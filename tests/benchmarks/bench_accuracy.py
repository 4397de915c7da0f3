"""Error of the levels against the information bound, and how honest the errors are.

``python tests/benchmarks/bench_accuracy.py [--seeds 10] [--first-seed 1] [--binning 1]
[--scenes NAME ...] [--stock no|yes] [--json FILE]``

For each scene, over the seeds. ``--stock yes`` runs the stock step (slow) on the first seed, and
compares it with our rms error there.
"""

import numpy as np
from information_bound import level_bound
from mosaics import ACCURACY, MIRI_PIXEL, Table, parse_options, rms, run, true_levels

import jwst_mosaic_simulation as sim

COLUMNS = {
    "scene": "scene",
    "rms": "rms error of the levels, MJy/sr",
    "max": "largest error, MJy/sr",
    "/bound": "rms over the information bound",
    "/median": "rms over that with offset_stat=median",
    "/stock": "rms over SkyMatchStep's",
    "pull": "mean of error over level_error",
    "+-": "standard deviation of that",
    "shift": "rms error of the shifts, native pixels",
}


def measure(scene, *, stock):
    """Match one mosaic."""
    models = sim.simulate_models(scene)
    bound, project = level_bound(models, scene)
    table = run(scene, models)[0]
    measured = {
        "error": project @ (table["level"].value - true_levels(scene)),
        "sigma": table["level_error"].value,
        "bound": bound,
        "shift": shift_errors(scene, table),
    }
    median = run(scene, models, offset_stat="median")[0]
    measured["median"] = project @ (median["level"].value - true_levels(scene))
    if stock:
        measured["stock"] = project @ (stock_levels(models) - true_levels(scene))
    return measured


def stock_levels(models):
    """Run jwst's own step; NaN where it has no level."""
    from jwst.skymatch import SkyMatchStep

    library = SkyMatchStep().run(models)
    levels = library.map_function(lambda model, _: model.meta.background.level, modify=False)
    return np.array(list(levels), dtype=float)


def shift_errors(scene, table):
    """Fitted minus true displacement about the mean, native pixels."""
    fitted = np.stack([table["shift_ra"].value, table["shift_dec"].value], axis=1)
    truth = np.array([-sim.pointing_error(scene, p) for p in scene.pointings])
    error = fitted - truth
    return (error - error.mean(axis=0)) / (MIRI_PIXEL * scene.detector.binning)


def summarize(results):
    """Give the figures over all seeds."""
    parts = {key: [r[key] for r in results] for key in results[-1]}
    stock = [r for r in results if "stock" in r]
    size = rms(parts["error"])
    pull = np.concatenate([r["error"] / r["sigma"] for r in results])
    return {
        "rms": size,
        "max": max(np.abs(error).max() for error in parts["error"]),
        "/bound": size / rms(parts["bound"]),
        "/median": size / rms(parts["median"]),
        "/stock": rms([r["error"] for r in stock]) / rms([r["stock"] for r in stock])
        if stock
        else np.nan,
        "pull": pull.mean(),
        "+-": pull.std(),
        "shift": rms(parts["shift"]),
    }


def main():
    """Run all scenes."""
    options = parse_options(__doc__, ACCURACY, seeds=10, binning=1, stock=("no", "yes"))
    table = Table(COLUMNS, options.json)
    for name in options.scenes:
        results = [
            measure(ACCURACY[name](seed, options.binning), stock=options.stock == "yes" and k == 0)
            for k, seed in enumerate(options.all_seeds)
        ]
        table.add(scene=name, **summarize(results))


if __name__ == "__main__":
    main()
