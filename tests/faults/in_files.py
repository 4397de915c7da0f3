"""Faults of files and of associations."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from faults.mosaic import CHOSEN, assign, in_fits, in_model, on_middle
from faults.outcomes import ON_DISK, RIGHT, Matched, refused
from helpers import rootname
from stdatamodels.jwst.datamodels import CubeModel

from jwst_mosaic_simulation import simulate_exposure

UNREADABLE = refused(OSError, "cannot be read", "fetch or make the file anew")
NO_FILE = refused(FileNotFoundError, "lists it", "correct its name")


def cut_at(size):
    return on_middle(lambda path: path.write_bytes(path.read_bytes()[:size]))


def remove_extension(name):
    return on_middle(in_fits(lambda hdus: hdus.__delitem__(name)))


def rename_middle(name):
    def prepare(work):
        path = work.middle
        work.truth[rootname(name)] = work.truth[rootname(path.name)]
        path.rename(path.with_name(name))
        work.associate(file.name for file in work.files)
        return name

    return prepare


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


# --- Associations --------------------------------------------------------


def association_of(text):
    def prepare(work):
        work.association.write_text(text)
        return "asn.json"

    return prepare


def list_also(name):
    """List a file that is not there."""

    def prepare(work):
        work.associate([*(path.name for path in work.files), name])
        return name

    return prepare


def list_as_background(work):
    text = work.association.read_text()
    return association_of(text.replace("science", "background"))(work)


def list_in_products(work):
    """List each exposure in a product of its own, as associations of level 2 do."""
    association = json.loads(work.association.read_text())
    (product,) = association["products"]
    association["products"] = [{**product, "members": [m]} for m in product["members"]]
    return association_of(json.dumps(association))(work)


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


def make_cube(model):
    cube = CubeModel(np.zeros((2, *model.data.shape), dtype=np.float32))
    cube.update(model)
    cube.meta.wcs, cube.meta.filename = model.meta.wcs, model.meta.filename
    return cube


def other_filter(model):
    model.meta.photometry.pixelarea_steradians *= 4
    model.meta.instrument.filter = "F560W"


NOT_VALID = refused(ValueError, "not a")

ASSOCIATIONS = {
    "no JSON": (association_of('{"products": [{"members": ['), NOT_VALID),
    "no product": (association_of("{}"), NOT_VALID),
    "member null": (association_of('{"products": [{"members": [null]}]}'), NOT_VALID),
    "expname empty": (list_also(""), NO_FILE),
    "expname a URI": (list_also("s3://bucket/a_cal.fits"), NO_FILE),
    "products": (list_in_products, refused(ValueError, "3 products", "in one product")),
    "one member": (list_only(1), Matched("no overlap with others", who=(0,))),
    "two members": (list_only(2), RIGHT),
    "listed through a link": (list_through_link, refused(ValueError, "remove the duplicate")),
    "instruments": (
        on_middle(assign("meta.instrument.name", "NIRCAM")),
        refused(ValueError, "one association for each"),
    ),
    "cube": (on_middle(in_model(make_cube)), refused(ValueError, "2-D")),
    "background only": (list_as_background, refused(ValueError, "exptype")),
    "not there": (
        lambda work: work.association.unlink(),
        refused(FileNotFoundError, "in/asn.json", "its name and its directory"),
    ),
    "filter and pixel area": (
        on_middle(in_model(other_filter)),
        Matched(warned=(("{name}: filter is F560W", "not comparable"),)),
    ),
    "resampled": (
        on_middle(assign("meta.cal_step.resample", "COMPLETE")),
        Matched(warned=(("{name}: is resampled, as 1 of 3 exposures are", "_cal.fits"),)),
    ),
    "subarray": (take_subarray, RIGHT),
}
