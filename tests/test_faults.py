"""The fault table: whatever is wrong, the step says so or copes, and leaves nothing behind.

Each row breaks something of a small mosaic, mostly in its middle exposure, and states what
follows: one clear error, the exposure SKIPPED and named while the others are right, or right
levels throughout. After each, inputs are untouched, and beside them is nothing but whole outputs.
"""

import gc
import gzip
import hashlib
import json
import os
import resource
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.modeling.models import Scale
from helpers import rootname
from stdatamodels.jwst.datamodels import CubeModel, JwstDataModel
from stdatamodels.jwst.datamodels import open as open_model

from jwst_mosaic_simulation import (
    Galaxy,
    compose_scene,
    mosaic_pointings,
    simulate_exposure,
    simulate_mosaic,
)
from jwst_mosaic_skymatch import PixelSkyMatchImage3Pipeline, PixelSkyMatchStep

# The FITS readers warn about a broken file before they fail, jwst of paths in an association.
pytestmark = [
    pytest.mark.filterwarnings("ignore:File may have been truncated"),
    pytest.mark.filterwarnings("ignore:Error validating header"),
    pytest.mark.filterwarnings("ignore:Input association file contains path information"),
]

# Of the session's mosaic: each overlaps both others, the first and the last mostly in the Lyot
# field.
CHOSEN = (0, 2, 6)
# Largest error of a level in units of the one that is quoted.
SIGMAS = 4.0


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
    patch : pytest.MonkeyPatch
        To break what is no file.
    undo : ExitStack
        What to do when the test has ended.
    """

    directory: Path
    truth: dict
    scene: object
    patch: pytest.MonkeyPatch
    undo: ExitStack = field(default_factory=ExitStack)

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
        """Hash every file, and list whatever else there is."""
        return {str(p.relative_to(self.directory)): _state(p) for p in self.directory.rglob("*")}


def _state(path):
    if path.is_symlink():
        return os.readlink(path)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "directory"


@pytest.fixture
def work(mosaic, mosaic_scene, tmp_path, monkeypatch):
    """Copy three of the simulated exposures, and run in a directory of one's own."""
    for name in ("in", "out", "cwd", "tmp"):
        (tmp_path / name).mkdir()
    work = Work(tmp_path, dict(mosaic.levels), mosaic_scene, monkeypatch)
    names = [mosaic.files[k].name for k in CHOSEN]
    for name in names:
        shutil.copy(mosaic.association.parent / name, tmp_path / "in")
    work.associate(names)
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with work.undo:
        yield work


# --- What follows --------------------------------------------------------


@dataclass(frozen=True)
class Refused:
    """One error, which names the broken thing and says what to do."""

    error: type
    said: tuple

    def check(self, work, name, run, caplog):
        before = work.tree()
        with pytest.raises(self.error) as caught:
            run()
        message = str(caught.value)
        # A user sees this one alone.
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        assert type(caught.value) is self.error
        assert len(message.splitlines()) == 1
        for words in (name, *self.said):
            assert words in message
        del caught
        gc.collect()  # a library on disk removes its directory when it goes
        assert work.tree() == before


