"""Plan a large mosaic on paper: time, memory and network of each stage.

``python tests/benchmarks/plan.py [--exposures 12000] [--groups 152] [--workers 1 16 64]
[--NAME VALUE ...]``

Every number follows from the options, measured costs of one unit of work, by the
formulas below. The defaults are 12,000 NIRCam exposures of 2048^2 pixels in 152 visits;
the costs of units are of one core at about 3 GHz with files in the page cache. Each
help text names the benchmark that gives the number, or says that it is assumed.

What is assumed: the main process opens all members and records the levels; workers
read pixels from a shared store and keep the tiles; a pair is compared where one of its
tiles lies; the main process solves. Groups come one after the other, and a stage ends
before the next begins; runs that overlap stages are faster. Times of workers are
limited by computing, by the one link to store and main process (hub), or by the links
between workers (peer), whichever is slowest.
"""

import argparse
import math
from dataclasses import dataclass

MB, GB = 1e6, 1e9
# A cell of a tile: float32 data, float16 weight. While tiles are added up to a mean,
# float64 sum, float32 weight and the result.
TILE_BYTES = 4 + 2
STACK_BYTES = 8 + 4 + TILE_BYTES

# Name, default, and what it is with the benchmark that gives it.
OPTIONS = (
    ("exposures", 12000, "number of exposures"),
    ("groups", 152, "number of groups (visits)"),
    ("side", 2048, "pixels to a side of an exposure"),
    ("pixel-scale-ratio", 2.2, "side of a cell in pixels, as the step's parameter"),
    ("depth", 4.0, "exposures of a group that see a cell of its mean, assumed"),
    ("pairs", 8.0, "in-group pairs per exposure, each counted once, assumed"),
    ("pair-overlap", 0.5, "mean share of a tile in a pair, assumed"),
    ("group-pairs", 4.0, "pairs of groups per group, each counted once, assumed"),
    ("group-overlap", 0.2, "mean share of a group's mean in such a pair, assumed"),
    (
        "open-seconds",
        0.08,
        "s per exposure for metadata and WCS: bench_growth.py, CPU of the "
        "floor between the last two sizes",
    ),
    (
        "read-seconds",
        0.01,
        "s per megapixel: bench_cost.py --instrument nircam --ways floor, CPU "
        "per exposure less open-seconds",
    ),
    (
        "tile-seconds",
        0.065,
        "s per megapixel to mask, map and drizzle: bench_cost.py --instrument "
        "nircam, CPU of ours less floor, pairs and the like, per exposure",
    ),
    (
        "pair-seconds",
        0.09,
        "s per pair and megacell of overlap: bench_growth.py --dithers 10 30 "
        "--binning 1, added CPU of ours less floor over added pairs",
    ),
    ("stack-seconds", 0.02, "s per megacell of each member of a mean: as pair-seconds, by profile"),
    ("error-seconds", 0.03, "s per megacell of each tile: as pair-seconds, by profile"),
    (
        "record-seconds",
        0.085,
        "s per megapixel to record a level: bench_cost.py --instrument "
        "nircam --ways ours, CPU on disk less in memory; 0 in memory",
    ),
    ("gflops", 5.0, "1e9 operations per second of a dense inverse, assumed"),
    ("base-mb", 150.0, "MB of a process that has only imported: run_step.py, peak_mb - own_mb"),
    (
        "main-mb",
        0.3,
        "MB in the main process per exposure, assumed: bench_growth.py, slope of peak RSS",
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
        "header-mb",
        0.1,
        "MB per exposure of headers and WCS: size of a file less that of its pixels",
    ),
    ("read-bytes", 12.0, "bytes per pixel read: SCI, ERR and DQ"),
    (
        "record-bytes",
        48.0,
        "bytes per pixel to record a level on disk: the file, 24, read and written; 0 in memory",
    ),
    ("result-bytes", 1000.0, "bytes of the result of a pair, assumed"),
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
        Through the link that all share: of the store and the main process.
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
    peer_bytes: float = 0.0
    worker_bytes: float = 0.0
    shared_bytes: float = 0.0
    main_bytes: float = 0.0

    @property
    def cpu(self):
        """CPU time of all tasks, s."""
        return self.rounds * self.tasks * self.seconds

    def wall(self, workers, bandwidth):
        """Time with that many workers, s; bandwidth of each link in bytes/s."""
        computing = self.rounds * math.ceil(self.tasks / workers) * self.seconds
        between = self.peer_bytes / (workers * bandwidth) if workers > 1 else 0.0
        return max(computing, self.hub_bytes / bandwidth, between)

    def memory(self, workers):
        """Memory of a worker, bytes."""
        return self.worker_bytes + self.shared_bytes / workers


def main():
    """Print the plan."""
    options = _parse()
    stages = plan(options)
    _print_inputs(options)
    _print_stages(stages, options)


def plan(o):
    """Derive all stages from the options.

    Returns
    -------
    list of Stage
        In the order in which they come.
    """
    pixels = o.side**2
    cells = pixels / o.pixel_scale_ratio**2  # of a tile
    members = math.ceil(o.exposures / o.groups)  # exposures of a group
    mean_cells = members * cells / o.depth  # of a group's mean
    tile, mean = TILE_BYTES * cells, TILE_BYTES * mean_cells  # bytes
    pairs, group_pairs = math.ceil(members * o.pairs), math.ceil(o.groups * o.group_pairs)
    overlap, mean_overlap = o.pair_overlap * cells, o.group_overlap * mean_cells  # cells
    # Held throughout: by the main process, metadata and summaries of means; by the
    # workers together, the means.
    metadata = o.exposures * o.main_mb * MB
    main = metadata + o.groups * o.summary_bytes * mean_cells
    main_group = main + members * o.summary_bytes * cells  # and of the tiles of one group
    means = o.groups * mean
    return [
        Stage(
            "metadata: open",
            rounds=o.exposures,  # one after the other, in the main process
            tasks=1,
            seconds=o.open_seconds,
            hub_bytes=o.exposures * o.header_mb * MB,
            main_bytes=metadata,
        ),
        Stage(
            "read",
            rounds=o.groups,
            tasks=members,
            seconds=o.read_seconds * pixels / 1e6,
            hub_bytes=o.groups * members * o.read_bytes * pixels,
            worker_bytes=o.read_bytes * pixels,
            shared_bytes=means + members * tile,
            main_bytes=main_group,
        ),
        Stage(
            "tiles",
            rounds=o.groups,
            tasks=members,
            seconds=o.tile_seconds * pixels / 1e6,
            hub_bytes=o.groups * members * o.summary_bytes * cells,
            worker_bytes=o.worker_bytes * pixels,
            shared_bytes=means + members * tile,
            main_bytes=main_group,
        ),
        Stage(
            "in-group pairs",
            rounds=o.groups,
            tasks=pairs,
            seconds=o.pair_seconds * overlap / 1e6,
            hub_bytes=o.groups * pairs * o.result_bytes,
            peer_bytes=o.groups * pairs * tile,  # the one of two tiles that lies elsewhere
            worker_bytes=2 * tile + o.pair_bytes * overlap,
            shared_bytes=means + members * tile,
            main_bytes=main_group,
        ),
        Stage(
            "group means",
            rounds=o.groups,
            tasks=1,
            seconds=o.stack_seconds * members * cells / 1e6,
            hub_bytes=o.groups * o.summary_bytes * mean_cells,
            peer_bytes=o.groups * members * tile,
            worker_bytes=STACK_BYTES * mean_cells + members * tile,
            shared_bytes=means,
            main_bytes=main,
        ),
        Stage(
            "pairs of groups",
            rounds=1,
            tasks=group_pairs,
            seconds=o.pair_seconds * mean_overlap / 1e6,
            hub_bytes=group_pairs * o.result_bytes,
            peer_bytes=group_pairs * mean,
            worker_bytes=2 * mean + o.pair_bytes * mean_overlap,
            shared_bytes=means,
            main_bytes=main,
        ),
        Stage(
            "solution, errors",
            rounds=1,
            tasks=1,  # in the main process
            seconds=_solution_seconds(o, members, cells, mean_cells),
            shared_bytes=means,
            main_bytes=main + 8 * (o.groups * members**2 + o.groups**2),  # covariances
        ),
        Stage(
            "metadata: record",
            rounds=o.exposures,
            tasks=1,
            seconds=o.record_seconds * pixels / 1e6,
            hub_bytes=o.exposures * o.record_bytes * pixels,
            main_bytes=metadata + o.record_bytes * pixels,
        ),
    ]


def _solution_seconds(o, members, cells, mean_cells):
    # Joint normal matrices: each cell of each tile once, inside groups, then of the means.
    matrices = o.error_seconds * o.groups * (members * cells + mean_cells) / 1e6
    # Inverses, as if dense: 2 n^3 operations for each group and for all groups together.
    return matrices + 2 * (o.groups * members**3 + o.groups**3) / (o.gflops * 1e9)


def _print_inputs(o):
    for name, value in vars(o).items():
        print(f"  {name} = {' '.join(map(str, value)) if isinstance(value, list) else value}")


def _print_stages(stages, o):
    bandwidth, base = o.bandwidth * GB, o.base_mb * MB
    heads = [f"{n} workers" for n in o.workers]
    width = 11 * len(heads)
    print(
        f"\n{'':20}{'CPU':>8}{'wall time, min':^{width}}{'memory of a worker, GB':^{width}}"
        f"{'main':>8}{'hub':>9}{'peer':>9}\n"
        f"{'stage':20}{'hours':>8}" + "".join(f"{head:>11}" for head in heads * 2),
        f"{'GB':>7}{'GB':>9}{'GB':>9}",
    )
    rows = [
        (
            stage.name,
            stage.cpu,
            [stage.wall(n, bandwidth) for n in o.workers],
            [base + stage.memory(n) for n in o.workers],
            base + stage.main_bytes,
            stage.hub_bytes,
            stage.peer_bytes,
        )
        for stage in stages
    ]
    for row in rows:
        _print_row(*row)
    _, cpu, walls, memories, main_bytes, hub, peer = zip(*rows, strict=True)
    _print_row(
        "total, or largest",
        sum(cpu),
        [sum(column) for column in zip(*walls, strict=True)],
        [max(column) for column in zip(*memories, strict=True)],
        max(main_bytes),
        sum(hub),
        sum(peer),
    )


def _print_row(name, cpu, walls, memories, main_bytes, hub, peer):
    print(
        f"{name:20}{cpu / 3600:8.2f}"
        + "".join(f"{wall / 60:11.1f}" for wall in walls)
        + "".join(f"{memory / GB:11.2f}" for memory in memories)
        + f"{main_bytes / GB:8.2f}{hub / GB:9.1f}{peer / GB:9.1f}"
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
