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
    def get_config_reftype(cls):
        """Name the CRDS parameter reference of the stock pipeline.

        Returns
        -------
        str
            The type under which CRDS keeps parameters of ``calwebb_image3``,
            so that the other steps run with the parameters they have there.
        """
        return "pars-image3pipeline"
