"""Results that are made up, of any size."""

import numpy as np
from astropy import units as u
from astropy.table import QTable

from jwst_mosaic_skymatch.exposures.sky_files import tangent_plane
from jwst_mosaic_skymatch.products.findings import Finding
from jwst_mosaic_skymatch.report.mosaic import MosaicPicture
from jwst_mosaic_skymatch.report.picture import DifferencePicture
from jwst_mosaic_skymatch.report.result import MatchResult

UNIT = u.MJy / u.sr
# Exposures of a group, and seconds of arc from one group to the next.
DEPTH, PITCH = 4, 60.0


def make_result(n=8, *, name="jw{k:05d}_cal.fits", pictures=True, mosaic=True, seed=1):
    """Make up a result of n exposures in groups of four, side by side on the sky."""
    rng = np.random.default_rng(seed)
    groups = np.arange(n) // DEPTH
    side = int(np.ceil(np.sqrt(groups.max() + 1)))
    names = [name.format(k=k) for k in range(n)]
    labels = [f"group{g:04d}" for g in groups]
    levels = QTable(
        {
            "filename": names,
            **_measured(rng.normal(1.0, 0.3, n) * UNIT, "level"),
            "visit_id": [f"{g:011d}" for g in groups],
            "group": labels,
            "component": np.zeros(n, dtype=int),
            **_measured(rng.normal(0.0, 0.01, n) * u.arcsec, "shift_ra", "shift_dec"),
            "n_pairs": np.full(n, 5),
            "status": ["COMPLETE"] * n,
            "remark": [""] * n,
        },
    )
    inside = [(i, j) for i in range(n) for j in range(i + 1, n) if groups[i] == groups[j]]
    between = [(g, g + step) for g in range(groups.max() + 1) for step in (1, side)]
    between = [(g, h) for g, h in between if h <= groups.max()]
    ends = [(names[i], names[j], "in-stack") for i, j in inside]
    ends += [(f"group{g:04d}", f"group{h:04d}", "between stacks") for g, h in between]
    m = len(ends)
    first, second, stage = zip(*ends, strict=True)
    pairs = QTable(
        {
            "first": list(first),
            "second": list(second),
            "stage": list(stage),
            "n_cells": np.full(m, 900),
            **_measured(rng.normal(0.0, 0.4, m) * UNIT, "offset"),
            "offset_error_noise": np.full(m, 1e-3) * UNIT,
            "residual": rng.normal(0.0, 2e-3, m) * UNIT,
            "used": np.ones(m, dtype=bool),
        }
    )
    centres = np.stack([groups % side, groups // side], axis=1) * PITCH / 3600.0
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * 0.6 * PITCH / 3600.0
    centres = centres + rng.normal(0.0, 1e-4, centres.shape)
    return MatchResult(
        product="made-up",
        method="match",
        levels=levels,
        pairs=pairs,
        findings=(
            Finding(
                "1 exposure lies beside the others",
                "run tweakreg again",
                (names[1],),
                (f"{names[1]}: displaced",),
                "displaced",
            ),
        ),
        footprints=tuple(centre + corners + (150.0, 2.0) for centre in centres),
        mosaic=_picture_of_mosaic(rng) if mosaic else None,
        pictures={(a, b): _picture(rng) for a, b, _ in ends} if pictures else {},
        provenance={
            "run": {"date": "2030-01-01 00:00:00 UTC"},
            "versions": {"jwst": "3.0.0"},
            "parameters": {"skymethod": "match"},
        },
    )


def _measured(values, *names):
    """Make columns of the same values, and of their errors."""
    errors = np.full(len(values), 2e-3) * values.unit
    return dict.fromkeys(names, values) | {f"{name}_error": errors for name in names}


def _picture(rng):
    image = rng.normal(0.0, 0.01, (20, 30)).astype(np.float32)
    image[:3, :3] = np.nan
    return DifferencePicture(10, 20, 8, image)


def _picture_of_mosaic(rng):
    """Draw noise, which nothing compresses, as large as pictures are."""
    before, after, residual = rng.normal(0.0, 1.0, (3, 480, 480)).astype(np.float32)
    wcs = tangent_plane(150.0, 2.0, np.diag([-0.8, 0.8]) / 3600, (240.5, 240.5))
    return MosaicPicture(before, after, residual, wcs)
