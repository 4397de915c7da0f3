"""Time and memory of the step beside the stock step's and that of only loading the files.

``python tests/benchmarks/bench_cost.py [--instrument miri nircam] [--sizes 12 32 96]
[--ways floor ours stock] [--memory-modes in_memory on_disk] [--cores 1 2] [--runs 3]
[--binning 1] [--report] [--baseline DIR] [--json FILE]``

The floor opens the library and borrows data, dq and wcs of every member. All ways run
in turn on the same simulated files, each in a process of its own, forwards and
backwards by turns so that a drift of the machine hits all alike. Printed are medians
over the runs, and medians of the ratios inside each run; with them the rms error of the
levels (MJy/sr, about their mean), so that nothing becomes faster by being worse.

``--report`` runs ours once more with ``save_diagnostics``: tables, pictures, and the report.

``--baseline`` is a clone of this repository at another commit, whose step runs beside ours;
printed is also the largest difference of any level from its (MJy/sr, means removed).
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

from records import add_json_option, write_record

import jwst_mosaic_simulation as sim

RUNNER = Path(__file__).with_name("run_step.py")
WAYS = ("floor", "ours", "stock")
MEMORY_MODES = ("in_memory", "on_disk")
ROWS = {
    "wall": ("wall, s", ".2f", ".3f"),
    "cpu": ("CPU, s", ".2f", ".3f"),
    "peak_mb": ("peak RSS, MB", ".2f", ".3f"),
    "own_mb": ("own RSS, MB", ".2f", ".3f"),
    "workers_mb": ("workers, MB", ".2f", ".3f"),
    "rms": ("error, MJy/sr", ".6f", ".6f"),
    "moved": ("moved, MJy/sr", ".1e", ".1e"),
}
COLUMNS = {
    "mosaic": "exposures, and where they are kept",
    "way": "what runs, or the ratio of two inside each run",
    "wall": "wall time, s",
    "cpu": "CPU time, s",
    "peak_mb": "peak resident memory, MB",
    "own_mb": "the same beyond that before the step, MB",
    "workers_mb": "peaks of worker processes, MB",
    "rms": "rms error of the levels, MJy/sr",
    "moved": "largest difference of a level from the baseline's, MJy/sr",
}
# What Stephan's Quintet has, and the distance of its copies: depth stays the same.
FIELD_EXPOSURES = 32
FIELD_ARCSEC = 200.0


def main():
    """Simulate, run, print ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--instrument", nargs="+", default=["miri", "nircam"], choices=["miri", "nircam"]
    )
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
    add_json_option(parser)
    options = parser.parse_args()
    rows = []
    for instrument in options.instrument:
        for size in options.sizes if instrument == "miri" else [32]:
            with tempfile.TemporaryDirectory() as directory:
                make = miri_scene if instrument == "miri" else nircam_scene
                mosaic = sim.simulate_mosaic(make(size, options.binning), directory)
                for mode in options.memory_modes:
                    costs = compare(mosaic, mode == "in_memory", options)
                    rows += report(f"{size} {instrument} exposures, {mode}", costs)
    write_record(options.json, rows, COLUMNS)


def miri_scene(size, binning):
    """Make Stephan's Quintet, beyond 32 exposures as copies of its pointings side by side."""
    copies = math.ceil(size / FIELD_EXPOSURES)
    scene = sim.stephans_quintet(math.ceil(size / copies), binning=binning)
    if copies == 1:
        return scene
    moved = [
        sim.offset_pointing(
            p, copy * FIELD_ARCSEC, 0.0, observation=f"{int(p.observation) + 100 * copy:03d}"
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


def nircam_scene(size, binning):
    """Make two visits of eight short-wave detectors."""
    return sim.nircam_mosaic(size // 16, binning=binning)


def compare(mosaic, in_memory, options):
    """Run all ways in turn.

    Returns
    -------
    list of dict
        For each run, the costs by way.
    """
    ways = [way for way in WAYS if way in options.ways]
    calls = {way: (way, {}) for way in ways if way != "ours"}
    if "ours" in ways:
        for cores in options.cores:
            cores_given = {"maximum_cores": str(cores)} if cores > 1 else {}
            calls["ours" if cores == 1 else f"ours x{cores}"] = ("ours", cores_given)
        if options.report:
            calls["ours + report"] = ("ours", {"save_diagnostics": True})
        if options.baseline:
            calls["baseline"] = ("ours", {"source": options.baseline / "src"})
    runs = []
    for number in range(options.runs):
        order = list(calls) if number % 2 == 0 else list(calls)[::-1]
        costs = {}
        for name in order:
            way, parameters = calls[name]
            costs[name] = run(way, mosaic.association, in_memory=in_memory, **parameters)
            costs[name]["rms"] = rms_error(costs[name]["levels"], mosaic.levels)
        before = costs.get("baseline", {}).get("levels")
        for cost in costs.values():
            cost["moved"] = largest_difference(cost["levels"], before)
        runs.append({name: costs[name] for name in calls})
    return runs


def report(title, runs):
    """Print medians of the costs and of their ratios inside each run, and give them as rows."""
    ratios = _ratios(list(runs[0]))
    print(f"\n{title}, medians of {len(runs)}")
    heads = [*runs[0], *(f"{first}/{second}" for first, second in ratios)]
    widths = [max(len(head) + 2, 10) for head in heads]
    rows = [{"mosaic": title, "way": head} for head in heads]
    print(" " * 14 + "".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True)))
    for key, (label, digits, of_ratios) in ROWS.items():
        if not any(cost[key] for costs in runs for cost in costs.values()):
            continue
        values = [statistics.median(costs[way][key] for costs in runs) for way in runs[0]]
        values += [
            statistics.median(_ratio(costs[first][key], costs[second][key]) for costs in runs)
            for first, second in ratios
        ]
        for row, value in zip(rows, values, strict=True):
            row[key] = value
        every = [digits] * len(runs[0]) + [of_ratios] * len(ratios)
        print(
            f"{label:14}"
            + "".join(
                f"{value:{width}{digits}}"
                for value, width, digits in zip(values, widths, every, strict=True)
            ),
            flush=True,
        )
    return rows


def _ratios(names):
    ours = [name for name in names if name.startswith("ours")]
    others = [name for name in ("floor", "stock", "baseline") if name in names]
    return [(name, other) for name in ours for other in others] + [
        (ours[0], name) for name in ours[1:]
    ]


def _ratio(first, second):
    return first / second if second else math.nan


def rms_error(levels, truth):
    """Rms error of levels about its mean, MJy/sr; NaN without levels."""
    if not levels:
        return math.nan
    errors = [math.nan if levels[name] is None else levels[name] - truth[name] for name in truth]
    return statistics.pstdev(errors)


def largest_difference(levels, others):
    """Largest difference of two sets of levels less their mean, MJy/sr; 0 without levels."""
    if not levels or not others:
        return 0.0
    differences = [levels[name] - others[name] for name in others]
    mean = statistics.fmean(differences)
    return max(abs(difference - mean) for difference in differences)


def run(way, association, source=None, **parameters):
    """Run one way in a process of its own, with the package in ``source`` if given.

    Returns
    -------
    dict
        What run_step.py prints.
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
