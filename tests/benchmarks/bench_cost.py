"""Time and memory of the step beside the stock step's and that of only loading the files.

``python tests/benchmarks/bench_cost.py [--instrument miri nircam] [--sizes 12 32 96]
[--ways floor ours stock] [--memory-modes in_memory on_disk] [--runs 3] [--binning 1]
[--baseline DIR] [--json FILE]``

The floor opens the library and borrows data, dq and wcs of every member. All ways run
in turn on the same simulated files, each in a process of its own, forwards and
backwards by turns so that a drift of the machine hits all alike. Printed are medians
over the runs, and medians of the ratios inside each run; with them the rms error of the
levels, so that nothing becomes faster by being worse. MIRI mosaics of more than 32 exposures grow
at constant depth: ``--binning 8 --sizes 48 128 320 800`` measures how costs grow.

The way ``ours x2`` has two processes, ``ours + report`` writes tables, pictures, and the report.
With ``--baseline DIR`` the ways ``baseline`` and ``baseline x2`` are the step of a clone at another
commit; ``--ways "ours x2" "baseline x2"`` compares both on two cores. Printed is also the largest
difference of any level from the baseline's.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from mosaics import Table

import jwst_mosaic_simulation as sim

RUNNER = Path(__file__).with_name("run_step.py")
WAYS = {
    "floor": ("floor", {}),
    "ours": ("ours", {}),
    "ours x2": ("ours", {"maximum_cores": "2"}),
    "ours + report": ("ours", {"save_diagnostics": True}),
    "stock": ("stock", {}),
    "baseline": ("ours", {}),
    "baseline x2": ("ours", {"maximum_cores": "2"}),
}
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
    parser.add_argument("--ways", nargs="+", default=["floor", "ours", "stock"], choices=WAYS)
    parser.add_argument("--memory-modes", nargs="+", default=MEMORY_MODES, choices=MEMORY_MODES)
    parser.add_argument("--runs", type=int, default=3, help="runs of which the median is taken")
    parser.add_argument("--binning", type=int, default=1, help="1 is the full-size detector")
    parser.add_argument("--baseline", type=Path, help="clone whose step is the way baseline")
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
                    costs = compare(mosaic, mode == "in_memory", options)
                    report(table, f"{size} {instrument}, {mode}", options.ways, costs)


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


def compare(mosaic, in_memory, options):
    """Run all ways in turn; give the costs, NaN for none, of each run (axis 0) and way (axis 1)."""
    costs = np.full((options.runs, len(options.ways), len(COSTS)), np.nan)
    truth = np.array(list(mosaic.levels.values()))
    for number in range(options.runs):
        own, levels = {}, {}
        for name in options.ways[:: (-1) ** number]:
            way, parameters = WAYS[name]
            source = options.baseline if name.startswith("baseline") else None
            own[name] = run(way, mosaic.association, source, in_memory=in_memory, **parameters)
            by_name = own[name].pop("levels")
            levels[name] = np.array([by_name.get(key, np.nan) for key in mosaic.levels], float)
            own[name]["rms"] = np.std(levels[name] - truth)
        for k, name in enumerate(options.ways):
            moved = levels[name] - levels.get("baseline", np.nan)
            own[name]["moved"] = np.abs(moved - moved.mean()).max()
            costs[number, k] = [own[name][key] for key in COSTS]
    return costs


def report(table, title, ways, costs):
    """Add medians of the costs, and of their ratios inside each run."""
    for k, way in enumerate(ways):
        table.add(mosaic=title, way=way, **dict(zip(COSTS, np.median(costs[:, k], 0), strict=True)))
    first = ways.index("ours") if "ours" in ways else 0
    for k in set(range(len(ways))) - {first}:
        with np.errstate(divide="ignore", invalid="ignore"):  # nothing moves, or no worker
            ratios = np.median(costs[:, first] / costs[:, k], axis=0)
        name = f"{ways[first]}/{ways[k]}"
        table.add(mosaic=title, way=name, **dict(zip(COSTS, ratios, strict=True)))


def run(way, association, source=None, **parameters):
    """Run one way in a process of its own, with the clone ``source`` if given, by run_step.py."""
    arguments = [f"{name}={json.dumps(value)}" for name, value in parameters.items()]
    # Temporary files of the library go to the working directory.
    done = subprocess.run(
        [sys.executable, RUNNER, way, association, *arguments],
        env={**os.environ, "PYTHONPATH": str(source.resolve() / "src")} if source else None,
        cwd=Path(association).parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
