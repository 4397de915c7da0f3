"""Metadata of an exposure, from the FITS keywords of its file."""

from astropy.io import fits
from stdatamodels.jwst.datamodels import read_metadata

__all__ = ["read_keywords"]

# Attributes of an exposure, by the extension and keyword that hold them.
_ATTRIBUTES = {
    "PRIMARY": {
        "FILENAME": "filename",
        "PROGRAM": "observation.program_number",
        "OBSERVTN": "observation.observation_number",
        "VISIT": "observation.visit_number",
        "VISIT_ID": "observation.visit_id",
        "VISITGRP": "observation.visit_group",
        "SEQ_ID": "observation.sequence_id",
        "ACT_ID": "observation.activity_id",
        "EXPOSURE": "observation.exposure_number",
        "INSTRUME": "instrument.name",
        "FILTER": "instrument.filter",
        "BKGLEVEL": "background.level",
        "BKGSUB": "background.subtracted",
    },
    "SCI": {
        "BUNIT": "bunit_data",
        "PIXAR_SR": "photometry.pixelarea_steradians",
        "S_REGION": "wcsinfo.s_region",
    },
}


def read_keywords(path):
    """Read what has to be known of an exposure before its pixels.

    Parameters
    ----------
    path : str
        A file of an exposure.

    Returns
    -------
    dict
        What is under ``meta``, nested, as from
        `~stdatamodels.jwst.datamodels.read_metadata`, which goes through all of the
        hundreds of keywords of a model and takes four times as long. It is asked
        where keywords do not tell: for files that are not FITS, and if a group has
        been given to the exposure, which is in its ASDF extension only.

    Raises
    ------
    ValueError
        If pixels or WCS are missing. The WCS comes last in a file, so that one which
        has been cut off is found here.
    """
    if not str(path).lower().endswith(".fits"):
        return read_metadata(path, flatten=False)["meta"]
    found = {}
    with fits.open(path, memmap=False) as hdus:
        for extension in ("SCI", "ASDF"):
            if extension not in hdus:
                raise ValueError(f"{path}: no {extension} extension")
        if b"group_id" in hdus["ASDF"].data.tobytes():
            return read_metadata(path, flatten=False)["meta"]
        for extension, attributes in _ATTRIBUTES.items():
            header = hdus[extension].header
            for keyword, name in attributes.items():
                if header.get(keyword) is not None:
                    _put(found, name, header[keyword])
    return found


def _put(tree, name, value):
    *parents, last = name.split(".")
    for parent in parents:
        tree = tree.setdefault(parent, {})
    tree[last] = value
