"""Metadata of a calibrated exposure, as calwebb_image2 leaves it."""

from typing import Any

import numpy as np
from gwcs import WCS
from stdatamodels.jwst.datamodels import ImageModel

from .aperture import Aperture
from .filters import FILTERS
from .pointing import Pointing

__all__ = ["fill_metadata"]

_EXPOSURE_TYPES = {"MIRI": "MIR_IMAGE", "NIRCAM": "NRC_IMAGE", "NIRISS": "NIS_IMAGE"}
_DONE = ("ramp_fit", "assign_wcs", "flat_field", "photom")
_SR_PER_ARCSEC2 = np.deg2rad(1 / 3600) ** 2
_FIRST_MJD = 59742.0  # the day after JWST's first images were taken
_DATE = "2022-06-12"


def fill_metadata(
    model: ImageModel,
    pointing: Pointing,
    aperture: Aperture,
    *,
    filter_name: str,
    exposure_time: float,
    target: str,
) -> None:
    """Fill in the metadata of a model in place.

    Parameters
    ----------
    model : stdatamodels.jwst.datamodels.ImageModel
        Model that has its data and its WCS.
    pointing : Pointing
        Where the exposure looked and what it is called.
    aperture : Aperture
        The aperture, with binning and subarray.
    filter_name : str
        One of `FILTERS`.
    exposure_time : float
        Exposure time, s.
    target : str
        Name of the target.
    """
    meta = model.meta
    meta.filename = f"{pointing.rootname}_cal.fits"
    meta.filetype = "calibrated"
    meta.telescope = "JWST"
    meta.date = f"{_DATE}T12:00:00.000"
    meta.bunit_data = meta.bunit_err = "MJy/sr"
    meta.instrument = _instrument(pointing, aperture, filter_name)
    meta.observation = _observation(pointing)
    meta.exposure = _exposure(pointing, aperture, exposure_time)
    meta.target = {
        "catalog_name": target,
        "proposer_name": target,
        "ra": pointing.ra_ref,
        "dec": pointing.dec_ref,
    }
    meta.visit.tsovisit = False
    meta.photometry = _photometry(aperture, filter_name)
    meta.subarray = _subarray(aperture)
    meta.aperture.name = meta.aperture.pps_name = aperture.name
    meta.aperture.position_angle = pointing.roll_ref
    meta.coordinates.reference_frame = "ICRS"
    meta.velocity_aberration.scale_factor = 1.0
    meta.wcsinfo = _wcsinfo(pointing, aperture, meta.wcs)
    for step in _DONE:
        setattr(meta.cal_step, step, "COMPLETE")


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
        "observation_label": "simulated",
        "date": _DATE,
        "time": "12:00:00.000",
        "date_beg": f"{_DATE}T12:00:00.000",
        "date_end": f"{_DATE}T12:05:00.000",
    }


def _exposure(pointing: Pointing, aperture: Aperture, time: float) -> dict[str, Any]:
    # Visits a tenth of a day apart, exposures one after the other.
    visit = 0.1 * (int(pointing.observation) + 0.1 * int(pointing.visit))
    start = _FIRST_MJD + visit + int(pointing.exposure) * time / 86400
    return {
        "type": _EXPOSURE_TYPES[aperture.instrument],
        "count": 1,
        "readpatt": "FASTR1" if aperture.instrument == "MIRI" else "SHALLOW4",
        "start_time": start,
        "mid_time": start + time / 2 / 86400,
        "end_time": start + time / 86400,
        "exposure_time": time,
        "measurement_time": time,
        "integration_time": time,
        "effective_exposure_time": time,
        "duration": time,
        "elapsed_exposure_time": time,
        "nints": 1,
        "ngroups": 20,
        "nframes": 1,
        "groupgap": 0,
        "group_time": time / 20,
        "frame_time": time / 20,
    }


def _photometry(aperture: Aperture, filter_name: str) -> dict[str, Any]:
    area, conversion = aperture.pixel_area, FILTERS[filter_name].conversion
    return {
        "conversion_megajanskys": conversion,
        "conversion_microjanskys": conversion * _SR_PER_ARCSEC2 * 1e12,
        "pixelarea_arcsecsq": area,
        "pixelarea_steradians": area * _SR_PER_ARCSEC2,
    }


def _subarray(aperture: Aperture) -> dict[str, Any]:
    rows, columns = aperture.shape
    x0, y0 = (corner // aperture.binning for corner in aperture.subarray[:2])
    return {
        "name": "FULL" if aperture.is_full else "GENERIC",
        "xstart": x0 + 1,
        "ystart": y0 + 1,
        "xsize": columns,
        "ysize": rows,
        "fastaxis": 1,
        "slowaxis": 2,
    }


def _wcsinfo(pointing: Pointing, aperture: Aperture, wcs: WCS) -> dict[str, Any]:
    return {
        "wcsaxes": 2,
        "ctype1": "RA---TAN",
        "ctype2": "DEC--TAN",
        "cunit1": "deg",
        "cunit2": "deg",
        "ra_ref": pointing.ra_ref,
        "dec_ref": pointing.dec_ref,
        "roll_ref": pointing.roll_ref,
        "v2_ref": aperture.v2_ref,
        "v3_ref": aperture.v3_ref,
        "v3yangle": aperture.v3_idl_yangle,
        "vparity": aperture.parity,
        "s_region": _region(wcs),
    }


def _region(wcs: WCS) -> str:
    corners = wcs.footprint(center=False).ravel()
    return "POLYGON ICRS  " + " ".join(f"{value:.9f}" for value in corners)
