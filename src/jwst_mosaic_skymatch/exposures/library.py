"""From the input of the step to a library of exposures and their metadata."""

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import asdf
from jwst.datamodels import ModelContainer, ModelLibrary
from jwst.datamodels.utils import attrs_to_group_id
from jwst.lib.suffix import remove_suffix
from stdatamodels.jwst.datamodels import JwstDataModel, read_metadata

from jwst_mosaic_skymatch.exposures.associations import (
    as_association,
    expand,
    load_association,
    science_members,
)
from jwst_mosaic_skymatch.exposures.metadata import (
    Exposure,
    Exposures,
    name_apart,
    read_exposure,
    read_headers,
)
from jwst_mosaic_skymatch.exposures.models import each_model, unwritable
from jwst_mosaic_skymatch.exposures.pixels import unreadable

__all__ = [
    "DeferringLibrary",
    "StepInput",
    "check_files",
    "light_loading",
    "named_exposures",
    "open_input",
    "stem",
]

# New objects between collections (700 or 2000 by default), and the number of these between
# collections of older objects, and of all.
THRESHOLDS = (50_000, 20, 100)


@dataclass(frozen=True)
class StepInput:
    """The exposures, and the other members of their association.

    Attributes
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        The models.
    exposures : tuple of Exposure
        Metadata of the science exposures, in the order of file names, whatever the order of the
        input.
    files : frozenset of Path
        Files of all members; empty for models.
    others : tuple of dict
        Association members that are not science exposures, with the path of their files.
    in_files : bool
        Whether the pixels of all exposures are those in FITS files, of which the paths are the
        names in the association.
    """

    library: ModelLibrary
    exposures: tuple[Exposure, ...]
    files: frozenset[Path] = frozenset()
    others: tuple[dict[str, Any], ...] = ()
    in_files: bool = False


class DeferringLibrary(ModelLibrary):
    """A library on disk whose models change when it is next opened, or when a step ends.

    After `process` stpipe loads and saves each model to stamp it (`finalize_result`). With changes
    made before, and not together with the stamp, a run takes 1.35 to 1.4 times as long.
    """

    _deferred: tuple[Exposures, Callable[[Exposure, Any], None]] | None = None

    @cached_property
    def asn(self) -> Any:
        """The association, which jwst would copy four times for each model that it opens."""
        return super().asn

    def defer(self, exposures: Exposures, change: Callable[[Exposure, Any], None]) -> None:
        """Change models later, but before anybody borrows one.

        Parameters
        ----------
        exposures : sequence of Exposure
            All exposures of the library.
        change : callable
            Takes an exposure and its model, and changes the model.
        """
        self._deferred = exposures, change

    def __enter__(self) -> Self:
        """Make the changes, and open the library."""
        self._change(lambda _: None)
        return super().__enter__()

    def finalize_result(self, step: Any, reference_files_used: Any) -> None:
        """Make the changes, and let a step stamp all models.

        Parameters
        ----------
        step : `~stpipe.step.Step`
            The step.
        reference_files_used : list of tuple
            Types and files of references.
        """
        if not self._change(lambda model: step.finalize_result(model, reference_files_used)):
            super().finalize_result(step, reference_files_used)

    def _change(self, stamp: Callable[[Any], None]) -> bool:
        """Make and stamp deferred changes, if there are any."""
        if self._deferred is None:
            return False
        (exposures, change), self._deferred = self._deferred, None

        def change_and_stamp(exposure: Exposure, model: Any) -> None:
            change(exposure, model)
            stamp(model)

        with light_loading():
            each_model(self, exposures, change_and_stamp, modify=True)
        return True


def open_input(
    inputs: Any, *, on_disk: bool, own_models: Callable[[Any], Any], grouping: str = "visit"
) -> StepInput:
    """Open the input of the step.

    Parameters
    ----------
    inputs : str, path, mapping, iterable, model, ModelContainer or ModelLibrary
        An association (file or mapping), files, or models. A ModelLibrary is passed on as it is.
    on_disk : bool
        Whether models stay on disk; has no effect on open models.
    own_models : callable
        Takes a list of models or a container and returns models that may be changed: copies of
        those that belong to somebody else.
    grouping : str, optional
        Property of groups, see `~jwst_mosaic_skymatch.exposures.metadata.group_labels`.

    Returns
    -------
    StepInput
        The library; no pixel has been read of exposures that come from files.

    Raises
    ------
    OSError
        If a file is missing or cannot be read, or, with ``on_disk``, the working directory
        cannot be written to.
    TypeError
        If it is none of these.
    ValueError
        If there is no valid association or no science exposure in it.
    """
    if isinstance(inputs, ModelLibrary):
        return _describe_library(inputs, grouping)
    inputs = as_association(inputs)
    if isinstance(inputs, (str, Mapping)):
        return _open_association(load_association(inputs), on_disk, grouping)
    if isinstance(inputs, JwstDataModel) and not isinstance(inputs, ModelContainer):
        inputs = [inputs]
    if not isinstance(inputs, Iterable):
        raise TypeError(
            f"cannot match {type(inputs).__name__}: give an association, a list of files or "
            "models, or a ModelLibrary."
        )
    return _describe_library(ModelLibrary(own_models(inputs), asn_exptypes=["science"]), grouping)


