"""The step: glue between jwst's data models and the numerics."""

import gc
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from astropy.table import QTable
from jwst.datamodels import ModelLibrary
from jwst.skymatch import SkyMatchStep
from stdatamodels.jwst.datamodels import JwstDataModel
from stpipe import config_parser

from jwst_mosaic_skymatch import __version__
from jwst_mosaic_skymatch.anchors import (
    Anchor,
    anchor_of_reference,
    anchor_of_table,
    fix_zero_point,
)
from jwst_mosaic_skymatch.compute.executors import open_workers
from jwst_mosaic_skymatch.exposures.library import StepInput, expand, open_input
from jwst_mosaic_skymatch.exposures.loading import frozen_objects, rare_collection, trusted_files
from jwst_mosaic_skymatch.exposures.metadata import (
    check_exposures,
    check_rerun,
    describe_differences,
    group_labels,
)
from jwst_mosaic_skymatch.exposures.models import read_skies
from jwst_mosaic_skymatch.exposures.sky import SkyStatistic
from jwst_mosaic_skymatch.exposures.skylist import user_levels
from jwst_mosaic_skymatch.hooks import in_place_of_hooked_step
from jwst_mosaic_skymatch.levels.absolute import add_global_level, global_levels, local_levels
from jwst_mosaic_skymatch.levels.results import NO_PIXEL, Match, unmatched
from jwst_mosaic_skymatch.parameters import (
    REPLACED,
    REPLACED_SPEC,
    PlainParameters,
    check_combination,
    exclusion,
    is_table,
    match_settings,
    sky_statistic,
    workers_of,
)
from jwst_mosaic_skymatch.products import files, tables
from jwst_mosaic_skymatch.products.findings import Finding
from jwst_mosaic_skymatch.products.record import (
    describe_levels,
    findings_of_unmatched,
    levels_before,
    record_levels,
)
from jwst_mosaic_skymatch.products.stopwatch import Stopwatch
from jwst_mosaic_skymatch.report import diagnostics
from jwst_mosaic_skymatch.report.mosaic import MosaicPicture, condense_mosaic
from jwst_mosaic_skymatch.report.result import MatchResult
from jwst_mosaic_skymatch.report.sources import pictures_of, provenance_of, sky_footprints
from jwst_mosaic_skymatch.report.verdict import Closure, summary_lines
from jwst_mosaic_skymatch.run import match_library
from jwst_mosaic_skymatch.tiles.exclusion import MIRI_LYOT
from jwst_mosaic_skymatch.tiles.frame import PixelPlane
from jwst_mosaic_skymatch.tiles.grid import Grid

__all__ = ["PixelSkyMatchStep"]

# A child of "stpipe" is shown standalone and inside any pipeline; a logger
# named after this package would be silent inside calwebb_image3.
log = logging.getLogger("stpipe.pixel_skymatch")


