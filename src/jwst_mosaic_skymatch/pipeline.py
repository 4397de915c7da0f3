"""``calwebb_image3`` with the pixel-by-pixel sky match in the place of the stock one."""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike, fspath
from typing import Any, ClassVar

from jwst.datamodels import ModelLibrary
from jwst.pipeline import Image3Pipeline
from stdatamodels.jwst.datamodels import JwstDataModel
from stpipe import config_parser

from jwst_mosaic_skymatch.exposures.associations import as_association, first_exposure
from jwst_mosaic_skymatch.exposures.library import check_files
from jwst_mosaic_skymatch.step import PixelSkyMatchStep

__all__ = ["PixelSkyMatchImage3Pipeline"]


class PixelSkyMatchImage3Pipeline(Image3Pipeline):
    """Combine imaging exposures as calwebb_image3 does, with PixelSkyMatchStep as skymatch."""

    class_alias = "calwebb_image3_pixel_skymatch"

    step_defs: ClassVar = {**Image3Pipeline.step_defs, "skymatch": PixelSkyMatchStep}

    @classmethod
    def call(cls, inputs: Any, **kwargs: Any) -> Any:
        """Make a pipeline and run it; see `stpipe.Step.call`.

        Parameters
        ----------
        inputs : object
            As for `run`.
        **kwargs
            Parameters of the pipeline.

        Returns
        -------
        object
            See `run`.
        """
        # Here too, since the first exposure is opened to choose the parameters in CRDS.
        inputs = _as_jwst_takes_it(inputs)
        check_files(as_association(inputs))
        return super().call(inputs, **kwargs)

    def run(self, inputs: Any) -> Any:
        """Run the pipeline.

        Parameters
        ----------
        inputs : object
            Any input of ``Image3Pipeline``, or an iterable of paths or models.

        Returns
        -------
        object
            The value of ``Image3Pipeline``.

        Raises
        ------
        OSError
            If a file is missing or cannot be read.
        ValueError
            If there is no valid association or no science exposure in it.
        """
        inputs = as_association(inputs)
        check_files(inputs)
        return super().run(inputs)

    @classmethod
    def build_config(cls, input: Any, **kwargs: Any) -> Any:
        """Return the configuration of `call`; refuse an association that cannot be matched."""
        return super().build_config(first_exposure(input), **kwargs)

    @classmethod
    def get_config_from_reference(cls, dataset: Any, **kwargs: Any) -> config_parser.ConfigObj:
        """Return the stock pipeline's parameters, since CRDS has files for stock steps alone."""
        return Image3Pipeline.get_config_from_reference(first_exposure(dataset), **kwargs)


def _as_jwst_takes_it(inputs: Any) -> Any:
    """Make text of a path, a dict of a mapping, and a list of an iterable."""
    if isinstance(inputs, PathLike):
        return fspath(inputs)
    if isinstance(inputs, Mapping):
        return dict(inputs)
    known = isinstance(inputs, (str, Sequence, ModelLibrary, JwstDataModel))
    return list(inputs) if isinstance(inputs, Iterable) and not known else inputs
