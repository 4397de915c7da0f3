"""Each mechanism of the match with and without, on the scene that needs it.

``python tests/benchmarks/bench_ablation.py [--seeds 5] [--first-seed 1] [--binning 4]
[--scenes MECHANISM ...] [--json FILE]``

Scenes are those of ``mosaics.py``; one exposure of some is damaged.
"""

import inspect
from contextlib import ExitStack
from dataclasses import replace
from importlib import import_module
from unittest.mock import patch

import numpy as np
from bench_groupings import SCENES as GROUPED
from mosaics import (
    ACCURACY,
    BACKGROUNDS,
    DAMAGES,
    Table,
    parse_options,
    rms,
    run,
)

import jwst_mosaic_simulation as sim
from jwst_mosaic_skymatch.levels.equations import EFFECTS
from jwst_mosaic_skymatch.levels.solve import MISFIT
from jwst_mosaic_skymatch.tiles.frame import REGIONS

PACKAGE = "jwst_mosaic_skymatch."
COLUMNS = {
    "mechanism": "mechanism",
    "scene": "scene that needs it",
    "rms": "rms error of the levels, MJy/sr",
    "without": "the same without the mechanism",
    "pull": "standard deviation of error over level_error",
    "pull_without": "the same without the mechanism",
    "lines": "lines of code, with docstrings",
}


def without_effect(*names):
    """Remove effects from the model."""
    kept = tuple(name for name in (*EFFECTS, MISFIT) if name not in names)
    select = original("levels.model.select_model")

    def select_without(*args, effects=(*EFFECTS, MISFIT), **kwargs):
        return select(*args, effects=tuple(e for e in effects if e in kept), **kwargs)

    return {"levels.estimate.select_model": select_without, "stacking.select_model": select_without}


def original(name):
    """Import an object of the package by its dotted name; None where there is none."""
    module, attribute = name.rsplit(".", 1)
    return getattr(import_module(PACKAGE + module), attribute, None)


def quoted_noise(pairs, n):
    """Take the quoted noise of each tile for the actual one."""
    return np.ones(n)


def no_shared_noise(maps):
    """Count all of the information of each pair."""
    for link in original("offsets.information.information_links")(maps):
        yield replace(link, part=None)


def no_structure(pairs, squares, *, detrended=True):
    """Take noise for all of the variance."""
    return np.stack([np.zeros(len(pairs)), np.ones(len(pairs))], axis=1)


def constant_noise(pixels, used):
    """Take the same noise for faint and bright pixels."""
    return NOISE_OF(pixels, used)[0], 0.0


def no_hits(pairs, shares):
    """Ignore cells that stick out."""
    nothing = np.zeros(shares.shape[1])
    return original("levels.quality.Defects")(nothing, nothing, nothing)


def own_shifts(pairs, shares):
    """Take the offset of each pair at the shift that it measures by itself."""
    aligned = []
    for pair in pairs:
        lever, estimate, covariance = pair.centre[:2], pair.estimate.copy(), pair.covariance.copy()
        estimate[0] -= lever @ estimate[1:3]
        covariance[0, 0] += lever @ covariance[1:3, 1:3] @ lever
        aligned.append(replace(pair, estimate=estimate, covariance=covariance))
    n = shares.shape[1]
    return tuple(aligned), np.zeros((n, 2)), np.ones(n)


