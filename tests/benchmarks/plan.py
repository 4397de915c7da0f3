"""Plan a large mosaic on paper: time, memory and network of each stage.

``python tests/benchmarks/plan.py [--exposures 12000] [--groups 152] [--workers 1 16 64]
[--NAME VALUE ...]``

Every number follows from the options, measured costs of one unit of work, by the
formulas below. The defaults are 12,000 NIRCam exposures of 2048^2 pixels in 152 visits;
the costs of units are of one core at about 3 GHz with files in the page cache. Each
help text names the benchmark that gives the number, or says that it is assumed.

What is assumed: an association with ``in_memory=False``, on Dask workers of one thread each.
The main process opens every file, which reads all of it, to learn where its pixels fall
on the grid, and in the end writes copies of all files to record the levels.
Workers read the pixels once more, from a shared store, and keep the tiles; a few pairs are
compared together where one of their tiles lies; one worker solves and averages a group. Masks of
outliers and means of groups come to the main process and go out again inside the tasks
that need them. Between groups the main process solves.

Groups overlap: while the pairs of one are compared, exposures of the next two are
read. So there are tiles of three groups. Times are nevertheless added up as if a stage
ended before the next began; runs are faster. Times of workers are limited by computing, by
the scheduler, which hands out one task after the other, by the one link to store, main
process and scheduler (hub), or by the links between workers (peer), whichever is slowest.
Scheduler and main process share a machine, and are one in the table ("main"); on two, what
results and tasks carry takes the link twice. Temporary files are as fast as the link. The
main process reads and writes while it computes; if it cannot, the two times add up.
"""

import argparse
import math
from dataclasses import dataclass

from jwst_mosaic_skymatch.cluster import AHEAD, LEAST_AHEAD
from jwst_mosaic_skymatch.pixelmap import STEP

MB, GB = 1e6, 1e9
# A cell of a tile: float32 data and weight. While tiles are added up to a mean, the
# third time: float64 sum, float32 weight, mean and gradient, and the first two means.
TILE_BYTES = 4 + 4
STACK_BYTES = 8 + 4 + 4 + 4 + 2 * TILE_BYTES
# Masks of the outliers of a pair: three bits to a cell of the overlap.
OUTLIER_BYTES = 3 / 8
# A point of a pixel map is two float64.
MAP_BYTES = 16
# Models in memory at once: the previous is released when the next has been opened.
MODELS = 2

