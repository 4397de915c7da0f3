"""Run one way of matching in a process of its own and print what it cost.

``python run_step.py {ours,stock,floor} ASSOCIATION [NAME=VALUE ...]`` prints one
JSON object; values are JSON. Linux only.

wall, cpu
    Seconds of the step, not of imports; CPU with that of child processes that ended.
peak_mb, own_mb
    Peak resident memory of this process, and by how much it exceeds that before the
    step, after imports.
workers_mb
    Sum of the peaks of all child processes.
levels
    The levels found, MJy/sr, by rootname.
"""

import json
import logging
import os
import resource
import sys
import threading
import time
from pathlib import Path

# Seconds between looks at the child processes. Each look costs 0.1 ms, and peaks are
# the kernel's own, so that only what grows after the last look is missed.
LOOK = 0.2


def main(way, association, *assignments):
    """Run and report."""
    os.environ["STPIPE_DISABLE_CRDS_STEPPARS"] = "true"
    logging.disable(logging.WARNING)
    pairs = (assignment.split("=", 1) for assignment in assignments)
    parameters = {name: json.loads(value) for name, value in pairs}
    run = {"ours": _ours, "stock": _stock, "floor": _floor}[way](association, parameters)
    workers, done = {}, threading.Event()
    watch = threading.Thread(target=_watch_children, args=(workers, done))
    watch.start()
    before, wall, cpu = _resident_mb(), time.perf_counter(), _cpu()
    try:
        library = run()
    finally:
        done.set()
    cost = {"wall": time.perf_counter() - wall, "cpu": _cpu() - cpu}
    watch.join()
    peak = _peak_mb("self")
    cost |= {"peak_mb": peak, "own_mb": peak - before, "workers_mb": sum(workers.values())}
    levels = dict(library.map_function(_level, modify=False))
    print(json.dumps({**cost, "levels": levels}))


def _ours(association, parameters):
    from jwst_mosaic_skymatch.step import PixelSkyMatchStep

    return lambda: PixelSkyMatchStep(**parameters).run(association)


def _stock(association, parameters):
    from jwst.skymatch import SkyMatchStep

    return lambda: SkyMatchStep(**parameters).run(association)


def _floor(association, parameters):
    """Only open the library and load data, dq and wcs of every member."""
    # What a step imports at its start would else be imported while the clock runs.
    import jwst.skymatch  # noqa: F401
    from jwst.datamodels import ModelLibrary

    def load():
        library = ModelLibrary(association, on_disk=not parameters.get("in_memory", True))
        with library:
            for model in library:
                _ = model.data, model.dq, model.meta.wcs
                library.shelve(model, modify=False)
        return library

    return load


def _cpu():
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def _peak_mb(pid):
    # Not ru_maxrss: a new process starts with the peak of the one that started it,
    # here the simulator.
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _watch_children(peaks, done):
    """Note the peak of each child process until done."""
    while not done.wait(LOOK):
        for thread in Path("/proc/self/task").iterdir():
            try:
                for pid in (thread / "children").read_text().split():
                    peaks[pid] = max(peaks.get(pid, 0.0), _peak_mb(pid))
            except OSError:
                continue  # the thread or the child has just ended


def _level(model, _):
    return model.meta.filename.rsplit("_", 1)[0], model.meta.background.level


if __name__ == "__main__":
    main(*sys.argv[1:])
