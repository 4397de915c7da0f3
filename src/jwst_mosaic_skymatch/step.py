"""The step: glue between jwst's data models and the numerics."""

import gc
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from jwst.datamodels import ModelLibrary
from jwst.skymatch import SkyMatchStep
from stpipe import config_parser

from jwst_mosaic_skymatch.compute.executors import open_workers
from jwst_mosaic_skymatch.exposures.library import expand, open_input
from jwst_mosaic_skymatch.exposures.loading import frozen_objects, rare_collection, trusted_files
from jwst_mosaic_skymatch.exposures.metadata import (
    check_exposures,
    check_rerun,
    describe_differences,
    group_labels,
)
from jwst_mosaic_skymatch.exposures.models import read_skies
from jwst_mosaic_skymatch.exposures.pixels import good_bits
from jwst_mosaic_skymatch.exposures.sky import SkyStatistic
from jwst_mosaic_skymatch.exposures.skylist import user_levels
from jwst_mosaic_skymatch.levels.absolute import add_global_level, global_levels, local_levels
from jwst_mosaic_skymatch.levels.gauge import apply_gauge
from jwst_mosaic_skymatch.levels.results import NO_PIXEL
from jwst_mosaic_skymatch.match import MatchSettings, match_exposures
from jwst_mosaic_skymatch.offsets.statistic import OFFSET_STATS, Statistic
from jwst_mosaic_skymatch.products import files, tables
from jwst_mosaic_skymatch.products.messages import summarize_match, warnings_of_match
from jwst_mosaic_skymatch.products.progress import progress
from jwst_mosaic_skymatch.products.record import (
    describe_levels,
    describe_unmatched,
    record_levels,
)
from jwst_mosaic_skymatch.tiles.grid import lay_grid, observe

__all__ = ["PixelSkyMatchStep"]

# A child of "stpipe" is shown standalone and inside any pipeline; a logger
# named after this package would be silent inside calwebb_image3.
log = logging.getLogger("stpipe.pixel_skymatch")