# Name, default, and what it is with the benchmark that gives it.
OPTIONS = (
    ("exposures", 12000, "number of exposures"),
    ("groups", 152, "number of groups (visits)"),
    ("side", 2048, "pixels to a side of an exposure"),
    ("pixel-scale-ratio", 2.2, "side of a cell in pixels, as the step's parameter"),
    ("depth", 4.0, "exposures of a group that see a cell of its mean, assumed"),
    ("pairs", 8.0, "in-group pairs per exposure, each counted once, assumed"),
    ("pair-overlap", 0.5, "mean share of a tile in a pair, assumed"),
    (
        "batch",
        3,
        "in-group pairs in one task: as match.SENT_CELLS and SENT_PAIRS allow, with one tile more "
        "than pairs",
    ),
    ("group-pairs", 4.0, "pairs of groups per group, each counted once, assumed"),
    ("group-overlap", 0.2, "mean share of a group's mean in such a pair, assumed"),
    (
        "open-seconds",
        0.05,
        "s per exposure for metadata and WCS, by profile of bench_cost.py, 32 and 96 MIRI "
        "exposures",
    ),
    (
        "load-seconds",
        0.02,
        "s per megapixel to read all extensions when a file is opened: bench_cost.py "
        "--instrument nircam --ways floor, CPU per exposure on disk less open-seconds",
    ),
    (
        "map-seconds",
        0.02,
        "s per exposure to evaluate the WCS where the pixel map has its points, assumed; "
        "tile-seconds holds it too",
    ),
    (
        "read-seconds",
        0.01,
        "s per megapixel for a worker to read SCI, DQ and ERR: half of load-seconds, as the "
        "bytes are",
    ),
    (
        "tile-seconds",
        0.04,
        "s per megapixel to mask, map and drizzle, by profile of bench_cost.py, 96 MIRI exposures",
    ),
    ("pair-seconds", 0.055, "s per pair and megacell of overlap: as tile-seconds, by profile"),
    (
        "stack-seconds",
        0.05,
        "s per megacell of each member of a robust mean: as tile-seconds, by profile",
    ),
    ("error-seconds", 0.01, "s per megacell of each tile: as tile-seconds, by profile"),
    (
        "solve-seconds",
        1e-5,
        "s for n groups by n^1.5 (to factorize the sparse equations) + n^2 (for columns of "
        "errors), estimated from operations",
    ),
    (
        "record-seconds",
        0.05,
        "s per megapixel to record a level: bench_cost.py --instrument "
        "nircam --ways ours, CPU on disk less in memory; 0 in memory",
    ),
    ("task-seconds", 0.001, "s of scheduler and main process for each task, assumed"),
    ("gflops", 5.0, "1e9 operations per second of the dense inverse of a group, assumed"),
    ("base-mb", 150.0, "MB of a process that has only imported: run_step.py, peak_mb - own_mb"),
    (
        "main-mb",
        0.1,
        "MB in the main process per exposure: bench_growth.py, slope of peak RSS between the "
        "last two sizes",
    ),
    (
        "worker-bytes",
        85.0,
        "bytes per pixel while a tile is made: bench_growth.py --full-size 1, own RSS of ours",
    ),
    ("pair-bytes", 80.0, "bytes per cell of overlap of all arrays while a pair is compared"),
    (
        "summary-bytes",
        1.0,
        "bytes per cell of what the main process keeps of a tile: float32 in blocks of 2 x 2 cells",
    ),
    (
        "kept-mb",
        0.0,
        "MB of means of groups in the main process, beyond which they go to temporary files: "
        "0 with in_memory=False; inf with in_memory=True",
    ),
    (
        "header-mb",
        0.1,
        "MB per exposure of headers and WCS, which are read twice (for metadata and for the "
        "model): size of a file less that of its pixels",
    ),
    ("file-bytes", 24.0, "bytes per pixel of a file: SCI, DQ, ERR and three variances"),
    ("read-bytes", 12.0, "bytes per pixel that a worker reads: SCI, DQ and ERR"),
    (
        "record-bytes",
        48.0,
        "bytes per pixel to record a level on disk: the file is read and written whole; 0 in "
        "memory",
    ),
    ("result-bytes", 1000.0, "bytes of the result of a pair without masks, assumed"),
    ("bandwidth", 1.25, "GB/s of each network link, assumed: 10 Gbit/s"),
)


@dataclass(frozen=True)
class Stage:
    """Work of one kind.

    Attributes
    ----------
    name : str
        What is done.
    rounds : int
        Number of times that workers wait for each other.
    tasks : int
        Tasks in each round that can run at the same time.
    seconds : float
        CPU time of a task, s.
    hub_bytes : float
        Through the link that all share (of store, main process and scheduler), beside
        what tasks carry.
    task_bytes : float
        Carried by each task through that link; held by the scheduler while it waits.
    hub_seconds : float
        Of scheduler and main process to hand out all tasks, s.
    peer_bytes : float
        Between workers, at most.
    worker_bytes : float
        In a worker for the task it is at.
    shared_bytes : float
        Held by all workers together.
    main_bytes : float
        In the main process.
    """

    name: str
    rounds: int
    tasks: int
    seconds: float
    hub_bytes: float = 0.0
    task_bytes: float = 0.0
    hub_seconds: float = 0.0
    peer_bytes: float = 0.0
    worker_bytes: float = 0.0
    shared_bytes: float = 0.0
    main_bytes: float = 0.0

    @property
    def cpu(self):
        """CPU time of all tasks, s."""
        return self.rounds * self.tasks * self.seconds

    @property
    def hub(self):
        """All bytes through the link that all share."""
        return self.hub_bytes + self.rounds * self.tasks * self.task_bytes

    def wall(self, workers, bandwidth):
        """Time with that many workers, s; bandwidth of each link in bytes/s."""
        computing = self.rounds * math.ceil(self.tasks / workers) * self.seconds
        between = self.peer_bytes / (workers * bandwidth) if workers > 1 else 0.0
        return max(computing, self.hub_seconds, self.hub / bandwidth, between)

    def memory(self, workers):
        """Memory of a worker, bytes."""
        waiting = math.ceil(self._waiting(workers) / workers) * self.task_bytes
        return self.worker_bytes + self.shared_bytes / workers + waiting

    def main_memory(self, workers):
        """Memory of main process and scheduler, bytes."""
        return self.main_bytes + self._waiting(workers) * self.task_bytes

    def _waiting(self, workers):
        # At most: all that the engine hands out at once.
        return min(self.tasks, max(AHEAD * workers, LEAST_AHEAD))