def check_files(inputs: Any) -> None:
    """Refuse an association whose files cannot be read, before a pipeline opens them.

    Models are not checked. Neither is an association that does not exist in the working directory.

    Parameters
    ----------
    inputs : object
        Input of a step or pipeline, see `as_association`.

    Raises
    ------
    OSError
        If a file is missing or cannot be read.
    ValueError
        If there is no valid association or no science exposure in it.
    """
    # A file that is not here may be in stpipe's ``input_dir``.
    if isinstance(inputs, dict) or (isinstance(inputs, str) and expand(inputs).is_file()):
        for member in science_members(load_association(inputs)):
            _read_file(member["expname"])


def stem(filename: str) -> str:
    """Reduce a file name to the part by which exposures are compared.

    Parameters
    ----------
    filename : str
        The name.

    Returns
    -------
    str
        The name without directory, extension, and suffix of a pipeline product.
    """
    return str(remove_suffix(Path(filename).stem)[0])


def named_exposures(name: str, exposures: Exposures, labels: Sequence[str]) -> tuple[int, ...]:
    """Select the exposures that a name means.

    Parameters
    ----------
    name : str
        A member, with or without directory, suffix and extension; or a visit: its
        ``visit_id``, with or without ``jw``, or the label of a group.
    exposures : sequence of Exposure
        The exposures.
    labels : sequence of str
        Group of each.

    Returns
    -------
    tuple of int
        Their positions. An exact name counts before one without suffix, and a member before a
        visit.

    Raises
    ------
    ValueError
        If the name means none.
    """
    filename = Path(name).name
    own = [
        (
            (e.name, e.expname),
            (e.filename,),
            (stem(e.filename),),
            (label, e.visit_id, f"jw{e.visit_id}"),
        )
        for e, label in zip(exposures, labels, strict=True)
    ]
    for way, wanted in enumerate((name, filename, stem(filename), name)):
        positions = tuple(k for k, names in enumerate(own) if wanted in names[way])
        if positions:
            return positions
    raise ValueError(
        f"reference={name!r}: no member or visit of the input has this name, and no file is there; "
        f"give a member, such as {exposures[0].name}, a visit, such as {exposures[0].visit_id}, or "
        "the path of a FITS image."
    )


@contextmanager
def light_loading() -> Iterator[None]:
    """Load exposures with fewer checks and collections of garbage: a fifth of the time of a run.

    The WCS was checked against the schemas of ASDF when it was written. A model is tens of
    thousands of objects that refer to each other. By the default thresholds all models in
    memory are searched for garbage every few models.

    Yields
    ------
    None
        Afterwards the settings are as before.
    """
    before = gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    try:
        with asdf.config_context() as config:
            config.validate_on_read = False
            yield
    finally:
        gc.set_threshold(*before)


# --- Libraries -----------------------------------------------------------


def _describe_library(
    library: ModelLibrary, grouping: str, metadata: Sequence[dict[str, Any]] | None = None
) -> StepInput:
    """Describe a library by the metadata of its models as they are now, or as they were read."""
    # Of models without files there is no directory, and none of these paths exist.
    members = library.asn["products"][0]["members"]
    paths = [Path(library.asn_dir, member["expname"]) for member in members]
    existing = [(path, m) for path, m in zip(paths, members, strict=True) if path.is_file()]
    exposures = []
    for index in library.indices_for_exptype("science"):
        name, group_id = members[index]["expname"], members[index]["group_id"]
        try:
            own = metadata[index] if metadata else library.read_metadata(index)
            own["meta.group_id"] = group_id
            exposures.append(read_exposure(index, name, own.get, grouping))
        except Exception as error:
            raise unreadable(name, error) from None
    return StepInput(
        library=library,
        exposures=name_apart(exposures),
        files=frozenset(path.resolve() for path, _ in existing),
        others=tuple(
            {**m, "expname": str(p)} for p, m in existing if m["exptype"].lower() != "science"
        ),
    )


def _open_association(association: dict[str, Any], on_disk: bool, grouping: str) -> StepInput:
    """Open an association; all models are opened later."""
    science = science_members(association)
    metadata = [_read_file(member["expname"], grouping) for member in science]
    # A library would read each file again to find its group.
    for member, own in zip(science, metadata, strict=True):
        group_id = _group_of(own)
        if group_id:
            member.setdefault("group_id", group_id)
    try:
        library = DeferringLibrary(association, asn_exptypes=["science"], on_disk=on_disk)
    except OSError as error:
        raise unwritable(error) from None
    members = association["products"][0]["members"]
    return replace(
        _describe_library(library, grouping, metadata),
        files=frozenset(Path(m["expname"]).resolve() for m in members),
        others=tuple(m for m in members if m["exptype"] != "science"),
        in_files=all(m["expname"].lower().endswith(".fits") for m in science),
    )


def _read_file(path: str, grouping: str = "visit") -> dict[str, Any]:
    """Read the metadata of a file; stdatamodels names a model after its file."""
    try:
        own = None if grouping.startswith("meta.") else read_headers(path)
        return {**(own or read_metadata(path)), "meta.filename": Path(path).name}
    except Exception as error:
        raise unreadable(path, error) from None


def _group_of(metadata: Mapping[str, Any]) -> str | None:
    """Make the group of an exposure as a library does; None if metadata are missing."""
    prefix = "meta.observation."
    observation = {k.removeprefix(prefix): v for k, v in metadata.items() if k.startswith(prefix)}
    try:
        return metadata.get("meta.group_id") or attrs_to_group_id(observation)
    except KeyError:
        return None