class PixelSkyMatchStep(PlainParameters, SkyMatchStep):
    """Equalize the sky background of overlapping exposures pixel by pixel."""

    class_alias = "pixel_skymatch"

    #: Tables of the last run with a matching method, see
    #: `~jwst_mosaic_skymatch.products.tables`; None before.
    levels_table: QTable | None = None
    pairs_table: QTable | None = None

    #: `~jwst_mosaic_skymatch.report.result.MatchResult` of the last run, whatever its method; None
    #: before, and after a run that ended with an error.
    result: MatchResult | None = None

    # Members of the last association that are no science exposures.
    _others: Sequence[Mapping[str, Any]] = ()
    # What users should know of this run.
    _findings: tuple[Finding, ...] = ()

    spec = f"""
        offset_stat = option('biweight', 'median', default='biweight') # statistic of the per-pixel differences of two groups
        stepsize = integer(default=None) # accepted as in SkyMatchStep; has no effect on matching
        grouping = option('visit', 'exposure', 'none', default='visit') # what is drizzled together: a visit, an exposure (all detectors share one level), or nothing
        background = option('constant', 'plane', 'plane_per_exposure', default='constant') # what to match: a level of each exposure, or a level and a gradient of each visit and detector, or of each exposure; planes need subtract=True
        edge_trim = integer(min=0, default=0) # rows and columns next to the edge of the illuminated array that are left out of the matching
        exclude = string(default=None) # DS9 region file, or FITS mask with a celestial WCS, of what is left out of the matching
        miri_lyot = option({", ".join(map(repr, MIRI_LYOT))}, default='keep') # field of MIRI's Lyot coronagraph: match with the imager, with its offset in the model, or leave out
        reference = string(default=None) # member or visit whose mean level is zero, FITS image that exposures minus their levels are equal to, or table of levels (ECSV) of an earlier run, which its exposures keep
        pixel_scale_ratio = float(min=0.1, default=2.2) # cell size of the shared grid in native pixels; whole numbers are less accurate
        tie_detectors = boolean(default=True) # choose the constants of components that do not overlap so that detectors of one exposure agree?
        maximum_cores = string(default='1') # cores for multiprocessing. Can be an integer, 'half', 'quarter', or 'all'; or the address of a running dask.distributed scheduler, such as tcp://host:8786
        save_diagnostics = boolean(default=False) # also save tables of levels and pairs with their errors (ECSV), a skylist, a report (HTML), and each group's drizzled image (suffix skytile)
        suffix = string(default='skymatch') # suffix of output files
        output_use_model = boolean(default=True) # name output files after the exposures
        {REPLACED_SPEC}
    """  # noqa: E501

    def run(self, *args: Any) -> Any:
        """Run the step.

        Parameters
        ----------
        *args
            One argument, see `process`.

        Returns
        -------
        `~jwst.datamodels.library.ModelLibrary`
            The exposures.

        Raises
        ------
        OSError
            If the output directory cannot be written to.
        """
        libraries = [arg for arg in args if isinstance(arg, ModelLibrary)]
        on_disk = not self.in_memory or any(library.on_disk for library in libraries)
        with (
            trusted_files(),
            frozen_objects() if on_disk else rare_collection(),
            in_place_of_hooked_step(self, args),
        ):
            if self.output_dir or self.save_results:
                files.require_writable(expand(self.search_attr("output_dir", ".")))
            result = super().run(*args)
        if self.skip and isinstance(result, ModelLibrary):
            # Stpipe records a skip under this class's alias; resample reads the stock name.
            list(result.map_function(_record_skip))
        return result

    def process(self, input_models: Any) -> ModelLibrary:
        """Find the sky level of each exposure and record it.

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
        log.info("jwst-mosaic-skymatch %s", __version__)
        self.result, self._findings = None, ()
        self._watch = Stopwatch()
        # get_pars refuses values that the spec does not allow.
        for line in check_combination(self.get_pars()):
            log.info(line)
        if "match" in self.skymethod:
            return self._match(input_models)
        step_input = self._open(input_models)
        if self.skymethod == "user":
            levels, reasons = self._user_levels(step_input), [""] * len(step_input.exposures)
        else:
            levels = self._absolute_levels(step_input)
            reasons = ["" if np.isfinite(level) else NO_PIXEL for level in levels.tolist()]
        self._record_levels(step_input, levels, reasons)
        self._conclude(step_input, unmatched(levels, tuple(reasons)), levels)
        return step_input.library

    @classmethod
    def get_config_from_reference(
        cls, dataset: Any, disable: bool | None = None, crds_observatory: str | None = None
    ) -> config_parser.ConfigObj:  # numpydoc ignore=PR01,RT01
        """Return no parameters: CRDS holds none, and the step is to run without it."""
        return config_parser.ConfigObj()

    @classmethod
    def build_config(cls, input: Any, **kwargs: Any) -> Any:  # numpydoc ignore=PR01,RT01
        """Build the configuration without a look into CRDS, or at the input."""
        return super().build_config(None, **kwargs)

    def finalize_result(  # numpydoc ignore=PR01
        self, result: Any, reference_files_used: Any
    ) -> None:
        """Note versions as every step does, and free the model before this one."""
        super().finalize_result(result, reference_files_used)
        if gc.get_freeze_count():  # exposures stay on disk, see `frozen_objects`
            gc.collect()

    def save_model(
        self,
        model: Any,
        suffix: str | None = None,
        idx: int | None = None,
        output_file: str | None = None,
        force: bool = False,
        **components: Any,
    ) -> Any:
        """Save a model, or every science exposure of a library and their association.

        Parameters
        ----------
        model : model or `~jwst.datamodels.library.ModelLibrary`
            What to save. The association lists the exposures and, from the last
            run's input, members of other types.
        suffix, idx, output_file, force, **components
            As for stpipe's method.

        Returns
        -------
        list of str or None
            Paths of the files; None when saving was not asked for.
        """
        if not isinstance(model, ModelLibrary):
            return super().save_model(model, suffix, idx, output_file, force, **components)
        if not (force or self.save_results or output_file or self.output_file):
            return None
        paths = files.save_exposures(
            model, lambda name: self.make_output_path(basepath=name, suffix=suffix)
        )
        filenames = [Path(path).name for path in paths]
        name = files.product_name(model.asn, filenames, self.output_file)
        association = files.image3_association(model, name, filenames, self._others)
        files.save_association(self._product_path(name, "skymatch_asn", "json"), association)
        return paths

    # --- input -----------------------------------------------------------

    def _open(self, input_models: Any) -> StepInput:
        """Open the input and refuse what cannot be compared or saved."""
        step_input = open_input(
            input_models,
            on_disk=not self.in_memory,
            own_models=self.prepare_output,
        )
        exposures = step_input.exposures
        check_exposures(exposures)
        check_rerun(exposures, subtract=self.subtract)
        n_subtracted = sum(exposure.subtracted is True for exposure in exposures)
        if n_subtracted:
            remedy = "if the stock skymatch has done so, of which this step is a hook, skip it"
            self._warn(
                Finding(
                    f"Levels were subtracted from {n_subtracted} of {len(exposures)} exposures "
                    "before; what is found now is subtracted too, and meta.background.level is the "
                    f"sum. {remedy.capitalize()} (skip=True).",
                    remedy=remedy,
                    exposures=tuple(e.name for e in exposures if e.subtracted is True),
                )
            )
        for sentence in describe_differences(exposures):
            self._warn(Finding(sentence, remedy="make one association for each kind of exposures"))
        if self.save_results:
            outputs = [(e.name, self.make_output_path(basepath=e.filename)) for e in exposures]
            files.check_outputs(outputs, step_input.files)
        self._others = step_input.others
        self._watch.lap("opening, metadata")
        return step_input

    def _warn(self, finding: Finding) -> None:
        """Say something in the log, and keep it for the report."""
        for line in finding.lines:
            log.warning(line)
        self._findings += (finding,)

    def _say(self, news: Sequence[str], warnings: Sequence[Finding]) -> None:
        for line in news:
            log.info(line)
        for finding in warnings:
            self._warn(finding)

    # --- levels ----------------------------------------------------------

    def _user_levels(self, step_input: StepInput) -> np.ndarray:
        if self.skylist is None:
            raise ValueError("skymethod is 'user' but no skylist is given; set skylist to a file.")
        log.info("Sky levels from the skylist %s", self.skylist)
        filenames = [exposure.filename for exposure in step_input.exposures]
        return user_levels(expand(self.skylist), filenames, self._stem)

    def _stem(self, filename: str) -> str:
        """Take extension and suffix of a pipeline product from a file name."""
        return str(self.remove_suffix(Path(filename).stem)[0])

    def _absolute_levels(self, step_input: StepInput) -> np.ndarray:
        log.info("Sky method %s: statistic %s", self.skymethod, self.skystat)
        statistic = sky_statistic(self.get_pars())
        skies = read_skies(step_input.library, step_input.exposures, statistic)
        if self.skymethod == "global":
            return global_levels(skies)
        grouping = "none" if self.grouping == "none" else "exposure"
        return local_levels(skies, group_labels(step_input.exposures, grouping))

    def _match(self, input_models: Any) -> ModelLibrary:
        parameters = self.get_pars()
        settings, left_out = match_settings(parameters), exclusion(parameters)
        log.info("Sky method %s, offset statistic %s", self.skymethod, self.offset_stat)
        if self.skymethod == "match" and self.skystat != SkyStatistic.skystat:
            log.info(
                "skystat=%s is for the sky of single images; offsets use offset_stat=%s",
                self.skystat,
                self.offset_stat,
            )
        # Worker processes start while the library is opened.
        with (
            open_workers(*workers_of(self.maximum_cores)) as workers,
            TemporaryDirectory(prefix="pixel_skymatch_") as directory,
        ):
            step_input = self._open(input_models)
            anchor = self._anchor(step_input)
            matched = match_library(
                step_input,
                settings,
                left_out,
                anchor.constraints,
                workers,
                directory=directory,
                grouping=self.grouping,
                pixel_scale_ratio=self.pixel_scale_ratio,
            )
            self._watch.lap("drizzling, comparing, solving")
            self._say(matched.lines, matched.warnings)
            if matched.is_area_empty:
                self._warn_of_empty_area()
            match, grid = matched.match, matched.grid
            if self.save_diagnostics:
                unit = step_input.exposures[0].unit
                diagnostics.save_tiles(self._product_path, match.stacks, grid, unit)
            levels, warnings = fix_zero_point(
                match.levels, anchor, step_input.exposures, match_down=self.match_down
            )
            self._say((), warnings)
            if self.skymethod == "global+match" and not anchor.name:
                levels = add_global_level(levels, match.skies)
            self._watch.lap("levels")
            mosaic = condense_mosaic(match, levels, grid) if self.save_diagnostics else None
            self._watch.lap("pictures")
        details = tables.details_of_levels(match)
        planes = match.backgrounds.planes
        self._record_levels(step_input, levels, match.levels.reasons, details, planes)
        self._conclude(step_input, match, levels, grid, mosaic)
        return step_input.library

    def _anchor(self, step_input: StepInput) -> Anchor:
        """Open the reference of the zero point, before any pixel is read."""
        exposures = step_input.exposures
        if self.reference and is_table(self.reference):
            return anchor_of_table(self.reference, exposures, self._stem, subtract=self.subtract)
        if not self.reference or self.skymethod != "match":
            return Anchor()
        anchor = anchor_of_reference(self.reference, step_input, self.grouping, self._stem)
        for sentence in anchor.warnings:
            self._warn(Finding(sentence, remedy="set BUNIT"))
        return anchor

    def _warn_of_empty_area(self) -> None:
        brief, remedy = f"exclude={self.exclude}: no exposure has a pixel there", "check it"
        sentence = f"{brief}, so that nothing is left out; are its coordinates those of this field?"
        self._warn(Finding(sentence, brief, remedy))

    # --- output ----------------------------------------------------------

    def _record_levels(
        self,
        step_input: StepInput,
        levels: np.ndarray,
        reasons: Sequence[str],
        details: Sequence[Mapping[str, Any]] | None = None,
        planes: Sequence[PixelPlane | None] | None = None,
    ) -> None:
        exposures = step_input.exposures
        record_levels(
            step_input.library,
            exposures,
            levels,
            method=self.skymethod,
            subtract=self.subtract,
            version=__version__,
            details=details,
            planes=planes or None,
        )
        for line in describe_levels(exposures, levels, subtract=self.subtract):
            log.info(line)
        for finding in findings_of_unmatched(exposures, levels, reasons):
            self._warn(finding)
        self._watch.lap("recording levels")

    def _conclude(
        self,
        step_input: StepInput,
        match: Match,
        levels: np.ndarray,
        grid: Grid | None = None,
        mosaic: MosaicPicture | None = None,
    ) -> None:
        """Make the result, save it if that was asked for, and say how the run went.

        Without a grid nothing was matched.
        """
        exposures = step_input.exposures
        unit = exposures[0].unit
        totals = levels + levels_before(exposures, subtract=self.subtract)
        filenames = [exposure.filename for exposure in exposures]
        name = files.product_name(step_input.library.asn, filenames, self.output_file)
        table = tables.levels_table(exposures, match, totals, grid, unit)
        pairs = tables.pairs_table(exposures, match, grid, unit)
        if grid:
            self.levels_table, self.pairs_table = table, pairs
            if self.save_diagnostics:
                diagnostics.save_tables(self._product_path, name, table, pairs)
                why_none = diagnostics.save_skylist(
                    self._product_path, name, filenames, levels, match, self._stem
                )
                if why_none:
                    self._warn(why_none)
        self.result = MatchResult(
            product=name,
            method=self.skymethod,
            levels=table,
            pairs=pairs,
            closure=Closure(*match.levels.closure),
            findings=self._findings,
            n_ties=match.backgrounds.n_ties,
            footprints=sky_footprints(exposures),
            mosaic=mosaic,
            pictures=pictures_of(match, exposures),
            provenance=provenance_of(__version__, self._parameters(), grid, self._watch.seconds),
        )
        if grid and self.save_diagnostics:
            diagnostics.save_report(self._product_path, self.result)
        for line in summary_lines(table, self.result.verdict, self._findings):
            log.info(line)

    def _parameters(self) -> dict[str, Any]:
        return {name: value for name, value in self.get_pars().items() if name not in REPLACED}

    def _product_path(self, name: str, suffix: str, extension: str) -> str:
        return self.make_output_path(basepath=f"{name}.{extension}", ext=extension, suffix=suffix)


def _record_skip(model: JwstDataModel, _: int) -> None:
    model.meta.cal_step.skymatch = "SKIPPED"