def main():
    """Print the plan."""
    options = _parse()
    stages = plan(options)
    _print_inputs(options)
    _print_stages(stages, options)
    _print_in_memory(options)


def plan(o):
    """Derive all stages from the options.

    Returns
    -------
    list of Stage
        In the order in which they come.
    """
    pixels = o.side**2
    members, cells, mean_cells = _sizes(o)
    tile, mean = TILE_BYTES * cells, TILE_BYTES * mean_cells  # bytes
    pairs, group_pairs = math.ceil(members * o.pairs), math.ceil(o.groups * o.group_pairs)
    batches = math.ceil(pairs / o.batch)
    overlap, mean_overlap = o.pair_overlap * cells, o.group_overlap * mean_cells  # cells
    # Of one group.
    outliers = pairs * OUTLIER_BYTES * overlap
    summaries, mean_summary = members * o.summary_bytes * cells, o.summary_bytes * mean_cells
    # Held by the main process throughout: what it knows of exposures and means, some means,
    # and open models. By the workers together: tiles of three groups.
    opened = o.exposures * o.main_mb * MB + MODELS * o.file_bytes * pixels
    main = opened + o.groups * mean_summary + min(o.kept_mb * MB, o.groups * mean)
    tiles = 3 * members * tile
    return [
        Stage(
            "open files (main)",
            rounds=o.exposures,  # one after the other
            tasks=1,
            seconds=o.open_seconds + o.map_seconds + o.load_seconds * pixels / 1e6,
            hub_bytes=o.exposures * (2 * o.header_mb * MB + o.file_bytes * pixels),
            main_bytes=opened,
        ),
        Stage(
            "read pixels",
            rounds=o.groups,
            tasks=members,
            seconds=o.read_seconds * pixels / 1e6,
            hub_bytes=o.groups * members * o.read_bytes * pixels,
            task_bytes=MAP_BYTES * (o.side / STEP + 1) ** 2,
            hub_seconds=o.groups * members * o.task_seconds,
            worker_bytes=o.read_bytes * pixels,
            shared_bytes=tiles,
            main_bytes=main,
        ),
        Stage(
            "tiles",
            rounds=o.groups,
            tasks=members,
            seconds=o.tile_seconds * pixels / 1e6,
            hub_bytes=o.groups * summaries,
            hub_seconds=o.groups * members * o.task_seconds,  # to summarize
            worker_bytes=o.worker_bytes * pixels,
            shared_bytes=tiles,
            main_bytes=main + summaries,
        ),
        Stage(
            "in-group pairs",
            rounds=o.groups,
            tasks=batches,
            seconds=o.batch * o.pair_seconds * overlap / 1e6,
            hub_bytes=o.groups * (pairs * o.result_bytes + outliers),
            hub_seconds=o.groups * batches * o.task_seconds,
            peer_bytes=o.groups * pairs * tile,  # of one tile more, one is there
            worker_bytes=(o.batch + 1) * tile + o.pair_bytes * overlap,
            shared_bytes=tiles,
            main_bytes=main + summaries + outliers,
        ),
        Stage(
            "group means",
            rounds=o.groups,
            tasks=1,
            seconds=_mean_seconds(o, members, cells),
            hub_bytes=o.groups * (mean + mean_summary),
            task_bytes=summaries + outliers,
            hub_seconds=o.groups * o.task_seconds,
            peer_bytes=o.groups * members * tile,
            worker_bytes=STACK_BYTES * mean_cells + members * tile,
            shared_bytes=tiles,
            main_bytes=main + summaries + outliers + mean,
        ),
        Stage(
            "pairs of groups",
            rounds=1,
            tasks=group_pairs,
            seconds=o.pair_seconds * mean_overlap / 1e6,
            hub_bytes=group_pairs * o.result_bytes,
            # Both means are cut to the overlap before they are sent.
            task_bytes=2 * TILE_BYTES * mean_overlap,
            hub_seconds=group_pairs * o.task_seconds,
            worker_bytes=o.pair_bytes * mean_overlap,
            main_bytes=main,
        ),
        Stage(
            "solution (main)",
            rounds=1,
            tasks=1,
            seconds=_solution_seconds(o, mean_cells),
            # Weighted summaries, and covariances inside groups.
            main_bytes=main + o.groups * (mean_summary + 8 * members**2),
        ),
        Stage(
            "record (main)",
            rounds=o.exposures,
            tasks=1,
            seconds=o.record_seconds * pixels / 1e6,
            hub_bytes=o.exposures * o.record_bytes * pixels,
            main_bytes=main,
        ),
    ]


