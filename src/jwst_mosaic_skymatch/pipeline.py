"""``calwebb_image3`` with the pixel-by-pixel sky match in the place of the stock one."""

from typing import ClassVar

from jwst.pipeline import Image3Pipeline

from jwst_mosaic_skymatch.step import PixelSkyMatchStep

__all__ = ["PixelSkyMatchImage3Pipeline"]


class PixelSkyMatchImage3Pipeline(Image3Pipeline):
    """Combine imaging exposures as calwebb_image3 does, with PixelSkyMatchStep as skymatch."""

    class_alias = "calwebb_image3_pixel_skymatch"

    step_defs: ClassVar = {**Image3Pipeline.step_defs, "skymatch": PixelSkyMatchStep}

    @classmethod
    def get_config_reftype(cls):  # numpydoc ignore=RT01
        """Name the stock pipeline's parameters in CRDS, with which the other steps run."""
        return "pars-image3pipeline"
