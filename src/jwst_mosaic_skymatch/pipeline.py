"""``calwebb_image3`` with the pixel-by-pixel sky match in the place of the stock one."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from jwst.datamodels import ModelLibrary
from jwst.pipeline import Image3Pipeline
from stdatamodels.jwst.datamodels import JwstDataModel
from stpipe import config_parser

from jwst_mosaic_skymatch.exposures.association import association_of_files
from jwst_mosaic_skymatch.exposures.library import are_paths, check_files
from jwst_mosaic_skymatch.parameters import PlainParameters
from jwst_mosaic_skymatch.step import PixelSkyMatchStep

__all__ = ["PixelSkyMatchImage3Pipeline"]


class PixelSkyMatchImage3Pipeline(PlainParameters, Image3Pipeline):
    """Combine imaging exposures as calwebb_image3 does, with PixelSkyMatchStep as skymatch."""

    class_alias = "calwebb_image3_pixel_skymatch"

    step_defs: ClassVar = {**Image3Pipeline.step_defs, "skymatch": PixelSkyMatchStep}

    @classmethod
    def call(cls, *args: Any, **kwargs: Any) -> Any:  # numpydoc ignore=PR01,RT01
        """Make a pipeline and run it; see `stpipe.Step.call`."""
        # Here too, since the parameters in CRDS are chosen by the first exposure.
        return super().call(*map(_as_stock_takes_it, args), **kwargs)

    @classmethod
    def build_config(cls, input: Any, **kwargs: Any) -> Any:  # numpydoc ignore=PR01,RT01
        """Build the configuration; for that stpipe opens the first exposure."""
        check_files(input, n_read=1)
        return super().build_config(input, **kwargs)

    def run(self, *args: Any) -> Any:
        """Run the pipeline.

        Parameters
        ----------
        *args
            One argument: what ``Image3Pipeline`` takes, a path, or an iterable of paths or models.

        Returns
        -------
        object
            What ``Image3Pipeline`` returns.

        Raises
        ------
        OSError
            If a file is missing or cannot be read.
        ValueError
            If there is no valid association or no science exposure in it.
        """
        args = tuple(map(_as_stock_takes_it, args))
        for inputs in args:
            check_files(inputs)
        return super().run(*args)

    def process(self, input_data: Any) -> Any:  # numpydoc ignore=PR01,RT01
        """Run the steps; see `run`."""
        if isinstance(input_data, (list, tuple)) and are_paths(input_data):
            # Of a list jwst opens all files at once, and it refuses to leave them on disk.
            input_data = association_of_files(input_data)
        return super().process(input_data)

    @classmethod
    def get_config_from_reference(
        cls, dataset: Any, *args: Any, **kwargs: Any
    ) -> config_parser.ConfigObj:  # numpydoc ignore=PR01,RT01
        """Look up parameters in CRDS, which are chosen by the first exposure."""
        check_files(dataset, n_read=1)
        return super().get_config_from_reference(dataset, *args, **kwargs)

    @classmethod
    def get_config_reftype(cls) -> str:  # numpydoc ignore=RT01
        """Name the stock pipeline's parameters in CRDS, with which the other steps run."""
        return "pars-image3pipeline"


def _as_stock_takes_it(inputs: Any) -> Any:
    """Make text of a path, a dict of an association, and a list of what can be gone through."""
    if isinstance(inputs, os.PathLike):
        return os.fspath(inputs)
    if isinstance(inputs, Mapping):
        return dict(inputs)
    known = isinstance(inputs, (str, Sequence, ModelLibrary, JwstDataModel))
    return list(inputs) if isinstance(inputs, Iterable) and not known else inputs
