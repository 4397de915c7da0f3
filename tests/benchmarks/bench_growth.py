"""How time and memory grow with the number of exposures.

``python tests/benchmarks/bench_growth.py [--mosaic 50 125 320 800 2000]
[--dithers 10 30 90 200] [--binning 8] [--full-size 12 48] [--runs 1] [--in-memory]
[--json FILE]``

--mosaic is a mosaic that grows at constant depth (four dithers in each visit, visits
overlapping by a fifth), --dithers repeats one pointing, both on binned detectors;
--full-size is the mosaic on the full-size detector, for the memory. The largest is
simulated, smaller ones are its first exposures, which lie together. An option without
numbers leaves its part out.

For each size the step and the floor (only loading the files) run in processes of their
own. Exponents are slopes of log cost over log number; the slope between the last two
sizes tells better what lies ahead, as fixed costs flatten the first.
"""

import argparse
import json
import math
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from bench_cost import run
from records import add_json_option, write_record

import jwst_mosaic_simulation as sim

DITHERS = 4  # of each visit of the mosaic
STARS = 800  # of each field on the full-size detector
WAYS = ("floor", "ours")
COSTS = ("wall", "cpu", "peak_mb", "own_mb")
COLUMNS = {
    "part": "what grows",
    "n": "number of exposures",
    "floor_wall": "wall time of only loading the files, s",
    "floor_cpu": "CPU time of that, s",
    "wall": "wall time of the step, s",
    "cpu": "CPU time of the step, s",
    "peak_mb": "its peak resident memory, MB",
    "own_mb": "the same beyond that before the step, MB",
}