def _sizes(o):
    """Exposures of a group, cells of a tile, and of a group's mean."""
    members = math.ceil(o.exposures / o.groups)
    cells = o.side**2 / o.pixel_scale_ratio**2
    return members, cells, members * cells / o.depth


def _mean_seconds(o, members, cells):
    # Of one group: to add up; the joint normal matrix, each cell of each tile once; and its
    # inverse, 2 n^3 operations.
    per_cell = o.stack_seconds + o.error_seconds
    return per_cell * members * cells / 1e6 + 2 * members**3 / (o.gflops * 1e9)


def _solution_seconds(o, mean_cells):
    # The joint normal matrix of the means; then sparse equations, of groups that each
    # overlap few others.
    matrix = o.error_seconds * o.groups * mean_cells / 1e6
    return matrix + o.solve_seconds * (o.groups**1.5 + o.groups**2)


def _print_inputs(o):
    for name, value in vars(o).items():
        print(f"  {name} = {' '.join(map(str, value)) if isinstance(value, list) else value}")


def _print_stages(stages, o):
    bandwidth, base = o.bandwidth * GB, o.base_mb * MB
    n = len(o.workers)
    column = max(7, math.ceil(21 / n))
    width = column * n
    print(
        f"\n{'':20}{'CPU':>8}{'wall time, min':>{width}}{'each worker, GB':>{width}}"
        f"{'main, GB':>{width}}{'hub':>9}{'peer':>9}\n"
        f"{'number of workers':20}{'hours':>8}"
        + "".join(f"{workers:{column}}" for workers in o.workers * 3)
        + f"{'GB':>9}{'GB':>9}"
    )
    rows = [
        (
            stage.name,
            stage.cpu,
            [stage.wall(workers, bandwidth) for workers in o.workers],
            [base + stage.memory(workers) for workers in o.workers],
            [base + stage.main_memory(workers) for workers in o.workers],
            stage.hub,
            stage.peer_bytes,
        )
        for stage in stages
    ]
    for row in rows:
        _print_row(column, *row)
    _, cpu, walls, memories, mains, hub, peer = zip(*rows, strict=True)
    _print_row(
        column,
        "total, or largest",
        sum(cpu),
        [sum(values) for values in zip(*walls, strict=True)],
        [max(values) for values in zip(*memories, strict=True)],
        [max(values) for values in zip(*mains, strict=True)],
        sum(hub),
        sum(peer),
    )


def _print_row(column, name, cpu, walls, memories, mains, hub, peer):
    print(
        f"{name:20}{cpu / 3600:8.2f}"
        + "".join(f"{wall / 60:{column}.1f}" for wall in walls)
        + "".join(f"{memory / GB:{column}.2f}" for memory in (*memories, *mains))
        + f"{hub / GB:9.1f}{peer / GB:9.1f}"
    )


def _print_in_memory(o):
    _, _, mean_cells = _sizes(o)
    means, files = o.groups * TILE_BYTES * mean_cells, o.exposures * o.file_bytes * o.side**2
    print(
        f"\nOf the means of groups, {means / GB:.1f} GB, the main process holds "
        f"{min(means, o.kept_mb * MB) / GB:.1f} GB.\n"
        f"With in_memory=True it holds all of them, and all exposures, {files / GB:.0f} GB."
    )


def _parse():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    for name, default, text in OPTIONS:
        parser.add_argument(f"--{name}", type=type(default), default=default, help=text)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 16, 64])
    return parser.parse_args()


if __name__ == "__main__":
    main()
