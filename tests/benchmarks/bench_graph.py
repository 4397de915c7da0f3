"""Time and memory of levels, variances and all errors of a mosaic of 12,000 exposures.

    PYTHONPATH=src:tests python tests/benchmarks/bench_graph.py [side]

Makes up the measurements of side x side stacks (55) of four exposures each: all pairs inside
stacks, and those of the means of each stack and its eight neighbours. The exposures of a stack have
one gradient. Fails beyond 60 s of one processor or 1 GB.
"""

import resource
import sys
import time
from itertools import combinations

import numpy as np
from levels.synthetic import REACH, grid, measure, neighbours
from threadpoolctl import threadpool_limits

from jwst_mosaic_skymatch.levels.assembly import assemble
from jwst_mosaic_skymatch.levels.equations import number_unknowns
from jwst_mosaic_skymatch.levels.estimate import estimate_levels
from jwst_mosaic_skymatch.levels.results import Stack
from jwst_mosaic_skymatch.tiles.frame import DetectorFrame
from jwst_mosaic_skymatch.tiles.observation import TiledExposure
from jwst_mosaic_skymatch.tiles.windows import BlockMap

N_MEMBERS = 4
GRADIENT = 1e-4
LARGEST_TIME, LARGEST_MEMORY = 60.0, 1000.0


def make_stack(number, centre, members):
    """Describe a stack of exposures that cover the same blocks."""
    x, y = ((centre - REACH) / (REACH / 4.0)).astype(int).tolist()
    whole = BlockMap(x, y, np.ones((8, 8), dtype=np.float32))
    n = len(members)
    frame = DetectorFrame(centre, centre, np.eye(2), (100, 100))
    return Stack(f"{number}", members, np.zeros((n, 6)), (whole,) * n, (frame,) * n, whole, None)


def make_mosaic(side, rng):
    """Make up stacks, and the pairs inside and between them."""
    places = grid(side, rng)
    gradients = rng.normal(0.0, GRADIENT, (side**2, 2))
    sky = type(places)(
        levels=rng.normal(0.0, 1.0, N_MEMBERS * side**2),
        centres=np.repeat(places.centres, N_MEMBERS, axis=0),
        gradients=np.repeat(gradients, N_MEMBERS, axis=0),
        gains=np.zeros(N_MEMBERS * side**2),
        shifts=np.repeat(rng.normal(0.0, 0.05, (side**2, 2)), N_MEMBERS, axis=0),
    )
    members = np.arange(len(sky.levels)).reshape(-1, N_MEMBERS).tolist()
    stacks = tuple(
        make_stack(k, centre, tuple(own))
        for k, (centre, own) in enumerate(zip(places.centres, members, strict=True))
    )
    inside = []
    for own in members:
        inside += [measure(sky, ((i,), (j,)), rng) for i, j in combinations(own, 2)]
    between = [measure(sky, (members[i], members[j]), rng, (i, j)) for i, j in neighbours(places)]
    return sky, stacks, inside, between


def peak_mb():
    """Peak resident memory, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def main():
    """Run the benchmark."""
    threadpool_limits(1, user_api="blas")  # as in the step
    side = int(sys.argv[1]) if len(sys.argv) > 1 else 55
    sky, stacks, inside, between = make_mosaic(side, np.random.default_rng(0))
    n, names = len(sky.levels), [stack.label for stack in stacks for _ in stack.members]
    start = time.process_time()
    measurements = assemble(n, inside, stacks, between)
    unknowns = number_unknowns(
        range(len(names)), names, range(len(names)), np.append(sky.centres, [[0.0, 0.0]], axis=0)
    )
    exposures = [TiledExposure(None, np.nan)] * n
    match = estimate_levels(measurements, unknowns, exposures, stacks, known={})
    total = time.process_time() - start
    errors = match.levels.values - (sky.levels - sky.levels.mean())
    pull = np.sqrt(np.mean((errors / match.levels.errors) ** 2))
    print(f"{n} exposures, {len(stacks)} stacks, {len(measurements.pairs)} pairs")
    print(f"{total:.1f} s, memory {peak_mb():.0f} MB")
    print(f"{dict(match.backgrounds.sigmas)}, pull {pull:.2f}")
    return int(total > LARGEST_TIME or peak_mb() > LARGEST_MEMORY)


if __name__ == "__main__":
    sys.exit(main())
