"""Step and pipeline of this package for stpipe.

Every ``strun`` and ``stpipe list`` calls `get_steps`, so that nothing heavy may be imported here.
"""

__all__ = ["get_steps"]


def get_steps() -> list[tuple[str, str, bool]]:
    """Name the step and the pipeline.

    Returns
    -------
    list of tuple of (str, str, bool)
        Class path, alias, and whether it is a pipeline.
    """
    return [
        ("jwst_mosaic_skymatch.PixelSkyMatchStep", "pixel_skymatch", False),
        (
            "jwst_mosaic_skymatch.PixelSkyMatchImage3Pipeline",
            "calwebb_image3_pixel_skymatch",
            True,
        ),
    ]