class PixelSkyMatchStep(SkyMatchStep):
    """Equalize the sky background of overlapping exposures pixel by pixel."""

    class_alias = "pixel_skymatch"

    #: Tables of the last run with a matching method, see
    #: `~jwst_mosaic_skymatch.products.tables`; None before.
    levels_table = None
    pairs_table = None

    # Members of the last association that are no science exposures.
    _others = ()

    spec = f"""
        offset_stat = option({", ".join(map(repr, OFFSET_STATS))}, default='biweight') # statistic of the per-pixel differences of two groups
        stepsize = integer(default=None) # accepted as in SkyMatchStep; has no effect on matching
        grouping = option('visit', 'exposure', 'none', default='visit') # what is drizzled together: a visit, an exposure (all detectors share one level), or nothing
        pixel_scale_ratio = float(min=0.1, default=2.2) # cell size of the shared grid in native pixels; whole numbers are less accurate
        weight = boolean(default=True) # weigh pairs by the inverse variance of their offset? If False, all equally
        fit_shift = boolean(default=True) # fit the misalignment of each pair along with its offset (offset_stat biweight)
        shift_threshold = float(min=0.0, default=0.1) # warn of exposures displaced by more than this, in native pixels
        maximum_cores = string(default='1') # cores for multiprocessing. Can be an integer, 'half', 'quarter', or 'all'
        dask_scheduler = string(default=None) # address of a running dask.distributed scheduler to work on, such as tcp://host:8786
        save_diagnostics = boolean(default=False) # also save tables of levels and pairs with their errors (ECSV)
        save_tiles = boolean(default=False) # also save each group's drizzled image (suffix skytile)
        suffix = string(default='skymatch') # suffix of output files
        output_use_model = boolean(default=True) # name output files after the exposures
    """  # noqa: E501

    def run(self, *args):
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
        if self.output_dir or self.save_results:
            files.require_writable(expand(self.output_dir or "."))
        self._adopt_parameters_of_hooked_step()
        libraries = [arg for arg in args if isinstance(arg, ModelLibrary)]
        on_disk = not self.in_memory or any(library.on_disk for library in libraries)
        with trusted_files(), frozen_objects() if on_disk else rare_collection():
            result = super().run(*args)
        if self.skip and isinstance(result, ModelLibrary):
            # Stpipe records a skip under this class's alias; resample reads the stock name.
            list(result.map_function(_record_skip))
        return result

    def process(self, input_models):
        """Find the sky level of each exposure and record it.

        Parameters
        ----------
        input_models : str, Path, dict, list, ModelContainer or ModelLibrary
            An association (file or dict), the exposures' file names, or their
            models. Models are copied when the step runs by itself; a
            ModelLibrary is not, it changes hands.

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
        self.get_pars()  # refuses values that the spec does not allow
        if None not in (self.lower, self.upper) and self.lower >= self.upper:
            raise ValueError(f"lower={self.lower} is not below upper={self.upper}.")
        if "match" in self.skymethod:
            return self._match(input_models)
        step_input = self._open(input_models)
        if self.skymethod == "user":
            levels, reasons = self._user_levels(step_input), [""] * len(step_input.exposures)
        else:
            levels = self._absolute_levels(step_input)
            reasons = ["" if np.isfinite(level) else NO_PIXEL for level in levels.tolist()]
        self._record_levels(step_input, levels, reasons)
        return step_input.library

    @classmethod
    def get_config_from_reference(
        cls, dataset, disable=None, crds_observatory=None
    ):  # numpydoc ignore=PR01,RT01
        """Return no parameters: CRDS holds none, and the step is to run without it."""
        return config_parser.ConfigObj()

    @classmethod
    def build_config(cls, input, **kwargs):  # numpydoc ignore=PR01,RT01
        """Build the configuration without a look into CRDS, or at the input."""
        return super().build_config(None, **kwargs)

    def finalize_result(self, result, reference_files_used):  # numpydoc ignore=PR01
        """Note versions as every step does, and free the model before this one."""
        super().finalize_result(result, reference_files_used)
        if gc.get_freeze_count():  # exposures stay on disk, see `frozen_objects`
            gc.collect()

    def save_model(self, model, suffix=None, idx=None, output_file=None, force=False, **components):
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

    def _adopt_parameters_of_hooked_step(self):
        """As a hook of the stock step, take over what was set on that step."""
        if not isinstance(self.parent, SkyMatchStep) or isinstance(self.parent, PixelSkyMatchStep):
            return
        defaults = SkyMatchStep().get_pars(full_spec=False)
        values = self.parent.get_pars()
        for name, default in defaults.items():
            if values[name] != default:
                setattr(self, name, values[name])

    def _open(self, input_models):
        """Open the input and refuse what cannot be compared or saved."""
        step_input = open_input(
            input_models,
            on_disk=not self.in_memory,
            find_path=self.make_input_path,
            own_models=self.prepare_output,
        )
        exposures = step_input.exposures
        check_exposures(exposures)
        check_rerun(exposures, subtract=self.subtract)
        for sentence in describe_differences(exposures):
            log.warning(sentence)
        if self.save_results:
            outputs = [(e.name, self.make_output_path(basepath=e.filename)) for e in exposures]
            files.check_outputs(outputs, step_input.files)
        self._others = step_input.others
        return step_input

    # --- levels ----------------------------------------------------------

    def _user_levels(self, step_input):
        if self.skylist is None:
            raise ValueError("skymethod is 'user' but no skylist is given; set skylist to a file.")
        log.info("Sky levels from the skylist %s", self.skylist)
        filenames = [exposure.filename for exposure in step_input.exposures]
        return user_levels(
            expand(self.skylist), filenames, lambda name: self.remove_suffix(Path(name).stem)[0]
        )

    def _absolute_levels(self, step_input):
        log.info("Sky method %s: statistic %s", self.skymethod, self.skystat)
        skies = read_skies(step_input.library, step_input.exposures, self._sky_statistic())
        if self.skymethod == "global":
            return global_levels(skies)
        grouping = "none" if self.grouping == "none" else "exposure"
        return local_levels(skies, group_labels(step_input.exposures, grouping))

    def _match(self, input_models):
        settings = self._match_settings()
        if self.skymethod == "match" and self.skystat != SkyStatistic.skystat:
            log.info(
                "skystat=%s is for the sky of single images; offsets use offset_stat=%s",
                self.skystat,
                self.offset_stat,
            )
        # Worker processes start while the library is opened.
        with (
            open_workers(self.maximum_cores, self.dask_scheduler) as workers,
            TemporaryDirectory(prefix="pixel_skymatch_") as directory,
        ):
            step_input = self._open(input_models)
            match, grid = self._match_exposures(step_input, settings, workers, directory)
            if self.save_tiles:
                self._save_tiles(match.stacks, grid, step_input.exposures[0].unit)
        levels = apply_gauge(match.levels, match_down=self.match_down)
        if self.skymethod == "global+match":
            levels = add_global_level(levels, match.skies)
        self._record_levels(step_input, levels, match.reasons)
        self._make_tables(step_input, match, levels, grid)
        return step_input.library

    def _match_exposures(self, step_input, settings, workers, directory):
        library, exposures = step_input.library, step_input.exposures
        labels = group_labels(exposures, self.grouping)
        grid, footprints = lay_grid(library, exposures, self.pixel_scale_ratio)
        log.info(
            "Sky method %s, offset statistic %s, grid of %d x %d cells of %.4f arcsec",
            self.skymethod,
            self.offset_stat,
            *grid.shape[::-1],
            grid.cell_scale,
        )
        from_files = workers.remote and len(step_input.unchanged) == len(exposures)
        with progress(len(exposures), "Drizzling exposures", log) as advance:

            def look(k):
                advance()
                path = step_input.unchanged[exposures[k].expname] if from_files else None
                return observe(library, exposures[k], grid, path)

            match = match_exposures(
                labels,
                footprints,
                look,
                settings,
                workers,
                directory=directory,
                whole_stacks=from_files and workers.distant,
            )
        for line in summarize_match(match, labels, self.grouping):
            log.info(line)
        for sentence in warnings_of_match(match, exposures, grid, self.shift_threshold):
            log.warning(sentence)
        return match, grid

    def _match_settings(self):
        return MatchSettings(
            statistic=self._offset_statistic(),
            good_bits=good_bits(self.dqbits),
            lower=self.lower,
            upper=self.upper,
            weighted=self.weight,
            rigid=self.grouping == "exposure",
            fit_shift=self.fit_shift,
            sky_statistic=self._sky_statistic() if self.skymethod == "global+match" else None,
        )

    def _offset_statistic(self):
        return Statistic(name=self.offset_stat, **self._clipping())

    def _sky_statistic(self):
        return SkyStatistic(
            skystat=self.skystat,
            good_bits=good_bits(self.dqbits),
            lower=self.lower,
            upper=self.upper,
            **self._clipping(),
        )

    def _clipping(self):
        return {name: getattr(self, name) for name in ("nclip", "lsigma", "usigma", "binwidth")}

    # --- output ----------------------------------------------------------

    def _record_levels(self, step_input, levels, reasons):
        exposures = step_input.exposures
        record_levels(
            step_input.library, exposures, levels, method=self.skymethod, subtract=self.subtract
        )
        for line in describe_levels(exposures, levels, subtract=self.subtract):
            log.info(line)
        for sentence in describe_unmatched(exposures, levels, reasons):
            log.warning(sentence)

    def _make_tables(self, step_input, match, levels, grid):
        """Make tables for users in Python, and save them if that was asked for."""
        exposures = step_input.exposures
        unit = exposures[0].unit
        self.levels_table = tables.levels_table(exposures, match, levels, grid, unit)
        self.pairs_table = tables.pairs_table(exposures, match, grid, unit)
        if not self.save_diagnostics:
            return
        filenames = [exposure.filename for exposure in exposures]
        name = files.product_name(step_input.library.asn, filenames, self.output_file)
        for table, what in ((self.levels_table, "levels"), (self.pairs_table, "pairs")):
            files.save_table(self._product_path(name, f"skymatch_{what}", "ecsv"), table)

    def _save_tiles(self, stacks, grid, unit):
        for stack in stacks:
            tile = stack.mean.read()
            path = self._product_path(stack.label, "skytile", "fits")
            files.save_tile(path, tile, grid.cutout_wcs(tile), unit)

    def _product_path(self, name, suffix, extension):
        return self.make_output_path(basepath=f"{name}.{extension}", ext=extension, suffix=suffix)


def _record_skip(model, _):
    model.meta.cal_step.skymatch = "SKIPPED"