@dataclass(frozen=True)
class Matched:
    """Right levels and whole outputs, but for exposures that are skipped for a reason.

    Attributes
    ----------
    skipped : str
        Why; empty when none is.
    who : slice
        Which they are.
    warned : tuple of tuple of str
        Words of each warning beyond that; ``{name}`` is that of the broken exposure.
    meaningless : bool
        Whether the middle exposure's level has no true value.
    """

    skipped: str = ""
    who: slice = field(default_factory=lambda: slice(1, 2))
    warned: tuple = ()
    meaningless: bool = False

    def check(self, work, name, run, caplog):
        before = work.tree()
        table = run().levels_table
        gc.collect()
        after = work.tree()
        names = table["filename"].tolist()
        bad = names[self.who] if self.skipped else []
        self._check_warnings(caplog, bad, name)
        good = np.array([name not in bad for name in names])
        assert table["status"].tolist() == np.where(good, "COMPLETE", "SKIPPED").tolist()
        levels = table["level"].value
        errors = levels - [work.truth[rootname(name)] for name in names]
        known = good & [k != 1 or not self.meaningless for k in range(len(names))]
        if known.any():
            # At least two roundings of single precision, which at 200 MJy/sr are 3e-5.
            rounding = max(1e-5, 2.0 * np.spacing(np.float32(np.abs(errors[known]).max())))
            limits = SIGMAS * table["level_error"].value[known] + rounding
            assert np.all(np.abs(errors[known] - errors[known].mean()) < limits)
        self._check_outputs(work, before, after, names, levels)

    def _check_warnings(self, caplog, bad, name):
        warned = [
            record.getMessage()
            for record in caplog.records
            if record.name.startswith("stpipe.pixel_skymatch") and record.levelname == "WARNING"
        ]
        expected = list(self.warned)
        if bad:
            expected.append((f"SKIPPED: {bad[0]}", *bad, self.skipped))
        assert len(warned) == len(expected), warned
        for sentence, words in zip(warned, expected, strict=True):
            for part in words:
                assert part.format(name=name) in sentence

    def _check_outputs(self, work, before, after, names, levels):
        outputs = [name.replace("_cal.fits", "_skymatch.fits") for name in names]
        new = {f"out/{name}" for name in outputs} | {"out/m_skymatch_asn.json"}
        assert after.keys() - before.keys() == new
        assert {path: after[path] for path in before} == before
        for name, level in zip(outputs, levels, strict=True):
            header = fits.getheader(work.out / name)
            assert header["S_SKYMAT"] == ("COMPLETE" if np.isfinite(level) else "SKIPPED")
            assert header.get("BKGLEVEL", np.nan) == pytest.approx(level, nan_ok=True)


def refused(error, *said):
    return Refused(error, said)


RIGHT = Matched()
UNREADABLE = refused(OSError, "cannot be read", "fetch or make the file anew")
NO_FILE = refused(FileNotFoundError, "lists it", "correct its name")
# Of the first and the last, without the middle.
LYOT = ("MIRI's Lyot field alone ties", "miri_lyot='mask'")
TIED_BY_LYOT = Matched(warned=(LYOT,))
NO_PIXEL = Matched(skipped="no good pixel", warned=(LYOT,))
SCATTERED = Matched(skipped="good pixels too scattered", warned=(LYOT,))
ALONE = Matched(skipped="no overlap with others", who=slice(None))
# The broken exposure is all of its visit.
DISAGREES = Matched(
    warned=(("{name}: its pixels scatter", "exclude the exposure"),), meaningless=True
)
TOUCHING = Matched(skipped="no overlap with others, or too few cells", who=slice(None))

ON_DISK = {"in_memory": False}


# --- What is wrong -------------------------------------------------------


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


def cut_at(size):
    return on_middle(lambda path: path.write_bytes(path.read_bytes()[:size]))


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


def remove_extension(name):
    return on_middle(in_fits(lambda hdus: hdus.__delitem__(name)))


def with_members(change):
    """Change the members that the association lists."""

    def prepare(work):
        association = json.loads(work.association.read_text())
        name = change(association["products"][0]["members"])
        work.association.write_text(json.dumps(association))
        return name or "asn.json"

    return prepare


def association_of(text):
    def prepare(work):
        work.association.write_text(text)
        return "asn.json"

    return prepare


def assign(name, value):
    """Change an attribute of a model."""
    return in_model(lambda model: model.__setitem__(name, value))


def scene_of(make):
    """Simulate another scene instead."""

    def prepare(work):
        for path in work.files:
            path.unlink()
        simulation = simulate_mosaic(make(), work.association.parent)
        simulation.association.unlink()
        work.truth = simulation.levels
        work.associate(path.name for path in simulation.files)

    return prepare


def rename_middle(name):
    def prepare(work):
        path = work.middle
        work.truth[rootname(name)] = work.truth[rootname(path.name)]
        path.rename(path.with_name(name))
        work.associate(file.name for file in work.files)
        return Path(name).name

    return prepare


# Files


def make_loop(path):
    path.unlink()
    path.symlink_to(path.name)


def compress(work):
    path = work.middle
    with gzip.open(f"{path}.gz", "wb") as file:
        file.write(path.read_bytes())
    path.unlink()
    work.associate([*(f.name for f in work.files), f"{path.name}.gz"])
    return f"{path.name}.gz"