# Scene whose exposures are compared one by one.
ALONE = "glow 0.1, no means"
# Visits of six exposures, in place of two.
DEEP = "gain 0.5 %, deep"
SCENES = {
    **ACCURACY,
    **BACKGROUNDS,
    ALONE: GROUPED["glow 0.1"],
    DEEP: ACCURACY["gain 0.5 %"],
}
EDGES = tuple(name for name in REGIONS if name != "lyot")
STEEP = "offsets.regression", "tiles.mean"
NO_STEPS = {"match.lyot_variance": lambda *_: {}}
NOISE_OF = original("tiles.observation._noise_of")
SHARES = original("tiles.frame.region_shares")
# Scene, names and their replacements, and the functions and constants of the mechanism.
MECHANISMS = {
    "visit gradients": (
        "visits 0.05",
        without_effect("visit gradient"),
        ["levels.equations.EFFECTS"],
    ),
    "exposure gradients": (
        "exposures 0.05",
        without_effect("exposure gradient"),
        ["levels.equations.EFFECTS"],
    ),
    "robust priors": (
        "one of twelve is tilted",
        {"levels.solve.PRIOR_CUTOFF": 1e3},
        ["levels.solve.PRIOR_CUTOFF"],
    ),
    "gains": ("gain 0.5 %", without_effect("gain"), ["levels.equations.EFFECTS"]),
    "gains in means": (
        DEEP,
        {"stacking.select_model": without_effect("gain")["stacking.select_model"]},
        ["stacking._corrected"],
    ),
    "glow at edges": (
        "glow 0.1",
        without_effect(*EDGES),
        ["levels.equations.EFFECTS"],
    ),
    "strips by area": (
        ALONE,
        {"offsets.trends.region_shares": lambda frames, places, _=0: SHARES(frames, places)},
        ["tiles.frame.region_shares"],
    ),
    "Lyot field": (
        "Lyot field 0.5",
        without_effect("lyot") | NO_STEPS,
        ["levels.equations.EFFECTS"],
    ),
    "Lyot fields in means": (
        "Lyot field 0.5",
        {"stacking._lyot_contrast": lambda _: 0.0},
        ["stacking._lyot_contrast", "stacking._with_lyot_field"],
    ),
    "Lyot field in errors": (
        "Lyot 0.5",
        NO_STEPS,
        ["exposures.detectors.lyot_steps", "exposures.detectors.lyot_variance"],
    ),
    "structure": (
        "rows 0.02",
        {"levels.model.structure_variances": no_structure},
        ["levels.model.structure_variances", "offsets.trends.strip_scatter"],
    ),
    "shared noise": (
        "structured",
        {"stacking.information_links": no_shared_noise},
        ["offsets.information.information_links"],
    ),
    "noise of tiles": (
        "one of twelve is noise",
        {"stacking.noise_factors": quoted_noise},
        ["levels.quality.noise_factors"],
    ),
    "bias of hits": (
        "one of twelve is hit",
        {"levels.estimate.defects_of": no_hits},
        ["levels.quality.defects_of"],
    ),
    "common shifts": (
        "misaligned 0.5",
        dict.fromkeys(("stacking.align_pairs", "levels.assembly.align_pairs"), own_shifts),
        ["levels.shifts.align_pairs", "levels.shifts._aligned"],
    ),
    "moved images": (
        "misaligned 0.5",
        {"offsets.measure.N_MOVES": 0},
        ["tiles.tile.shift_tile"],
    ),
    "variance of steep cells": (
        "misaligned 0.3",
        dict.fromkeys((f"{name}.growth_with_gradient" for name in STEEP), lambda *_: 0.0),
        ["tiles.scatter.growth_with_gradient"],
    ),
    "noise by brightness": (
        "emission-filled",
        {"tiles.observation._noise_of": constant_noise},
        ["tiles.observation._noise_of"],
    ),
    "outlying blocks of pairs": (
        "cosmic rays",
        {"offsets.trends.BLOCK_CUTOFF": np.inf},
        ["offsets.trends.BLOCK_CUTOFF"],
    ),
    "rejection of hits": (
        "cosmic rays",
        {"tiles.mean.N_REJECTIONS": 0},
        ["tiles.mean.N_REJECTIONS"],
    ),
    "robust means": (
        "cosmic rays",
        {"stacking.robust_mean": original("tiles.mean.mean_tile")},
        ["tiles.mean.robust_mean", "tiles.mean._distance"],
    ),
}


def count_lines(name):
    """Count the lines of a function; a constant or a name in a table counts as one."""
    code = original(name)
    return len(inspect.getsource(code).splitlines()) if callable(code) else 1


def simulate(name, seed, binning):
    """Simulate a scene, whose first exposure may be damaged."""
    make = SCENES.get(name, BACKGROUNDS["constants"])
    scene = make(seed, binning)
    models = sim.simulate_models(scene)
    if name in DAMAGES:
        DAMAGES[name](models[0], np.random.default_rng(seed))
    return scene, models


def measure(name, changes, seed, binning):
    """Match one mosaic; errors of the levels about their mean, and over the quoted errors."""
    scene, models = simulate(name, seed, binning)
    with ExitStack() as stack:
        for place, new in changes.items():
            stack.enter_context(patch(PACKAGE + place, new))
        table = run(scene, models, grouping="none" if name == ALONE else "visit")[0]
    # The level of noise has no true value.
    table = table[1:] if name == "one of twelve is noise" else table
    error = table["error"] - np.mean(table["error"])
    return error, error / table["level_error"].value


def main():
    """Run all mechanisms."""
    options = parse_options(__doc__, MECHANISMS, seeds=5, binning=4)
    table = Table(COLUMNS, options.json)
    for mechanism in options.scenes:
        name, changes, code = MECHANISMS[mechanism]
        figures = []
        for own in ({}, changes):
            results = [measure(name, own, seed, options.binning) for seed in options.all_seeds]
            errors, pulls = zip(*results, strict=True)
            figures.append((rms(errors), np.std(np.concatenate(pulls))))
        (size, pull), (without, pull_without) = figures
        table.add(
            mechanism=mechanism,
            scene=name,
            rms=size,
            without=without,
            pull=pull,
            pull_without=pull_without,
            lines=sum(map(count_lines, code)),
        )


if __name__ == "__main__":
    main()
