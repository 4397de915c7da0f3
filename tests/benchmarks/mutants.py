"""Small defects in the numerics, and which of them no test detects.

``python tests/benchmarks/mutants.py [--first 1] [--last 99] [--check]``

Each line of ``mutants.txt`` is a module, an expression in it and the defect in its place, divided
by `` | ``. One by one they are applied to a temporary copy of ``src``, on which the tests of the
module or its folder, and of whole matches, run until the first fails. The survivors are listed at
the end; the exit status is their number. An expression that is not in its module exactly once is
listed as out of date. With ``--check`` no test runs, and only such expressions are listed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).with_name("mutants.txt")
PACKAGE = "jwst_mosaic_skymatch"
# Cheap tests of whole matches come after those of the folder.
WHOLE = ("tests/test_match.py", "tests/test_properties.py", "tests/test_backgrounds.py")


def read_table():
    """Give module, expression and defect of each line."""
    lines = [line for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    return [tuple(part.strip() for part in line.split(" | ")) for line in lines]


def is_detected(source, module):
    """Run the tests of a module on a copy of the code."""
    path = ROOT / "tests" / module
    own = path.parent if "/" in module else path.with_name(f"test_{path.name}")
    environment = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    options = ("-x", "-q", "-n", "0", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, own, *(ROOT / name for name in WHOLE)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode > 2:  # no test has run
        raise RuntimeError(f"pytest fails for {module}")
    return done.returncode != 0


def main():
    """Apply all defects in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=1, help="number of the first defect")
    parser.add_argument("--last", type=int, default=None, help="number of the last")
    parser.add_argument("--check", action="store_true", help="only list those out of date")
    options = parser.parse_args()
    chosen = list(enumerate(read_table(), 1))[options.first - 1 : options.last]
    survivors = []
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / "src"
        shutil.copytree(ROOT / "src", source)
        for number, (module, expression, defect) in chosen:
            path = source / PACKAGE / module
            code = path.read_text()
            if code.count(expression) != 1:
                result = "out of date"
            elif options.check:
                continue
            else:
                path.write_text(code.replace(expression, defect))
                result = "detected" if is_detected(source, module) else "survives"
                path.write_text(code)
            line = f"{number:3} {result:12} {module}: {expression} -> {defect}"
            print(line, flush=True)
            survivors += [line] if result != "detected" else []
    result = "out of date" if options.check else "not detected"
    print(f"{len(survivors)} of {len(chosen)} are {result}", *survivors, sep="\n")
    return len(survivors)


if __name__ == "__main__":
    sys.exit(main())
