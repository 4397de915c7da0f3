"""Files for a release agree with each other and with the package."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RECIPE = yaml.safe_load((ROOT / "conda/recipe.yaml").read_text())
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
# On conda-forge without matplotlib's windows, and without what astropy only recommends.
NAMES = {"astropy": "astropy-base", "matplotlib": "matplotlib-base"}


def as_conda(requirements):
    pairs = (re.fullmatch(r"([\w-]+)(\W.*)", text).groups() for text in requirements)
    return {f"{NAMES.get(name, name)} {versions}" for name, versions in pairs}


def test_recipe_is_that_of_the_package():
    assert RECIPE["context"]["version"] == str(CITATION["version"])
    assert CITATION["license"] == RECIPE["about"]["license"] == PROJECT["license"]
    assert PROJECT["requires-python"] == f">={RECIPE['context']['python_min']}"
    extras, listed = PROJECT["optional-dependencies"], RECIPE["requirements"]
    optional = [*extras["plots"], *extras["dask"], *extras["regions"]]
    for part, wanted in (("run", PROJECT["dependencies"]), ("run_constraints", optional)):
        packages = {text for text in listed[part] if not text.startswith("python ")}
        assert packages == as_conda(wanted)
