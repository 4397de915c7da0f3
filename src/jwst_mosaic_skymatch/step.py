"""The step: glue between jwst's data models and the numerics."""

import logging
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

import numpy as np
from jwst.datamodels import ModelLibrary
from jwst.lib.suffix import remove_suffix
from jwst.skymatch import SkyMatchStep
from stdatamodels.jwst.datamodels import ImageModel
from stpipe import config_parser

from jwst_mosaic_skymatch import products
from jwst_mosaic_skymatch.diagnosis import (
    distrusted_pairs,
    misaligned_exposures,
    separate_components,
)
from jwst_mosaic_skymatch.engine import one_thread
from jwst_mosaic_skymatch.exposures import borrowed, drop_models, good_bits
from jwst_mosaic_skymatch.loading import prompt_collection, rare_collection, trusted_files
from jwst_mosaic_skymatch.match import Method, apply_gauge
from jwst_mosaic_skymatch.matching import (
    LibraryMatch,
    choose_engine,
    each_exposure,
    match_library,
)
from jwst_mosaic_skymatch.members import (
    check_members,
    check_rerun,
    disagreements,
    group_labels,
)
from jwst_mosaic_skymatch.methods import add_global_level, global_levels, local_levels
from jwst_mosaic_skymatch.pixels import good_pixels
from jwst_mosaic_skymatch.recording import level_lines, record_level
from jwst_mosaic_skymatch.skylist import read_skylist, skylist_levels
from jwst_mosaic_skymatch.statistic import Statistic
from jwst_mosaic_skymatch.step_input import expand, list_input, read_members
from jwst_mosaic_skymatch.tables import levels_table, pairs_table
from jwst_mosaic_skymatch.tasks import Recipe

__all__ = ["PixelSkyMatchStep"]

# A child of "stpipe" is shown standalone and inside any pipeline; a logger
# named after this package would be silent inside calwebb_image3.
log = logging.getLogger("stpipe.pixel_skymatch")

# Cells must be covered to this fraction, so that two exposures see the same
# sky in a cell although each has bad pixels of its own. At the default cell
# size one bad pixel may be missing.
MIN_COVERAGE = 0.75
# Fewer common cells than this say nothing robust about an offset.
MIN_CELLS = 25


