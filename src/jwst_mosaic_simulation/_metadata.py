"""Metadata of a calibrated exposure, as calwebb_image2 leaves it."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from stdatamodels.jwst.datamodels import ImageModel

from ._geometry import Aperture
from .noise import FILTERS
from .pointing import Pointing
from .scene import Scene

_EXPOSURE_TYPES = {"MIRI": "MIR_IMAGE", "NIRCAM": "NRC_IMAGE", "NIRISS": "NIS_IMAGE"}
_SR_PER_ARCSEC2 = np.deg2rad(1 / 3600) ** 2
_FIRST_MJD = 59742.0  # the day after JWST's first images were taken


def fill_metadata(model: ImageModel, scene: Scene, pointing: Pointing, aperture: Aperture) -> None:
    """Fill in the metadata of a model that has its WCS."""
    meta = model.meta
    model.update(_shared())
    meta.filename = f"{pointing.rootname}_cal.fits"
    meta.target.catalog_name = meta.target.proposer_name = scene.target
    meta.target.ra, meta.target.dec = pointing.ra_ref, pointing.dec_ref
    meta.aperture.name = meta.aperture.pps_name = aperture.name
    meta.aperture.position_angle = pointing.roll_ref
    sections = {
        "instrument": _instrument(pointing, aperture, scene.filter_name),
        "observation": _observation(pointing),
        "exposure": _exposure(pointing, aperture, scene.noise.exposure_time),
        "photometry": _photometry(aperture, FILTERS[scene.filter_name].conversion),
        "subarray": _subarray(aperture),
        "wcsinfo": _wcsinfo(pointing, aperture, meta.wcs.footprint(center=False)),
    }
    for section, values in sections.items():
        for name, value in values.items():
            setattr(getattr(meta, section), name, value)


@cache
def _shared() -> dict[str, Any]:
    return json.loads((files(__package__) / "data" / "metadata.json").read_text())


def _instrument(pointing: Pointing, aperture: Aperture, filter_name: str) -> dict[str, Any]:
    values = {"name": aperture.instrument, "detector": pointing.detector, "filter": filter_name}
    if aperture.instrument == "NIRCAM":
        values["pupil"] = "CLEAR"
        values["channel"] = "LONG" if pointing.detector.endswith("LONG") else "SHORT"
        values["module"] = pointing.detector[3]
    return values


def _observation(pointing: Pointing) -> dict[str, Any]:
    activity = pointing.visit_group + pointing.sequence_id + pointing.activity_id
    return {
        "program_number": pointing.program,
        "observation_number": pointing.observation,
        "visit_number": pointing.visit,
        "visit_id": pointing.visit_id,
        "visit_group": pointing.visit_group,
        "sequence_id": pointing.sequence_id,
        "activity_id": pointing.activity_id,
        "exposure_number": pointing.exposure,
        "obs_id": f"V{pointing.visit_id}P0000000{activity}",
    }


def _exposure(pointing: Pointing, aperture: Aperture, time: float) -> dict[str, Any]:
    # Visits a tenth of a day apart, exposures one after the other.
    visit = 0.1 * (int(pointing.observation) + 0.1 * int(pointing.visit))
    start = _FIRST_MJD + visit + int(pointing.exposure) * time / 86400
    durations = ("exposure", "measurement", "integration", "effective_exposure", "elapsed_exposure")
    return {
        "type": _EXPOSURE_TYPES[aperture.instrument],
        "readpatt": "FASTR1" if aperture.instrument == "MIRI" else "SHALLOW4",
        "start_time": start,
        "mid_time": start + time / 2 / 86400,
        "end_time": start + time / 86400,
        **{f"{name}_time": time for name in durations},
        "duration": time,
        "group_time": time / 20,
        "frame_time": time / 20,
    }


def _photometry(aperture: Aperture, conversion: float) -> dict[str, Any]:
    return {
        "conversion_megajanskys": conversion,
        "conversion_microjanskys": conversion * _SR_PER_ARCSEC2 * 1e12,
        "pixelarea_arcsecsq": aperture.pixel_area,
        "pixelarea_steradians": aperture.pixel_area * _SR_PER_ARCSEC2,
    }


def _subarray(aperture: Aperture) -> dict[str, Any]:
    rows, columns = aperture.shape
    return {
        "name": "FULL" if aperture.is_full else "GENERIC",
        "xstart": aperture.subarray[0] // aperture.binning + 1,
        "ystart": aperture.subarray[1] // aperture.binning + 1,
        "xsize": columns,
        "ysize": rows,
    }


def _wcsinfo(pointing: Pointing, aperture: Aperture, corners: np.ndarray) -> dict[str, Any]:
    v2_ref, v3_ref = aperture.reference_point
    return {
        "ra_ref": pointing.ra_ref,
        "dec_ref": pointing.dec_ref,
        "roll_ref": pointing.roll_ref,
        "v2_ref": v2_ref,
        "v3_ref": v3_ref,
        "v3yangle": aperture.siaf["v3_idl_yangle"],
        "vparity": aperture.siaf["v_idl_parity"],
        "s_region": "POLYGON ICRS  " + " ".join(f"{value:.9f}" for value in corners.ravel()),
    }
