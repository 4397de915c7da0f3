"""The step: glue between jwst's data models and the numerics."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from tempfile import TemporaryDirectory
from typing import Any

from astropy.table import QTable
from jwst.datamodels import ModelLibrary
from jwst.skymatch import SkyMatchStep
from stpipe import config_parser

from jwst_mosaic_skymatch import __version__
from jwst_mosaic_skymatch.absolute import absolute_levels
from jwst_mosaic_skymatch.compute.executors import open_workers
from jwst_mosaic_skymatch.describe import describe_match
from jwst_mosaic_skymatch.exposures.associations import expand, first_exposure
from jwst_mosaic_skymatch.exposures.library import StepInput, light_loading, open_input
from jwst_mosaic_skymatch.exposures.metadata import check_exposures, check_rerun
from jwst_mosaic_skymatch.offsets.regression import OFFSET_STATS
from jwst_mosaic_skymatch.parameters import (
    REPLACED,
    REPLACED_SPEC,
    Parameters,
    check_combination,
    has_crds,
    stock_parameters,
    take_hooked_parameters,
    workers_of,
)
from jwst_mosaic_skymatch.products import files
from jwst_mosaic_skymatch.products.findings import Finding, findings_of_input
from jwst_mosaic_skymatch.products.messages import describe_levels
from jwst_mosaic_skymatch.products.record import record_levels
from jwst_mosaic_skymatch.report.result import MatchResult, make_result, save_result
from jwst_mosaic_skymatch.run import Matched, match_library

__all__ = ["PixelSkyMatchStep"]

# A child of "stpipe" is printed standalone and inside any pipeline; a logger
# named after this package would be silent inside calwebb_image3.
log = logging.getLogger("stpipe.pixel_skymatch")


class PixelSkyMatchStep(SkyMatchStep):
    """Equalize the sky background of overlapping exposures pixel by pixel."""

    #: `~jwst_mosaic_skymatch.report.result.MatchResult` of the last run, whatever its method; None
    #: before, and after a run that ended with an error.
    result: MatchResult | None = None

    # Members of the last association that are no science exposures; warnings of this run.
    _others: Sequence[Mapping[str, Any]] = ()
    _findings: tuple[Finding, ...] = ()

    # Names of files are text or paths, and numbers of cores text or numbers: `pass` takes both.
    spec = f"""
        offset_stat = option({", ".join(map(repr, OFFSET_STATS))}, default='biweight') # statistic of the per-pixel differences of two groups
        stepsize = integer(default=None) # accepted as in SkyMatchStep; has no effect on matching
        skylist = pass(default=None) # Filename pointing to list of (imagename skyval) pairs
        grouping = string(default='visit') # what is drizzled together: a visit, an exposure (all detectors share one level), none, or exposures with one value of an attribute, such as meta.observation.visit_group
        background = option('constant', 'plane', 'plane_per_exposure', default='constant') # what to match: a level of each exposure, or a level and a gradient of each visit and detector, or of each exposure; planes need subtract=True
        edge_trim = integer(min=0, default=0) # rows and columns next to the edge of the illuminated array that are left out of the matching
        exclude = pass(default=None) # DS9 region file, or FITS mask with a celestial WCS, of what is left out of the matching
        include = pass(default=None) # file as for exclude, of what alone is matched
        miri_lyot = option('keep', 'mask', default='keep') # field of MIRI's Lyot coronagraph: match with the imager, with its offset in the model, or leave out
        reference = pass(default=None) # member or visit whose mean level is zero, FITS image that exposures minus their levels are equal to, or table of levels (ECSV) of an earlier run, which its exposures keep
        pixel_scale_ratio = float(min=0.1, default=2.2) # cell size of the shared grid in native pixels; whole numbers are less accurate
        tie_detectors = boolean(default=True) # choose the constants of components that do not overlap so that detectors of one exposure agree?
        maximum_cores = pass(default='1') # cores for multiprocessing. Can be an integer, 'half', 'quarter', or 'all'; or the address of a running dask.distributed scheduler, such as tcp://host:8786
        save_diagnostics = boolean(default=False) # also save tables of levels and pairs with their errors (ECSV), a skylist, a report (HTML), and each group's drizzled image (suffix skytile)
        output_dir = pass(default=None) # Directory path for output files (created if nonexistent)
        suffix = string(default='skymatch') # suffix of output files
        output_use_model = boolean(default=True) # name output files after the exposures
        {REPLACED_SPEC}
    """  # noqa: E501

    @property
    def levels_table(self) -> QTable | None:
        """Levels of the last run with a matching method; None before."""
        return self.result.levels if self.result and "match" in self.result.method else None

    @property
    def pairs_table(self) -> QTable | None:
        """Pairs of the last run with a matching method; None before."""
        return self.result.pairs if self.result and "match" in self.result.method else None

    def process(self, input_models: Any) -> ModelLibrary:
        """Measure the sky level of each exposure and record it.

        Parameters
        ----------
        input_models : str, path, mapping, iterable, model, ModelContainer or ModelLibrary
            An association (file or mapping), the exposures' file names, or their
            models. Paths are relative to the working directory. Models are
            copied when the step runs by itself; a ModelLibrary is not, it
            changes hands.

        Returns
        -------
        `~jwst.datamodels.library.ModelLibrary`
            The exposures with ``meta.background`` and
            ``meta.cal_step.skymatch`` set, and levels subtracted if
            ``subtract`` is set.

        Raises
        ------
        OSError
            If a file is missing or cannot be read or written.
        ValueError
            If the exposures or parameters do not fit together.
        """
        self.result, self._findings = None, ()
        take_hooked_parameters(self)
        log.info("jwst-mosaic-skymatch %s. Sky method %s", __version__, self.skymethod)
        # This refuses values that the spec does not allow.
        parameters = self.get_pars()
        parameters["grouping"] = self.grouping or "none"  # None in scripts for the prototype
        self._say(check_combination(parameters))
        for name in REPLACED:
            del parameters[name]
        with (
            light_loading(),
            open_workers(workers_of(parameters)) as workers,
            TemporaryDirectory(prefix="pixel_skymatch_") as directory,
        ):
            step_input = self._open(input_models, parameters["grouping"])
            exposures = step_input.exposures
            self._say(findings=findings_of_input(exposures))
            if "match" in self.skymethod:
                matched = match_library(step_input, parameters, workers, directory)
            else:
                matched = absolute_levels(step_input, parameters)
            self._say(*describe_match(matched, exposures, parameters))
            record_levels(
                step_input.library,
                exposures,
                matched.match,
                matched.values,
                method=self.skymethod,
                subtract=self.subtract,
            )
            self.result = self._report(step_input, matched, parameters)
        self._say([*describe_levels(self.result.levels), str(self.result.verdict)])
        return step_input.library

    @classmethod
    def build_config(cls, input: Any, **kwargs: Any) -> Any:
        """Return the configuration of `call`; refuse an association that cannot be matched."""
        return super().build_config(first_exposure(input), **kwargs)

    @classmethod
    def get_config_from_reference(
        cls, dataset: Any, disable: bool | None = None, crds_observatory: str | None = None
    ) -> config_parser.ConfigObj:
        """Return the stock step's parameters; none without CRDS, as the step runs without it."""
        dataset, parameters = first_exposure(dataset), {}
        try:
            if has_crds():
                stock = SkyMatchStep.get_config_from_reference(dataset, disable, crds_observatory)
                parameters = stock_parameters(stock)
        except SystemExit:  # CRDS ends the process if it has neither its server nor a cache.
            log.warning("CRDS cannot be reached; the run goes on without parameters from it")
        return config_parser.ConfigObj(parameters)

    def save_model(self, model: Any, suffix: str | None = None, *args: Any, **kwargs: Any) -> Any:
        """Save exposures all or none, under their own names, and an association of them.

        Parameters
        ----------
        model : model or `~jwst.datamodels.library.ModelLibrary`
            The models.
        suffix, *args, **kwargs
            As for stpipe's method.

        Returns
        -------
        list of str or None
            Paths of the files; None when saving was not asked for.
        """
        if not isinstance(model, ModelLibrary):
            return super().save_model(model, suffix, *args, **kwargs)
        output_file = kwargs.get("output_file") or self.output_file
        if not (kwargs.get("force") or self.save_results or output_file):
            return None
        return files.save_exposures(
            model,
            self._others,
            self.output_file,
            lambda name: self.make_output_path(basepath=name, suffix=suffix),
            self._product_path,
        )

    def _open(self, input_models: Any, grouping: str) -> StepInput:
        """Open the input and refuse exposures that cannot be compared or saved."""
        if self.output_dir or self.save_results:
            files.require_writable(expand(self.search_attr("output_dir", ".")))
        step_input = open_input(
            input_models,
            on_disk=not self.in_memory,
            own_models=self.prepare_output,
            grouping=grouping,
        )
        check_exposures(step_input.exposures)
        check_rerun(step_input.exposures, subtract=self.subtract)
        if self.save_results:
            path = self.make_output_path
            outputs = [(e.name, path(basepath=e.filename)) for e in step_input.exposures]
            files.check_outputs(outputs, step_input.files)
        self._others = step_input.others
        return step_input

    def _report(
        self,
        step_input: StepInput,
        matched: Matched,
        parameters: Parameters,
    ) -> MatchResult:
        """Make the result and, with ``save_diagnostics``, save its files."""
        exposures, match = step_input.exposures, matched.match
        grid, levels = matched.grid, matched.values
        filenames = [exposure.filename for exposure in exposures]
        name = files.product_name(step_input.library.asn, filenames, self.output_file)
        how = exposures, match, grid, levels
        result = make_result(name, *how, parameters, self._findings)
        if grid and self.save_diagnostics:
            self._say(save_result(result, exposures, match, grid, levels, self._product_path))
        return result

    def _say(self, lines: Iterable[str] = (), findings: Iterable[Finding] = ()) -> None:
        """Log lines and warnings, and keep these for the result."""
        for line in lines:
            log.info(line)
        for finding in findings:
            log.warning("%s", finding)
            self._findings += (finding,)

    def _product_path(self, name: str, suffix: str, extension: str) -> str:
        return self.make_output_path(basepath=f"{name}.{extension}", ext=extension, suffix=suffix)
