"""Faults of parameters, and of the machine."""

import os
import resource
import shutil

from faults.outcomes import ON_DISK, RIGHT, refused
from helpers import rootname


def nothing(work):
    return None


PARAMETERS = {
    "unknown flag": (nothing, refused(ValueError, "no flag"), {"dqbits": "~FOO"}),
    "no area": (
        nothing,
        refused(FileNotFoundError, "nowhere.reg: no such file"),
        {"exclude": "nowhere.reg"},
    ),
    "no reference": (
        nothing,
        refused(ValueError, "jw01_cal.fits", "no member or visit"),
        {"reference": "jw01_cal.fits"},
    ),
    "no skylist": (nothing, refused(ValueError, "set skylist"), {"skymethod": "user"}),
}


# --- The machine ---------------------------------------------------------


def lower(what, value):
    """Lower a limit of this process until the test ends."""

    def prepare(work):
        limits = resource.getrlimit(what)
        work.request.addfinalizer(lambda: resource.setrlimit(what, limits))
        resource.setrlimit(what, (value, limits[1]))

    return prepare


def few_handles(work):
    """List many exposures, and allow fewer files to be open than there are."""
    for path in work.files:
        for k in range(2):
            copy = path.with_name(f"{rootname(path.name)}{k}_cal.fits")
            shutil.copy(path, copy)
            work.truth[rootname(copy.name)] = work.truth[rootname(path.name)]
    work.associate(path.name for path in work.files)
    lower(resource.RLIMIT_NOFILE, max(map(int, os.listdir("/proc/self/fd"))) + 8)(work)


SYSTEM = {
    "disk full": (
        lower(resource.RLIMIT_FSIZE, 100_000),
        refused(OSError, "cannot be saved", "nothing was written", "Make room"),
    ),
    "temporary directory full": (
        lower(resource.RLIMIT_FSIZE, 1000),
        refused(OSError, "pixel_skymatch_", "make room", "TMPDIR"),
    ),
    "few file handles": (few_handles, RIGHT, ON_DISK),
    "working directory not writable": (
        lambda _: os.chdir("/proc"),
        refused(OSError, "/proc: cannot write to this directory", "run the step in another"),
        ON_DISK,
    ),
}
