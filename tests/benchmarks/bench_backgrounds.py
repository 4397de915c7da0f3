"""Levels and their errors where backgrounds are no constants, and the remainder after planes.

``python tests/benchmarks/bench_backgrounds.py [--seeds 20] [--first-seed 1] [--binning 2]
[--scenes NAME ...] [--background constant|plane|plane_per_exposure]
[--grouping visit|exposure|none] [--json FILE]``

2 x 3 visits of two dithers, over the seeds. With planes, the plane that is common to all is taken
out of the errors.
"""

import numpy as np
from information_bound import plane_bound
from mosaics import (
    BACKGROUNDS,
    IMPERFECTIONS,
    Table,
    parse_options,
    remaining_background,
    rms,
    run,
)

import jwst_mosaic_simulation as sim

COLUMNS = {
    "backgrounds": "kind of backgrounds, sizes in MJy/sr",
    "rms": "rms error of the levels, MJy/sr",
    "quoted": "rms of level_error, MJy/sr",
    "pull": "standard deviation of error over level_error",
    "unused": "pairs left out, mean over the seeds",
    "left": "remaining background in all pixels, rms, MJy/sr",
    "bound": "information bound of left, MJy/sr",
}


def measure(scene, background, grouping):
    """Match one mosaic: errors of levels, quoted ones, pairs left out, remaining background."""
    models = sim.simulate_models(scene)
    table, step, library = run(
        scene, models, subtract=True, background=background, grouping=grouping
    )
    planes = background != "constant"
    remaining = remaining_background(scene, models, library, planes=planes)
    error = np.array([part.mean() for part in remaining]) if planes else table["error"]
    unused = np.count_nonzero(~step.pairs_table["used"])
    return np.asarray(error), table["level_error"].value, unused, np.concatenate(remaining)


def bound(name, options):
    """Give the least remaining background after planes; NaN where there is no such bound."""
    sizes = [size for key, size in IMPERFECTIONS[name].items() if key.endswith("gradient_rms")]
    if options.background == "constant" or not sizes:
        return np.nan
    scene = BACKGROUNDS[name](options.first_seed, options.binning)
    per_exposure = options.background == "plane_per_exposure"
    return plane_bound(sim.simulate_models(scene), scene, sizes[0], per_exposure=per_exposure)


def main():
    """Run all kinds of backgrounds."""
    options = parse_options(
        __doc__,
        BACKGROUNDS,
        seeds=20,
        binning=2,
        background=("constant", "plane", "plane_per_exposure"),
        grouping=("visit", "exposure", "none"),
    )
    table = Table(COLUMNS, options.json)
    for name in options.scenes:
        scenes = [BACKGROUNDS[name](seed, options.binning) for seed in options.all_seeds]
        results = [measure(scene, options.background, options.grouping) for scene in scenes]
        error, quoted, unused, left = zip(*results, strict=True)
        table.add(
            backgrounds=name,
            rms=rms(error),
            quoted=rms(quoted),
            pull=np.std(np.divide(error, quoted)),
            unused=np.mean(unused),
            left=rms(left),
            bound=bound(name, options),
        )


if __name__ == "__main__":
    main()
