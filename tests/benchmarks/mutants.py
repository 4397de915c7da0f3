"""Small defects in the numerics, and which of them no test detects.

``python tests/benchmarks/mutants.py [--first 1] [--last 99]``

Each line of ``mutants.txt`` is a module, an expression in it and the defect in its place, divided
by `` | ``. One by one they are applied to a temporary copy of ``src``, on which the tests of the
module's folder and of whole matches run until the first fails. The survivors are listed at the
end; the exit status is their number. An expression that is not in its module exactly once is listed
as out of date.
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
    folder = ROOT / "tests" / Path(module).parent
    own = [folder] if Path(module).parent.name else []
    environment = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    options = ("-x", "-q", "-n", "0", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *own, *(ROOT / name for name in WHOLE)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode != 0


def main():
    """Apply all defects in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=1, help="number of the first defect")
    parser.add_argument("--last", type=int, default=None, help="number of the last")
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
            else:
                path.write_text(code.replace(expression, defect))
                result = "detected" if is_detected(source, module) else "survives"
                path.write_text(code)
            line = f"{number:3} {result:12} {module}: {expression} -> {defect}"
            print(line, flush=True)
            survivors += [line] if result != "detected" else []
    print(f"{len(survivors)} of {len(chosen)} are not detected", *survivors, sep="\n")
    return len(survivors)


if __name__ == "__main__":
    sys.exit(main())
