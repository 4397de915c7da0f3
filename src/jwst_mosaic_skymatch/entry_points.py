"""What stpipe reads to list this package's step and pipeline.

Every ``strun`` and ``stpipe list`` calls `get_steps`, so nothing heavy may be
imported here.
"""

__all__ = ["get_steps"]


def get_steps() -> list[tuple[str, str, bool]]:  # numpydoc ignore=RT01
    """Name the step and the pipeline: class path, alias, and whether it is a pipeline."""
    return [
        ("jwst_mosaic_skymatch.PixelSkyMatchStep", "pixel_skymatch", False),
        (
            "jwst_mosaic_skymatch.PixelSkyMatchImage3Pipeline",
            "calwebb_image3_pixel_skymatch",
            True,
        ),
    ]
