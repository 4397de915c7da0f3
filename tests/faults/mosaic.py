"""A small mosaic in files, and ways to break it."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from astropy.io import fits
from stdatamodels.jwst.datamodels import JwstDataModel
from stdatamodels.jwst.datamodels import open as open_model

# Of the session's mosaic: each overlaps both others, the first and the last mostly in the Lyot
# field.
CHOSEN = (0, 2, 6)


@dataclass
class Work:
    """A mosaic to break, and the directories that a run may write to.

    Attributes
    ----------
    directory : Path
        Holds all others.
    truth : dict of str to float
        True levels by rootname.
    scene : Scene
        What the exposures are simulated of.
    request : pytest.FixtureRequest
        Takes functions that are called at the end of the test.
    """

    directory: Path
    truth: dict
    scene: object
    request: pytest.FixtureRequest

    @property
    def association(self):
        return self.directory / "in" / "asn.json"

    @property
    def out(self):
        return self.directory / "out"

    @property
    def files(self):
        return sorted(self.association.parent.glob("*_cal.fits"))

    @property
    def middle(self):
        return self.files[1]

    def associate(self, names):
        members = [{"expname": str(name), "exptype": "science"} for name in names]
        association = {"asn_type": "image3", "products": [{"name": "m", "members": members}]}
        self.association.write_text(json.dumps(association))

    def tree(self):
        """Describe every file by a hash, and list whatever else there is."""
        return {
            str(p.relative_to(self.directory)): hash(p.read_bytes()) if p.is_file() else None
            for p in self.directory.rglob("*")
        }


# Each fault is a function of the work that returns the name of the broken thing, if there is one.


def on_middle(change):
    """Apply a change to the path of the middle exposure, which stays its name."""

    def prepare(work):
        path = work.middle
        change(path)
        return path.name

    return prepare


def on_each(*changes):
    """Apply three changes, one to the path of each exposure."""

    def prepare(work):
        for change, path in zip(changes, work.files, strict=True):
            change(path)

    return prepare


# Each change is a function of the path of an exposure.


def in_fits(change):
    """Change the extensions of a file."""

    def edit(path):
        with fits.open(path, mode="update") as hdus:
            change(hdus)

    return edit


def in_model(change):
    """Change the model of a file, or put another in its place."""

    def edit(path):
        with open_model(path) as model:
            changed = change(model)
            (changed if isinstance(changed, JwstDataModel) else model).save(path)

    return edit


def assign(name, value):
    """Change an attribute of a model."""
    return in_model(lambda model: model.__setitem__(name, value))
