"""jwst's own tests of ``Image3Pipeline``, run on ours.

They are imported from the jwst that is installed. These names are replaced: the pipeline, in Python
and on the command line; ``AssignWcsStep``, which would fetch reference files, by the distortion of
the same detector in this package; and a fixture of jwst's own ``conftest.py``. Where the tests skip
skymatch, it is run.
"""

import os
import sys
from pathlib import Path

import asdf
import pytest
from helpers import FromSiaf
from jwst.pipeline.tests import test_calwebb_image3 as peer
from jwst.stpipe import Step

from jwst_mosaic_skymatch import PixelSkyMatchImage3Pipeline

# Pytest takes tests and fixtures from this module's names.
globals().update(
    {name: thing for name, thing in vars(peer).items() if name.startswith(("test_", "make_"))}
)
# The exposures tell of no visit.
GROUPING = "exposure"


class Image3Pipeline(PixelSkyMatchImage3Pipeline):
    """Under the name for which the tests look in the log; skymatch is never skipped."""

    @classmethod
    def call(cls, model, steps):
        steps = {**steps, "skymatch": {"grouping": GROUPING}}
        return super().call(model, steps=steps)


class CommandLine:
    """In place of the class that runs command lines."""

    @staticmethod
    def from_cmdline(args):
        parameters = Path("ours.asdf")
        ours = f"jwst_mosaic_skymatch.{PixelSkyMatchImage3Pipeline.__name__}"
        asdf.AsdfFile({"class": ours, "name": "Image3Pipeline", "parameters": {}}).write_to(
            parameters
        )
        Path(peer.LOGFILE).unlink(missing_ok=True)
        wanted = [arg for arg in args if arg != "--steps.skymatch.skip=true"]
        assert (args[0], len(wanted)) == ("calwebb_image3", len(args) - 1)
        step = Step.from_cmdline(
            [str(parameters), *wanted[1:], f"--steps.skymatch.grouping={GROUPING}"]
        )
        assert "Sky method match" in Path(peer.LOGFILE).read_text()
        return step


@pytest.fixture(autouse=True, scope="module")
def _ours():
    makers = sys.modules[peer.make_nircam_image_cal_model.__module__] if HAS_MAKERS else peer
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(makers, "AssignWcsStep", FromSiaf)
        patch.setattr(peer, "Step", CommandLine)
        patch.setattr(peer, "Image3Pipeline", Image3Pipeline, raising=HAS_MAKERS)
        # Where the tests find asn_from_list.
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        yield


# Until jwst 2.0 the module made its exposures itself.
HAS_MAKERS = hasattr(peer, "make_nircam_image_cal_model")


@pytest.fixture(autouse=True)
def _no_parameters_of_crds(monkeypatch):
    monkeypatch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", "true")


@pytest.fixture(scope="module")
def tmp_cwd_module(tmp_path_factory):
    """Work in a directory of its own."""
    with pytest.MonkeyPatch.context() as patch:
        directory = tmp_path_factory.mktemp("image3")
        patch.chdir(directory)
        yield directory
