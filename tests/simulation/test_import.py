"""The simulator stands apart from what is tested with it."""

import subprocess
import sys


def test_import_does_not_need_jwst():
    code = (
        "import sys, jwst_mosaic_skymatch.simulation; "
        "sys.exit(any(m == 'jwst' or m.startswith('jwst.') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