def odd_places(work):
    """List a link by its absolute path, and a file in another directory."""
    first, middle, last = work.files
    first.rename(first.with_name("elsewhere.fits"))
    first.symlink_to("elsewhere.fits")
    there = middle.parent / "größe ж" / middle.name
    there.parent.mkdir()
    middle.rename(there)
    work.associate([first, f"größe ж/{middle.name}", f"../in/./{last.name}"])


def spoil_asdf(work):
    """Break a keyword that nothing needs before it is saved."""
    path = work.middle
    content = path.read_bytes()
    assert content.count(b"bunit_err: MJy/sr") == 1
    path.write_bytes(content.replace(b"bunit_err: MJy/sr", b"bunit_err: [1, 2]"))
    return path.name.replace("_cal", "_skymatch")


FILES = {
    "empty": (cut_at(0), UNREADABLE, ON_DISK),
    "cut in the pixels": (cut_at(40_000), UNREADABLE),
    "cut in the ASDF": (cut_at(-10_000), UNREADABLE),
    "no SCI": (remove_extension("SCI"), UNREADABLE),
    "no ASDF": (remove_extension("ASDF"), UNREADABLE, ON_DISK),
    "loop of links": (on_middle(make_loop), NO_FILE),
    "missing": (on_middle(Path.unlink), NO_FILE),
    "compressed": (compress, refused(ValueError, "gunzip")),
    "spaces": (rename_middle("a file with spaces_cal.fits"), RIGHT, ON_DISK),
    "unicode": (rename_middle("größe_ж_cal.fits"), refused(ValueError, "rename")),
    "odd places": (odd_places, RIGHT),
    "not to be saved": (spoil_asdf, refused(OSError, "cannot be saved", "make its file anew")),
}

# Associations


def list_through_link(work):
    link = work.middle.with_name("link_cal.fits")
    link.symlink_to(work.middle.name)
    work.associate(path.name for path in work.files)
    return link.name


def list_only(count):
    return lambda work: work.associate(path.name for path in work.files[:count])


def take_subarray(work):
    """Observe the middle exposure in a part of the detector."""
    detector = replace(work.scene.detector, subarray=(256, 128, 640, 768))
    scene = replace(work.scene, detector=detector)
    with simulate_exposure(scene, scene.pointings[CHOSEN[1]]) as model:
        model.save(work.middle)


def member(**changes):
    return with_members(lambda members: members[1].update(changes))


def make_cube(model):
    cube = CubeModel(np.zeros((2, *model.data.shape), dtype=np.float32))
    cube.update(model)
    cube.meta.wcs, cube.meta.filename = model.meta.wcs, model.meta.filename
    return cube


def other_filter(model):
    model.meta.photometry.pixelarea_steradians *= 4
    model.meta.instrument.filter = "F560W"


def retype(members):
    for one in members:
        one["exptype"] = "background"


NOT_VALID = refused(ValueError, "not a")
EACH_BY_ITSELF = refused(ValueError, "one association for each")

ASSOCIATIONS = {
    "no JSON": (association_of('{"products": [{"members": ['), NOT_VALID),
    "no product": (association_of("{}"), NOT_VALID),
    "member null": (association_of('{"products": [{"members": [null]}]}'), NOT_VALID),
    "expname empty": (member(expname=""), NO_FILE),
    "expname a URI": (member(expname="s3://bucket/a_cal.fits"), NO_FILE),
    "one member": (list_only(1), ALONE),
    "two members": (list_only(2), RIGHT),
    "listed through a link": (list_through_link, refused(ValueError, "remove the duplicate")),
    "instruments": (on_middle(assign("meta.instrument.name", "NIRCAM")), EACH_BY_ITSELF),
    "cube": (on_middle(in_model(make_cube)), refused(ValueError, "2-D")),
    "background only": (with_members(retype), refused(ValueError, "exptype")),
    "not there": (lambda work: work.association.unlink(), refused(FileNotFoundError, "its name")),
    "filter and pixel area": (
        on_middle(in_model(other_filter)),
        Matched(warned=(("{name}: filter is F560W", "not comparable"),)),
    ),
    "subarray": (take_subarray, TIED_BY_LYOT),
}

# Pixels


def fill(name, value):
    return in_fits(lambda hdus: hdus[name].data.fill(value))