def main():
    """Simulate, run, fit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mosaic", type=int, nargs="*", default=[50, 125, 320, 800, 2000])
    parser.add_argument("--dithers", type=int, nargs="*", default=[10, 30, 90, 200])
    parser.add_argument("--full-size", type=int, nargs="*", default=[], help="e.g. 12 48")
    parser.add_argument("--binning", type=int, default=8, help="8 makes MIRI 128 x 129 pixels")
    parser.add_argument("--runs", type=int, default=1, help="runs of which the median is taken")
    parser.add_argument("--in-memory", action="store_true")
    add_json_option(parser)
    options = parser.parse_args()
    rows = []
    for title, make, sizes, binning in (
        ("Growing mosaic", mosaic_scene, options.mosaic, options.binning),
        ("Dithers of one pointing", dither_scene, options.dithers, options.binning),
        ("Growing mosaic, full size", mosaic_scene, options.full_size, 1),
    ):
        if sizes:
            mode = "in memory" if options.in_memory else "on disk"
            print(f"\n{title}, binning {binning}, {mode}", flush=True)
            with tempfile.TemporaryDirectory() as directory:
                largest = simulate(make(max(sizes), binning), directory)
                found = grow(largest, sorted(sizes), options)
                rows += [{"part": f"{title}, {mode}", **row} for row in found]
    write_record(options.json, rows, COLUMNS)


def mosaic_scene(n, binning):
    """Make n exposures of a mosaic of constant depth, any first ones in a near square."""
    side = math.ceil(math.sqrt(n / DITHERS))
    # Without the masked strips, a quarter of the field, which would have to overlap too.
    pointings = sim.mosaic_pointings(
        side, side, overlap=0.2, dithers=DITHERS, step=2.0, visit_per_tile=True
    )
    visits = [pointings[k : k + DITHERS] for k in range(0, len(pointings), DITHERS)]
    # Tiles come row by row; squares that grow from the corner make an L of each layer.
    order = sorted(range(side**2), key=lambda k: (max(k % side, k // side), k))
    chosen = tuple(p for k in order for p in visits[k])[:n]
    return _scene("mosaic", chosen, side**2, binning)


def dither_scene(n, binning):
    """Make n dithers of one pointing, within a quarter of the field."""
    return _scene("dithers", sim.dither_pointings(n, step=1.0), 1, binning)


def _scene(name, pointings, fields, binning):
    return sim.compose_scene(
        name,
        pointings,
        components=(sim.Cirrus(0.5, 0.8),),
        # The PSF grows with the binning: as many stars for each pixel as at full size.
        stars=sim.StarCounts(math.ceil(fields * STARS / binning**2), flux=15.0),
        binning=binning,
        masked_strips=False,
    )


def simulate(scene, directory):
    """Write the exposures of a scene.

    Returns
    -------
    pathlib.Path
        Their association.
    """
    start = time.perf_counter()
    association = sim.simulate_mosaic(scene, directory).association
    seconds = time.perf_counter() - start
    print(f"simulated {len(scene.pointings)} exposures in {seconds:.0f} s", flush=True)
    return association


def grow(association, sizes, options):
    """Run all sizes, print their costs and how these grow, and give the costs as rows."""
    print(
        f"{'':6}{'floor':^16}{'ours':^35}{'ours, each exposure':^26}\n"
        f"{'n':>6}{'wall, s':>8}{'CPU, s':>8}{'wall, s':>8}{'CPU, s':>8}{'peak, MB':>10}"
        f"{'own, MB':>9}{'wall, ms':>9}{'CPU, ms':>8}{'own, MB':>9}"
    )
    costs = {way: [] for way in WAYS}
    for n in sizes:
        first = first_exposures(association, n)
        runs = [
            {way: run(way, first, in_memory=options.in_memory) for way in WAYS}
            for _ in range(options.runs)
        ]
        for way in WAYS:
            costs[way].append({key: statistics.median(r[way][key] for r in runs) for key in COSTS})
        _print_costs(n, *(costs[way][-1] for way in WAYS))
    if len(sizes) > 1:
        _print_growth(np.array(sizes), {way: _columns(costs[way]) for way in WAYS})
    return [
        {"n": n, "floor_wall": floor["wall"], "floor_cpu": floor["cpu"], **ours}
        for n, floor, ours in zip(sizes, costs["floor"], costs["ours"], strict=True)
    ]


def first_exposures(association, n):
    """Write the association of the first n members of another, beside it."""
    content = json.loads(Path(association).read_text())
    content["products"][0]["members"] = content["products"][0]["members"][:n]
    path = Path(association).with_name(f"first_{n}_asn.json")
    path.write_text(json.dumps(content))
    return path


def _print_costs(n, floor, ours):
    print(
        f"{n:6}{floor['wall']:8.2f}{floor['cpu']:8.2f}{ours['wall']:8.2f}{ours['cpu']:8.2f}"
        f"{ours['peak_mb']:10.1f}{ours['own_mb']:9.1f}"
        f"{1000 * ours['wall'] / n:9.1f}{1000 * ours['cpu'] / n:8.1f}{ours['own_mb'] / n:9.3f}",
        flush=True,
    )


def _columns(costs):
    return {key: np.array([cost[key] for cost in costs]) for key in COSTS}


def _print_growth(sizes, costs):
    floor, ours = costs["floor"], costs["ours"]
    print(f"{'exponent of':26}{'all':>8}{'last two':>10}")
    for name, cost in (
        ("ours, wall", ours["wall"]),
        ("ours, CPU", ours["cpu"]),
        ("ours minus floor, CPU", ours["cpu"] - floor["cpu"]),
        ("floor, CPU", floor["cpu"]),
    ):
        print(f"{name:26}{exponent(sizes, cost):8.2f}{exponent(sizes[-2:], cost[-2:]):10.2f}")
    print(f"{'MB per exposure':26}{'all':>8}{'last two':>10}")
    for name, memory in (
        ("ours, peak RSS", ours["peak_mb"]),
        ("floor, peak RSS", floor["peak_mb"]),
    ):
        last = slope(sizes[-2:], memory[-2:])
        print(f"{name:26}{slope(sizes, memory):8.3f}{last:10.3f}", flush=True)


def exponent(sizes, cost):
    """Fit log cost by a line in log number; NaN where a cost is not positive."""
    return slope(np.log(sizes), np.log(cost)) if np.all(cost > 0) else math.nan


def slope(x, y):
    """Fit y by a line in x and return its slope."""
    return float(np.polyfit(x, y, 1)[0])


if __name__ == "__main__":
    main()
