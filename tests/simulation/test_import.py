"""Product and simulation stay apart, and the documentation names every module."""

import re
import subprocess
import sys
from pathlib import Path

import jwst_mosaic_simulation

DOCS = Path(__file__).parents[2] / "docs"
SIMULATION = Path(jwst_mosaic_simulation.__file__).parent


def modules():
    return {p.stem for p in SIMULATION.glob("*.py")} - {"__init__"}


def test_simulation_does_not_bring_jwst_along():
    code = "import sys, jwst_mosaic_simulation; print('jwst' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_module_map_names_every_module_and_no_other():
    text = (DOCS / "development.rst").read_text()
    section = text.split("\nSimulation\n----------\n")[1].split("\n-------\n")[0]
    named = re.findall(r"^``(\w+)``  ", section, re.MULTILINE)
    assert sorted(named) == sorted(modules())
