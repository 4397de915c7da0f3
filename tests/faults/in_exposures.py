"""Faults of pixels, of the WCS, and of metadata."""

from dataclasses import replace

import numpy as np
from astropy.modeling.models import Scale
from faults.mosaic import CHOSEN, assign, in_fits, in_model, on_each, on_middle
from faults.outcomes import ON_DISK, RIGHT, TIED_BY_LYOT, Matched, refused
from helpers import rootname, wcs_of
from stdatamodels.jwst.datamodels import ImageModel
from stdatamodels.jwst.datamodels import open as open_model

from jwst_mosaic_simulation import Galaxy, compose_scene, mosaic_pointings, simulate_mosaic

NO_PIXEL = Matched(skipped="no good pixel")
SCATTERED = Matched(skipped="good pixels too scattered")
# The broken exposure is all of its visit.
DISAGREES = Matched(
    warned=(("{name}: its pixels scatter", "exclude the exposure"),), meaningless=True
)


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


# --- WCS -----------------------------------------------------------------


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


def observe_field(center, *, n=(2, 1), **options):
    """Compose a mosaic of overlapping fields of a galaxy, somewhere on the sky."""
    pointings = mosaic_pointings(*n, center=center, visit_per_tile=True, **options)
    galaxy = Galaxy(6.0, 15.0)
    return compose_scene("field", pointings, components=(galaxy,), binning=8, masked_strips=False)


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
        model.meta.wcs = wcs_of(other, 8)
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
    "opposite sides": (send_opposite, refused(ValueError, "one association for each field")),
}


# --- Metadata ------------------------------------------------------------


def forget_group(model):
    for name in ("observation_number", "visit_number", "program_number"):
        setattr(model.meta.observation, name, None)


def keep_data_and_wcs(model):
    """Leave neither flags, errors nor unit, and no name of visit, detector or filter."""
    bare = ImageModel(np.where(model.dq % 2, np.nan, model.data))
    bare.meta.wcs = model.meta.wcs
    return bare


BARE = in_model(keep_data_and_wcs)
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
    "data and WCS alone": (on_each(BARE, BARE, BARE), RIGHT, {"grouping": "none"}),
}