def mask(choose):
    """Flag the pixels that a function of their indices chooses."""

    def change(hdus):
        dq = hdus["DQ"].data
        dq[choose(*np.indices(dq.shape))] |= 1

    return on_middle(in_fits(change))


def at_random(share):
    return mask(lambda y, x: np.random.default_rng(5).random(y.shape) < share)


def make_integers(hdus):
    """Round to integers at random: else rounding of a smooth sky is structure."""
    data = np.nan_to_num(hdus["SCI"].data)
    chance = np.random.default_rng(1).uniform(size=data.shape)
    hdus["SCI"].data = np.floor(data + chance).astype(np.int32)
    hdus["ERR"].data = np.sqrt(hdus["ERR"].data ** 2 + 1 / 4).astype(np.float32)


def make_constant(work):
    """Leave nothing in each exposure but its level, which may be negative."""
    for path in work.files:
        work.truth[rootname(path.name)] -= 200.0
        fill("SCI", work.truth[rootname(path.name)])(path)


def huge_pixel(hdus):
    hdus["SCI"].data[60, 60] = 3e38
    hdus["DQ"].data[60, 60] = 0


def high_bits(hdus):
    hdus["DQ"].data |= np.uint32(1 << 31 | 1 << 30)


def cut_extension(name):
    def change(hdus):
        hdus[name].data = hdus[name].data[:-1].copy()

    return on_middle(in_fits(change))


ANOTHER_SHAPE = refused(ValueError, "make the file anew")

PIXELS = {
    "all NaN": (on_middle(fill("SCI", np.nan)), NO_PIXEL, ON_DISK),
    "all huge": (on_middle(fill("SCI", 3e38)), NO_PIXEL),
    "one zero": (on_middle(fill("SCI", 0.0)), DISAGREES),
    "all constant": (make_constant, RIGHT),
    "integers, a huge pixel, unknown bits": (
        on_each(in_fits(make_integers), in_fits(huge_pixel), in_fits(high_bits)),
        RIGHT,
    ),
    "no ERR, no DQ, ERR NaN": (
        on_each(
            in_model(lambda model: model.instance.pop("err") is None),
            in_model(lambda model: model.instance.pop("dq") is None),
            fill("ERR", np.nan),
        ),
        RIGHT,
    ),
    "ERR zero and negative": (
        on_each(fill("ERR", 0.0), fill("ERR", -0.1), fill("ERR", np.inf)),
        RIGHT,
    ),
    "ERR of another shape": (cut_extension("ERR"), ANOTHER_SHAPE, ON_DISK),
    "DQ of another shape": (cut_extension("DQ"), ANOTHER_SHAPE),
    "checkerboard": (mask(lambda y, x: (x + y) % 2 == 0), SCATTERED),
    "half at random": (at_random(0.5), TIED_BY_LYOT),
}

# WCS


def observe_field(center, *, n=(2, 1), **options):
    """Compose a mosaic of overlapping fields of a galaxy, somewhere on the sky."""
    pointings = mosaic_pointings(*n, center=center, visit_per_tile=True, **options)
    galaxy = Galaxy(6.0, 15.0)
    return compose_scene("field", pointings, components=(galaxy,), binning=8, masked_strips=False)


def diagonal():
    scene = observe_field((150.0, 2.2), n=(2, 2), overlap=0.0)
    return replace(scene, pointings=scene.pointings[::3])


def without_sky(model):
    first, *rest = model.meta.wcs.pipeline
    transform = Scale(np.nan) & Scale(np.nan) | first.transform
    model.meta.wcs = type(model.meta.wcs)([(first.frame, transform), *rest])


def out_of_date(model):
    region = model.meta.wcsinfo.s_region.split()
    moved = [float(word) + (k % 2) / 60 for k, word in enumerate(region[2:])]
    model.meta.wcsinfo.s_region = " ".join([*region[:2], *map(str, moved)])


def send_opposite(work):
    """Point the middle exposure to the other side of the sky."""
    pointing = work.scene.pointings[CHOSEN[1]]
    other = replace(pointing, ra_ref=(pointing.ra_ref + 180) % 360, dec_ref=-pointing.dec_ref)
    with open_model(work.middle) as model:
        model.meta.wcs = other.wcs(8)
        model.meta.wcsinfo.s_region = None
        model.save(work.middle)
    return work.middle.name


