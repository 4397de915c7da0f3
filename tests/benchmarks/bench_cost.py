"""Time and memory of the step beside the stock step's and that of only loading the files.

``python tests/benchmarks/bench_cost.py [--instrument miri nircam] [--sizes 12 32 96]
[--ways floor ours stock] [--memory-modes in_memory on_disk] [--cores 1 2] [--runs 3]
[--binning 1] [--report] [--baseline DIR] [--json FILE]``

The floor opens the library and borrows data, dq and wcs of every member. All ways run
in turn on the same simulated files, each in a process of its own, forwards and
backwards by turns so that a drift of the machine hits all alike. Printed are medians
over the runs, and medians of the ratios inside each run; with them the rms error of the
levels, so that nothing becomes faster by being worse. MIRI mosaics of more than 32 exposures grow
at constant depth: ``--binning 8 --sizes 48 128 320 800`` measures how costs grow.

``--report`` runs ours once more with ``save_diagnostics``: tables, pictures, and the report.

``--baseline`` is a clone of this repository at another commit, whose step runs beside ours;
printed is also the largest difference of any level from its.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from mosaics import Table

import jwst_mosaic_simulation as sim

RUNNER = Path(__file__).with_name("run_step.py")
WAYS = ("floor", "ours", "stock")
MEMORY_MODES = ("in_memory", "on_disk")
COSTS = {
    "wall": "wall time, s",
    "cpu": "CPU time, s",
    "peak_mb": "peak resident memory, MB",
    "own_mb": "the same beyond that before the step, MB",
    "workers_mb": "peaks of worker processes, MB",
    "rms": "rms error of the levels about their mean, MJy/sr",
    "moved": "largest difference of a level from the baseline's, means removed, MJy/sr",
}
COLUMNS = {
    "mosaic": "exposures, and where they are kept",
    "way": "way of matching, or the ratio of two inside each run",
    **COSTS,
}
# Exposures of Stephan's Quintet, and the distance of its copies: depth stays the same.
FIELD_EXPOSURES = 32
FIELD_ARCSEC = 200.0


def main():
    """Simulate, run, print ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    instruments = ["miri", "nircam"]
    parser.add_argument("--instrument", nargs="+", default=instruments, choices=instruments)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[12, 32, 96], help="MIRI exposures; NIRCam has 32"
    )
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--memory-modes", nargs="+", default=MEMORY_MODES, choices=MEMORY_MODES)
    parser.add_argument("--cores", type=int, nargs="+", default=[1], help="of our step")
    parser.add_argument("--runs", type=int, default=3, help="runs of which the median is taken")
    parser.add_argument("--binning", type=int, default=1, help="1 is the full-size detector")
    parser.add_argument("--report", action="store_true", help="ours with save_diagnostics, too")
    parser.add_argument("--baseline", type=Path, help="clone at another commit, to compare with")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    options = parser.parse_args()
    table = Table(COLUMNS, options.json)
    for instrument in options.instrument:
        for size in options.sizes if instrument == "miri" else [32]:
            with tempfile.TemporaryDirectory() as directory:
                if instrument == "miri":
                    scene = miri_scene(size, options.binning)
                else:
                    scene = sim.nircam_mosaic(size // 16, binning=options.binning)
                mosaic = sim.simulate_mosaic(scene, directory)
                for mode in options.memory_modes:
                    runs = compare(mosaic, calls(options), mode == "in_memory", options.runs)
                    report(table, f"{size} {instrument}, {mode}", runs)


def miri_scene(size, binning):
    """Make Stephan's Quintet, beyond 32 exposures as copies of its pointings side by side."""
    copies = math.ceil(size / FIELD_EXPOSURES)
    scene = sim.stephans_quintet(math.ceil(size / copies), binning=binning)
    if copies == 1:
        return scene
    moved = [
        sim.offset_pointing(
            p, copy * FIELD_ARCSEC, 0.0, observation=f"{int(p.observation) + 10 * copy:03d}"
        )
        for copy in range(copies)
        for p in scene.pointings
    ]
    wide = sim.compose_scene(
        scene.name,
        tuple(moved[:size]),
        components=(sim.Cirrus(0.5, 0.8),),
        stars=sim.StarCounts(1000 * copies, flux=8.0),
        binning=binning,
    )
    return replace(wide, target=scene.target)


def calls(options):
    """Give the way and the parameters of each column."""
    ways = [way for way in WAYS if way in options.ways]
    named = {way: (way, {}) for way in ways if way != "ours"}
    if "ours" in ways:
        for cores in options.cores:
            parameters = {"maximum_cores": str(cores)} if cores > 1 else {}
            named["ours" if cores == 1 else f"ours x{cores}"] = ("ours", parameters)
        if options.report:
            named["ours + report"] = ("ours", {"save_diagnostics": True})
        if options.baseline:
            named["baseline"] = ("ours", {"source": options.baseline / "src"})
    return named


def compare(mosaic, named, in_memory, n_runs):
    """Run all ways in turn; give the costs by way of each run."""
    runs = []
    for number in range(n_runs):
        order = list(named) if number % 2 == 0 else list(named)[::-1]
        costs = {}
        for name in order:
            way, parameters = named[name]
            cost = run(way, mosaic.association, in_memory=in_memory, **parameters)
            levels = cost.pop("levels")
            cost["levels"] = np.array([levels.get(key, np.nan) for key in mosaic.levels], float)
            cost["rms"] = np.std(cost["levels"] - list(mosaic.levels.values()))
            costs[name] = cost
        for cost in costs.values():
            if "baseline" in costs:
                moved = cost["levels"] - costs["baseline"]["levels"]
                cost["moved"] = np.abs(moved - moved.mean()).max()
        runs.append({name: costs[name] for name in named})
    return runs


def report(table, title, runs):
    """Add medians of the costs and of their ratios inside each run."""
    names = list(runs[0])
    ours = [name for name in names if name.startswith("ours")]
    others = [name for name in ("floor", "stock", "baseline") if name in names]
    for name in names:
        table.add(mosaic=title, way=name, **_medians([costs[name] for costs in runs]))
    for first, second in [(a, b) for a in ours for b in others] + [(ours[0], b) for b in ours[1:]]:
        ratios = [
            {key: _ratio(costs[first].get(key), costs[second].get(key)) for key in COSTS}
            for costs in runs
        ]
        table.add(mosaic=title, way=f"{first}/{second}", **_medians(ratios))


def _medians(costs):
    values = {key: [cost.get(key) for cost in costs] for key in COSTS}
    return {key: statistics.median(own) for key, own in values.items() if None not in own}


def _ratio(first, second):
    return first / second if first is not None and second else None


def run(way, association, source=None, **parameters):
    """Run one way in a process of its own, with the package in ``source`` if given.

    Returns
    -------
    dict
        The output of run_step.py.
    """
    arguments = [f"{name}={json.dumps(value)}" for name, value in parameters.items()]
    # Temporary files of the library go to the working directory.
    done = subprocess.run(
        [sys.executable, RUNNER, way, association, *arguments],
        env={**os.environ, "PYTHONPATH": str(source.resolve())} if source else None,
        cwd=Path(association).parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
