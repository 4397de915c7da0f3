"""Run one way of matching in a process of its own and print what it cost.

``python run_step.py {ours,stock,floor} ASSOCIATION [NAME=VALUE ...]`` prints one
JSON object: wall and CPU seconds of the step (not of imports), peak memory of the
process in MB, and the levels found.
"""

import json
import logging
import os
import resource
import sys
import time


def main(way, association, *assignments):
    """Run and report."""
    os.environ["STPIPE_DISABLE_CRDS_STEPPARS"] = "true"
    logging.disable(logging.WARNING)
    run = {"ours": _ours, "stock": _stock, "floor": _floor}[way](association, _parse(assignments))
    wall, cpu = time.perf_counter(), time.process_time()
    library = run()
    cost = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    levels = {} if way == "floor" else _levels(library)
    print(json.dumps({**cost, "levels": levels}))


def _parse(assignments):
    pairs = (assignment.split("=", 1) for assignment in assignments)
    return {name: json.loads(value) for name, value in pairs}


def _ours(association, parameters):
    from jwst_mosaic_skymatch.step import PixelSkyMatchStep

    return lambda: PixelSkyMatchStep(**parameters).run(association)


def _stock(association, parameters):
    from jwst.skymatch import SkyMatchStep

    return lambda: SkyMatchStep(**parameters).run(association)


def _floor(association, parameters):
    """Only open the library and load data, dq and wcs of every member."""
    from jwst.datamodels import ModelLibrary

    def load():
        library = ModelLibrary(association, on_disk=not parameters.get("in_memory", True))
        with library:
            for model in library:
                _ = model.data, model.dq, model.meta.wcs
                library.shelve(model, modify=False)
        return library

    return load


def _levels(library):
    levels = {}
    with library:
        for model in library:
            levels[model.meta.filename.rsplit("_", 1)[0]] = model.meta.background.level
            library.shelve(model, modify=False)
    return levels


if __name__ == "__main__":
    main(*sys.argv[1:])