class PixelSkyMatchStep(SkyMatchStep):
    """Equalize the sky background of overlapping exposures pixel by pixel."""

    class_alias = "pixel_skymatch"

    #: Tables of the last run with a matching method, see
    #: `~jwst_mosaic_skymatch.tables`; None before.
    levels_table = None
    pairs_table = None

    _input = None
    _settings = None
    _writes_later = False
    _to_write: ClassVar = {}

    spec = """
        skystat = option('biweight', 'median', 'midpt', 'mean', 'mode', default='biweight') # statistic of the per-pixel differences (match) or of the pixels (local, global)
        stepsize = integer(default=None) # accepted as in SkyMatchStep; has no effect on matching
        grouping = option('visit', 'exposure', 'none', default='visit') # what is drizzled together: a visit, an exposure (all detectors share one level), or nothing
        pixel_scale_ratio = float(min=0.1, default=2.2) # cell size of the shared grid in native pixels; whole numbers are less accurate
        weight = boolean(default=True) # weigh pairs by the inverse variance of their offset? If False, all equally
        fit_shift = boolean(default=True) # fit the misalignment of each pair along with its offset (skystat biweight)
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
            products.require_writable(
                expand(self.output_dir or "."), "choose another with output_dir."
            )
        # Stpipe rewrites every file of a library on disk after the step, to note
        # versions; levels are written along, unless a hook is to see them before.
        self._writes_later, self._to_write = not self._post_hooks, {}
        self._input = None
        try:
            with trusted_files(), ExitStack() as self._settings:
                result = super().run(*args)
            if self._to_write:
                raise RuntimeError(f"No level was written to {', '.join(self._to_write)}.")
        finally:
            self._writes_later, self._settings, self._input = False, None, None
        if self.skip and isinstance(result, ModelLibrary):
            self._record_skip(result)
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
        self._adopt_parameters_of_hooked_step()
        self.get_pars()  # refuses values that the spec does not allow
        if None not in (self.lower, self.upper) and self.lower >= self.upper:
            raise ValueError(f"lower={self.lower} is not below upper={self.upper}.")
        listed = list_input(
            input_models,
            on_disk=not self.in_memory,
            find_path=self.make_input_path,
            own_models=self.prepare_output,
        )
        with ExitStack() as own:
            # Settings that also hold while stpipe writes the files.
            settings = self._settings or own
            settings.enter_context(prompt_collection() if listed.on_disk else rare_collection())
            if self.skymethod in ("user", "local", "global"):
                self._input = listed.open()
                self._find_absolute_levels()
            else:
                self._match(listed)
        return self._input.library

    def finalize_result(self, result, reference_files_used):
        """Note versions, and levels that are still to be written.

        Parameters
        ----------
        result, reference_files_used
            As for stpipe's method.
        """
        if self._input is not None:
            drop_models(self._input.library)  # the one before
        later = self._to_write.pop(getattr(result.meta, "filename", None), None)
        if later is not None:
            record_level(result, *later, method=self.skymethod, subtract=self.subtract)
        super().finalize_result(result, reference_files_used)

    @classmethod
    def get_config_from_reference(cls, dataset, disable=None, crds_observatory=None):
        """Return no parameters: CRDS holds none for this step.

        Parameters
        ----------
        dataset, disable, crds_observatory
            As for stpipe's method; not used, so that the step runs without
            network and CRDS cache.

        Returns
        -------
        `~configobj.ConfigObj`
            Empty.
        """
        return cls._empty_config()

    @classmethod
    def _get_crds_parameters(cls, dataset):
        # stpipe would open the association for these; nothing asks for them.
        return {}, "jwst"

    def save_model(self, model, suffix=None, idx=None, output_file=None, force=False, **components):
        """Save a model, or every science exposure of a library and their association.

        Parameters
        ----------
        model : model or `~jwst.datamodels.library.ModelLibrary`
            What to save.
        suffix, idx, output_file, force, **components
            As for stpipe's method.

        Returns
        -------
        list of str or None
            Paths of the files; None when saving was not asked for.
        """
        if not (force or self.save_results or output_file or self.output_file):
            return None

        paths = []

        def save(one, draft, **naming):
            paths.append(str(self.make_output_path(suffix=suffix, **naming)))
            products.save_model(one, paths[-1], draft(paths[-1]))

        with products.whole_files() as draft:
            if not isinstance(model, ModelLibrary):
                save(model, draft, basepath=output_file or model.meta.filename, **components)
            else:
                with model:
                    for index in model.indices_for_exptype("science"):
                        with borrowed(model, index) as exposure:
                            save(exposure, draft, basepath=exposure.meta.filename)
        for path in paths:
            log.info("Saved %s", path)
        if isinstance(model, ModelLibrary):
            self._save_association(model, paths)
        return paths

    # --- input -----------------------------------------------------------

    def _adopt_parameters_of_hooked_step(self):
        """As a hook of the stock step, take over what was set on that step."""
        if not isinstance(self.parent, SkyMatchStep) or isinstance(self.parent, PixelSkyMatchStep):
            return
        defaults = config_parser.config_from_dict({}, SkyMatchStep.load_spec_file())
        for name in _STOCK_PARAMETERS:
            value = getattr(self.parent, name)
            if value != defaults[name]:
                setattr(self, name, value)

    def _check(self, members):
        check_members(members)
        check_rerun(members, subtract=self.subtract)
        for sentence in disagreements(members):
            log.warning(sentence)

    def _refuse_overwriting(self, members):
        """Outputs must neither replace inputs nor each other."""
        if self.save_results:
            names = {m.filename: self.make_output_path(basepath=m.filename) for m in members}
            products.check_outputs(names, self._input.files)

    def _read_members(self):
        members = read_members(self._input.library)
        self._check(members)
        self._refuse_overwriting(members)
        return members

    # --- levels ----------------------------------------------------------

    def _find_absolute_levels(self):
        library, members = self._input.library, self._read_members()
        if self.skymethod == "user":
            levels = self._user_levels(members)
        else:
            levels = self._absolute_levels(members, self._read_skies(library, members))
        self._record_levels(library, members, levels)

    def _match(self, listed):
        # Other processes start while the library is opened.
        engine = choose_engine(
            self.maximum_cores,
            self.dask_scheduler,
            in_memory=self.in_memory,
            n_tasks=listed.n_exposures,
        )
        with engine, one_thread():
            self._input = listed.open()
            library, members = self._input.library, self._read_members()
            levels, match, grid = self._matched_levels(library, members, engine)
        self._record_levels(library, members, levels)
        self._keep_diagnostics(library, members, match, levels, grid)

    def _user_levels(self, members):
        if self.skylist is None:
            raise ValueError("skymethod is 'user' but no skylist is given; set skylist to a file.")
        log.info("Sky levels from the skylist %s", self.skylist)
        entries = read_skylist(expand(self.skylist))
        return np.array(skylist_levels(entries, [m.filename for m in members], _exposure_name))

    def _absolute_levels(self, members, skies):
        log.info("Sky method %s: statistic %s", self.skymethod, self.skystat)
        if self.skymethod == "global":
            return global_levels(skies)
        return local_levels(skies, self._stock_groups(members))

    def _stock_groups(self, members):
        grouping = "none" if self.grouping == "none" else "exposure"
        return group_labels(members, grouping)

    def _matched_levels(self, library, members, engine):
        limits = {"lower": self.lower, "upper": self.upper}
        together = self.skymethod == "global+match"
        how = LibraryMatch(
            group_labels(members, self.grouping),
            Method(
                self._statistic(),
                MIN_CELLS,
                weighted=self.weight,
                rigid=self.grouping == "exposure",
                fit_shift=self.fit_shift,
            ),
            Recipe(
                good_bits(self.dqbits),
                **limits,
                min_coverage=MIN_COVERAGE,
                sky=self._statistic(**limits) if together else None,
            ),
            self.pixel_scale_ratio,
            self._input.unchanged,
        )
        log.info("Sky method %s, grouping by %s", self.skymethod, self.grouping)
        match, grid, skies = match_library(library, members, how, engine)
        self._report(match, members, grid)
        if self.save_tiles:
            self._save_tiles(match.groups, grid, members[0].unit, engine)
        levels = apply_gauge(match.levels, match_down=self.match_down)
        if together:
            levels = add_global_level(levels, skies)
        return levels, match, grid

    def _statistic(self, **limits):
        return Statistic(
            self.skystat, self.nclip, self.lsigma, self.usigma, self.binwidth, **limits
        )

    def _read_skies(self, library, members):
        limits = {"lower": self.lower, "upper": self.upper}
        statistic, bits = self._statistic(**limits), good_bits(self.dqbits)

        def read(_, model):
            good = good_pixels(model.data, model.dq, good_bits=bits, **limits)
            return statistic(model.data[good]).value

        return np.array(each_exposure(library, members, read))

    def _report(self, match, members, grid):
        log.info(
            "%d groups by %s; %d pairs inside groups, %d between groups; %d connected components",
            len(match.groups),
            self.grouping,
            len(match.member_pairs),
            len(match.group_pairs),
            match.n_components,
        )
        chi2, dof = match.closure
        log.info("Closure of the pairs: chi2 %.4g for %.4g degrees of freedom", chi2, dof)
        for sentence in (
            *separate_components(match, members),
            *distrusted_pairs(match, members),
            *misaligned_exposures(match, members, grid, self.shift_threshold),
        ):
            log.warning(sentence)

    # --- output ----------------------------------------------------------

    def _keep_diagnostics(self, library, members, match, levels, grid):
        """Keep tables for users in Python, and save what was asked for."""
        unit = members[0].unit
        self.levels_table = levels_table(members, match, levels, grid, unit)
        self.pairs_table = pairs_table(members, match, grid, unit)
        if self.save_diagnostics:
            name = products.product_name(
                library.asn, [m.filename for m in members], self.output_file
            )
            for table, what in ((self.levels_table, "levels"), (self.pairs_table, "pairs")):
                path = self.make_output_path(
                    basepath=f"{name}.ecsv", ext="ecsv", suffix=f"skymatch_{what}"
                )
                with products.whole_file(path) as draft:
                    table.write(draft, format="ascii.ecsv")
                log.info("Saved %s", path)

    def _record_levels(self, library, members, levels):
        """Write levels into the models, or leave them to `finalize_result`."""
        # A model's name is that of its file; a renamed file's header has another.
        named = all(member.filename == Path(member.expname).name for member in members)
        if library.on_disk and self._writes_later and named:
            self._to_write = {
                member.filename: (member, level)
                for member, level in zip(members, levels.tolist(), strict=True)
            }
        else:
            with library:
                for member, level in zip(members, levels.tolist(), strict=True):
                    with borrowed(library, member.index, modify=True) as model:
                        record_level(
                            model, member, level, method=self.skymethod, subtract=self.subtract
                        )
                    del model
                    drop_models(library)
        for line in level_lines(members, levels, subtract=self.subtract):
            log.info(line)
        skipped = [m.filename for m, level in zip(members, levels, strict=True) if level != level]
        if skipped:
            log.warning(
                "No level could be found for %d of %d exposures (no good pixels, or no overlap "
                "with others); SKIPPED: %s",
                len(skipped),
                len(members),
                ", ".join(skipped),
            )

    def _record_skip(self, library):
        """Stpipe records a skip under this class's alias; resample reads the stock name."""
        with library:
            for index in range(len(library)):
                with borrowed(library, index, modify=True) as model:
                    model.meta.cal_step.skymatch = "SKIPPED"

    def _save_tiles(self, groups, grid, unit, engine):
        for group in groups:
            tile = engine.result(group.tile)
            model = ImageModel(tile.data)
            model.wht = tile.weight
            model.meta.wcs = grid.cutout_wcs(tile)
            model.meta.bunit_data = unit
            model.meta.filename = f"{group.label}.fits"
            self.save_model(model, suffix="skytile", force=True)

    def _save_association(self, library, paths):
        association = library.asn
        name = products.product_name(
            association, [Path(path).name for path in paths], self.output_file
        )
        target = Path(
            self.make_output_path(basepath=f"{name}.json", ext="json", suffix="skymatch_asn")
        )
        indices = library.indices_for_exptype("science")
        listed = association["products"][0]["members"]
        science = [
            {**listed[k], "expname": Path(path).name}
            for k, path in zip(indices, paths, strict=True)
        ]
        products.write_json(
            target,
            products.image3_association(association, name, science, self._input.others),
        )
        log.info("Saved %s", target)


# Parameters of the stock step that a hook takes over from it.
_STOCK_PARAMETERS = (
    "skymethod",
    "match_down",
    "subtract",
    "skylist",
    "stepsize",
    "skystat",
    "dqbits",
    "lower",
    "upper",
    "nclip",
    "lsigma",
    "usigma",
    "binwidth",
    "in_memory",
)


def _exposure_name(filename):
    """Name of the exposure that a pipeline product belongs to."""
    return remove_suffix(Path(filename).stem)[0]
