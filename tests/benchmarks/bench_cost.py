"""Time and memory of the step beside the stock step's and that of only loading the files.

``python tests/benchmarks/bench_cost.py [--sizes 12 32] [--runs 3] [--binning 1]``

All three run in turn on the same simulated files, each in a process of its own, so
that ratios hold on a noisy machine; medians over the runs are printed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from jwst_mosaic_skymatch.simulation import simulate_mosaic, stephans_quintet

RUNNER = Path(__file__).with_name("run_step.py")
WAYS = ("floor", "ours", "stock")


def main():
    """Simulate, run, print ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[32], help="numbers of exposures")
    parser.add_argument("--runs", type=int, default=3, help="runs of which the median is taken")
    parser.add_argument("--binning", type=int, default=1, help="1 is the full-size detector")
    options = parser.parse_args()
    print("Medians of", options.runs, "runs; wall and CPU in seconds, peak memory in MB.")
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as directory:
            scene = stephans_quintet(size, binning=options.binning)
            association = simulate_mosaic(scene, directory).association
            for in_memory in (True, False):
                compare(association, size, in_memory, options.runs)


def compare(association, size, in_memory, runs):
    """Run the three ways in turn and print their costs and ratios."""
    costs = {way: [] for way in WAYS}
    for _ in range(runs):
        for way in WAYS:
            costs[way].append(run(way, association, in_memory=in_memory))
    print(f"\n{size} exposures, in_memory={in_memory}")
    print(f"{'':22}{'floor':>10}{'ours':>10}{'stock':>10}{'ours/floor':>12}{'ours/stock':>12}")
    for name in ("wall", "cpu", "peak_mb"):
        floor, ours, stock = (statistics.median(c[name] for c in costs[way]) for way in WAYS)
        print(
            f"{name:22}{floor:10.2f}{ours:10.2f}{stock:10.2f}"
            f"{ours / floor:12.2f}{ours / stock:12.3f}",
            flush=True,
        )


def run(way, association, **parameters):
    """Run one way in a process of its own.

    Returns
    -------
    dict
        What run_step.py prints.
    """
    arguments = [f"{name}={json.dumps(value)}" for name, value in parameters.items()]
    # Temporary files of the library go to the working directory.
    done = subprocess.run(
        [sys.executable, RUNNER, way, association, *arguments],
        cwd=Path(association).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