def stop_at_v2v3(model):
    wcs = model.meta.wcs
    model.meta.wcs = type(wcs)([*wcs.pipeline[:-2], (wcs.pipeline[-2].frame, None)])


NO_SKY = refused(ValueError, "assign_wcs")
REGION = "meta.wcsinfo.s_region"

WCS = {
    "none": (on_middle(assign("meta.wcs", None)), NO_SKY, ON_DISK),
    "not on the sky": (on_middle(in_model(stop_at_v2v3)), NO_SKY),
    "NaN everywhere": (on_middle(in_model(without_sky)), NO_SKY),
    "S_REGION NaN, garbled, out of date": (
        on_each(
            assign(REGION, "POLYGON ICRS " + 8 * " nan"),
            assign(REGION, "no 1 idea"),
            in_model(out_of_date),
        ),
        RIGHT,
    ),
    "across RA 0": (scene_of(lambda: observe_field((0.0, 2.2))), RIGHT),
    "at the pole": (scene_of(lambda: observe_field((10.0, 90.0))), RIGHT),
    "touching in a corner": (scene_of(diagonal), TOUCHING),
    "opposite sides": (send_opposite, refused(ValueError, "one association for each field")),
}

# Metadata


def forget_group(model):
    for name in ("observation_number", "visit_number", "program_number"):
        setattr(model.meta.observation, name, None)


NO_UNIT = assign("meta.bunit_data", None)
METADATA = {
    "no visit": (
        on_middle(assign("meta.observation.visit_id", None)),
        refused(ValueError, "grouping='none'"),
    ),
    "no group": (on_middle(in_model(forget_group)), RIGHT, {"grouping": "exposure"}),
    "half a background": (
        on_middle(assign("meta.background.level", 1.0)),
        refused(ValueError, "meta.background.subtracted one is set", "start again"),
    ),
    "no unit": (on_each(NO_UNIT, NO_UNIT, NO_UNIT), RIGHT),
}

# Parameters


def nothing(work):
    return None


def draw_in_jansky(work):
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "BUNIT": "Jy/beam"})
    fits.writeto(work.directory / "cwd" / "sky.fits", np.ones((9, 9), np.float32), header)
    return "sky.fits"


PARAMETERS = {
    "reference in another unit": (
        draw_in_jansky,
        refused(ValueError, "is Jy/beam, but MJy/sr in the exposures"),
        {"reference": "sky.fits"},
    ),
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

# System


def lower(what, value):
    """Lower a limit of this process until the test ends."""

    def prepare(work):
        limits = resource.getrlimit(what)
        work.undo.callback(resource.setrlimit, what, limits)
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


def go_to(directory):
    return lambda work: work.patch.chdir(directory)


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
        go_to("/proc"),
        refused(OSError, "/proc: cannot write to this directory", "run the step in another"),
        ON_DISK,
    ),
}

FAMILIES = {
    "files": FILES,
    "associations": ASSOCIATIONS,
    "pixels": PIXELS,
    "WCS": WCS,
    "metadata": METADATA,
    "parameters": PARAMETERS,
    "system": SYSTEM,
}


@pytest.mark.parametrize(
    ("family", "name"), [(family, name) for family, rows in FAMILIES.items() for name in rows]
)
def test_fault(work, caplog, family, name):
    prepare, result, *parameters = FAMILIES[family][name]
    broken = prepare(work) or ""

    def run():
        step = PixelSkyMatchStep(
            **{"save_results": True, "output_dir": str(work.out), **dict(*parameters)}
        )
        step.run(str(work.association))
        return step

    result.check(work, broken, run, caplog)


@pytest.mark.parametrize("start", ["call", "run"])
@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("files", "cut in the pixels"),
        ("files", "missing"),
        ("associations", "no JSON"),
        ("associations", "background only"),
    ],
)
def test_pipeline_checks_before_it_reads(work, caplog, start, family, name):
    """The stock one ends with a KeyError or IndexError, which names no file."""
    prepare, result = FAMILIES[family][name]
    broken = prepare(work)
    run = {
        "call": partial(PixelSkyMatchImage3Pipeline.call, configure_log=False),
        "run": PixelSkyMatchImage3Pipeline().run,
    }[start]
    result.check(work, broken, lambda: run(work.association), caplog)
