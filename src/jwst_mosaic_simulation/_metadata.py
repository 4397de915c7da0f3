"""Metadata of a calibrated exposure, as after calwebb_image2."""

import json
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
    """Write the metadata of an exposure into a model with its WCS."""
    model.update(json.loads((files(__package__) / "data" / "metadata.json").read_text()))
    sections = (
        _of_pointing(pointing),
        _of_aperture(aperture),
        _of_time(pointing, scene.noise.exposure_time),
        {"target": {"catalog_name": scene.target, "proposer_name": scene.target}},
        {"instrument": {"detector": pointing.detector, "filter": scene.filter_name}},
    )
    for section, values in (item for part in sections for item in part.items()):
        for name, value in values.items():
            model[f"meta.{section}.{name}"] = value
    conversion = FILTERS[scene.filter_name].conversion
    model.meta.photometry.conversion_megajanskys = conversion
    model.meta.photometry.conversion_microjanskys = conversion * _SR_PER_ARCSEC2 * 1e12
    region = " ".join(f"{c:.9f}" for c in model.meta.wcs.footprint(center=False).ravel())
    model.meta.wcsinfo.s_region = f"POLYGON ICRS  {region}"
    model.meta.filename = f"{pointing.rootname}_cal.fits"


def _of_pointing(pointing: Pointing) -> dict[str, dict[str, Any]]:
    same = ("visit_id", "visit_group", "sequence_id", "activity_id")
    numbers = ("program", "observation", "visit", "exposure")
    activity = pointing.visit_group + pointing.sequence_id + pointing.activity_id
    return {
        "observation": {
            **{name: getattr(pointing, name) for name in same},
            **{f"{name}_number": getattr(pointing, name) for name in numbers},
            "obs_id": f"V{pointing.visit_id}P0000000{activity}",
        },
        "wcsinfo": {name: getattr(pointing, name) for name in ("ra_ref", "dec_ref", "roll_ref")},
        "target": {"ra": pointing.ra_ref, "dec": pointing.dec_ref},
        "aperture": {"position_angle": pointing.roll_ref},
    }


def _of_aperture(aperture: Aperture) -> dict[str, dict[str, Any]]:
    siaf, name, instrument = aperture.siaf, aperture.siaf["aperture"], aperture.siaf["instrument"]
    rows, columns = aperture.shape
    x0, y0 = (corner // aperture.binning for corner in aperture.subarray[:2])
    channels: dict[str, str] = {}
    if instrument == "NIRCAM":
        channel = "LONG" if name[4] == "5" else "SHORT"
        channels = {"pupil": "CLEAR", "channel": channel, "module": name[3]}
    return {
        "instrument": {"name": instrument, **channels},
        "exposure": {
            "type": _EXPOSURE_TYPES[instrument],
            "readpatt": "FASTR1" if instrument == "MIRI" else "SHALLOW4",
        },
        "aperture": {"name": name, "pps_name": name},
        "photometry": {
            "pixelarea_arcsecsq": aperture.pixel_area,
            "pixelarea_steradians": aperture.pixel_area * _SR_PER_ARCSEC2,
        },
        "subarray": {
            "name": "FULL" if aperture.is_full else "GENERIC",
            **{"xstart": x0 + 1, "ystart": y0 + 1, "xsize": columns, "ysize": rows},
        },
        "wcsinfo": {
            **{name: siaf[name] for name in ("v2_ref", "v3_ref")},
            "v3yangle": siaf["v3_idl_yangle"],
            "vparity": siaf["v_idl_parity"],
        },
    }


def _of_time(pointing: Pointing, time: float) -> dict[str, dict[str, Any]]:
    # Visits a tenth of a day apart, exposures one after the other.
    visit = 0.1 * (int(pointing.observation) + 0.1 * int(pointing.visit))
    start = _FIRST_MJD + visit + int(pointing.exposure) * time / 86400
    moments = {"start": start, "mid": start + time / 2 / 86400, "end": start + time / 86400}
    durations = ("exposure", "measurement", "integration", "effective_exposure", "elapsed_exposure")
    moments |= dict.fromkeys(durations, time) | dict.fromkeys(("group", "frame"), time / 20)
    return {
        "exposure": {f"{name}_time": value for name, value in moments.items()} | {"duration": time}
    }
