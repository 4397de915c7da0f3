"""From whatever the step is given to a library of exposures and their metadata."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from os import PathLike, fspath
from os.path import expanduser, expandvars
from pathlib import Path
from typing import Any

from jwst.associations import AssociationNotValidError, load_asn
from jwst.datamodels import ModelContainer, ModelLibrary
from jwst.datamodels.utils import attrs_to_group_id
from stdatamodels.jwst.datamodels import JwstDataModel, read_metadata

from jwst_mosaic_skymatch.exposures.association import (
    absolute_association,
    association_of_files,
    check_association,
    is_science,
)
from jwst_mosaic_skymatch.exposures.metadata import Exposure, name_apart, read_exposure
from jwst_mosaic_skymatch.exposures.models import borrowed, check_model, each_model, unreadable

__all__ = ["StepInput", "are_paths", "change_models", "check_files", "expand", "open_input"]

# What messages call an association without a file.
FILES = "the list of exposures"


class _Library(ModelLibrary):
    """A library that makes its association once, and may change a model when it is borrowed.

    Stpipe opens and writes every model after a step. A library on disk whose models a step
    has changed one by one does so twice: half more time for a run on 32 MIRI exposures.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # To be made, by position.
        self._changes: dict[int, Callable[[JwstDataModel], object]] = {}
        # Position of each model that is borrowed with a change made.
        self._changed: dict[int, int] = {}

    def change(self, index: int, function: Callable[[JwstDataModel], object]) -> None:
        """Change a model when it is borrowed next; it is kept when the model is shelved."""
        self._changes[index] = function

    @property
    def has_changes(self) -> bool:
        """Whether a change is still to be made, which the files do not show."""
        return bool(self._changes)

    def borrow(self, index: int) -> JwstDataModel:
        """Borrow a model; see `~stpipe.library.AbstractModelLibrary.borrow`."""
        model = super().borrow(index)
        if index in self._changes:
            self._changes[index](model)
            self._changed[id(model)] = index
        return model

    def shelve(self, model: JwstDataModel, index: int | None = None, modify: bool = True) -> None:
        """Give a model back; see `~stpipe.library.AbstractModelLibrary.shelve`."""
        changed = self._changed.pop(id(model), None)
        try:
            super().shelve(model, index, modify or changed is not None)
        except OSError as error:
            raise _unwritable(error) from None
        if changed is not None:
            self._changes.pop(changed, None)

    @cached_property
    def asn(self) -> dict[str, Any]:
        # stpipe copies the whole association each time that a model is loaded: a time
        # that grows as the square of the number of exposures, minutes for thousands.
        return super().asn


@dataclass(frozen=True)
class StepInput:
    """The exposures, and what the association says beyond them.

    Attributes
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        The models.
    exposures : tuple of Exposure
        Metadata of the science exposures, in the order of file names, which the
        order of the input does not change.
    files : frozenset of Path
        Files of all members; empty when models were given.
    others : tuple of dict
        Association members that are not science exposures, with the path of
        their files.
    unchanged : mapping of str to str
        Path of each science exposure, by its name in the association, whose
        pixels are those in its file.
    """

    library: ModelLibrary
    exposures: tuple[Exposure, ...]
    files: frozenset[Path] = frozenset()
    others: tuple[dict[str, Any], ...] = ()
    unchanged: Mapping[str, str] = field(default_factory=dict)


def open_input(inputs: Any, *, on_disk: bool, own_models: Callable[[Any], Any]) -> StepInput:
    """Open what the step is given.

    Parameters
    ----------
    inputs : str, path, mapping, iterable, model, ModelContainer or ModelLibrary
        An association (file or mapping), files, or models. A ModelLibrary is
        passed on as it is.
    on_disk : bool
        Whether models are to stay on disk; has no effect on those that are open
        already.
    own_models : callable
        Takes a list of models or a container and returns what may be changed:
        copies, when they belong to somebody else.

    Returns
    -------
    StepInput
        The library; no pixel has been read of exposures that come from files.

    Raises
    ------
    OSError
        If a file is missing or cannot be read, or, with ``on_disk``, the working
        directory cannot be written to.
    TypeError
        If it is none of these.
    ValueError
        If there is no valid association or no science exposure in it.
    """
    if isinstance(inputs, ModelLibrary):
        return _of_library(inputs)
    if isinstance(inputs, (str, PathLike)):
        path = expand(inputs)
        if not _is_exposure(path):
            return _of_association(_load_association(path), path, on_disk)
        inputs = [path]
    if isinstance(inputs, Mapping):
        return _of_association(inputs, None, on_disk)
    if isinstance(inputs, JwstDataModel) and not isinstance(inputs, ModelContainer):
        inputs = [inputs]
    if not isinstance(inputs, Iterable):
        raise TypeError(
            f"cannot match {type(inputs).__name__}: give an association, a list of files or "
            "models, or a ModelLibrary."
        )
    if not isinstance(inputs, ModelContainer):
        # A container, which models are copied in, takes no paths but text.
        inputs = [fspath(item) if isinstance(item, PathLike) else item for item in inputs]
        if are_paths(inputs):
            files = [expand(item) for item in inputs]
            return _of_association(association_of_files(files), None, on_disk)
    library = ModelLibrary(own_models(inputs), asn_exptypes=["science"])
    return StepInput(library=library, exposures=_read_exposures(library))


def check_files(inputs: Any, n_read: int | None = None) -> None:
    """Refuse an association whose files cannot be read, before a pipeline opens them.

    Models, and files that are not found from the working directory, are not looked at.

    Parameters
    ----------
    inputs : object
        What a step or pipeline is given.
    n_read : int or None, optional
        From how many exposures metadata are read, 20 ms each; None for all.

    Raises
    ------
    OSError
        If a file is missing or cannot be read.
    ValueError
        If there is no valid association or no science exposure in it.
    """
    if isinstance(inputs, (str, PathLike)):
        path = expand(inputs)
        # What is not here may be in stpipe's ``input_dir``.
        if _is_exposure(path) or not path.is_file():
            return
        _, science = _check(_load_association(path), path)
    elif isinstance(inputs, (list, tuple)) and are_paths(inputs):
        _, science = _check(association_of_files([expand(item) for item in inputs]), None)
    elif isinstance(inputs, dict):
        _, science = _check(inputs, None)
    else:
        return
    for member in science[:n_read]:
        _read_file(member["expname"])


def _is_exposure(path: Path) -> bool:
    return path.name.lower().endswith((".fits", ".asdf", ".gz"))


def change_models(
    library: ModelLibrary,
    exposures: Sequence[Exposure],
    function: Callable[[Exposure, JwstDataModel], object],
) -> None:
    """Change the models of exposures.

    Parameters
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        The models.
    exposures : sequence of Exposure
        Which of them.
    function : callable
        Takes an exposure and its model.

    Raises
    ------
    OSError
        If a file cannot be read or written.
    """
    if not (library.on_disk and isinstance(library, _Library)):
        each_model(library, exposures, function, modify=True)
        return

    def change(exposure: Exposure, model: JwstDataModel) -> None:
        check_model(model, exposure.name)
        function(exposure, model)

    for exposure in exposures:
        library.change(exposure.index, partial(change, exposure))


def are_paths(inputs: Iterable[Any]) -> bool:  # numpydoc ignore=PR01,RT01
    """Tell whether all items are names or paths of files."""
    return all(isinstance(item, (str, PathLike)) for item in inputs)


def expand(path: str | PathLike[str]) -> Path:  # numpydoc ignore=PR01,RT01
    """Expand ``~`` and environment variables in a path."""
    return Path(expandvars(expanduser(str(path))))


# --- A library that somebody else has made -------------------------------


def _of_library(library: ModelLibrary) -> StepInput:
    # Of models without files there is no directory, and none of these paths exist.
    members = [
        {**member, "expname": str(Path(library.asn_dir, member["expname"]))}
        for member in library.asn["products"][0]["members"]
    ]
    there = [member for member in members if Path(member["expname"]).is_file()]
    return StepInput(
        library=library,
        exposures=_read_exposures(library),
        files=frozenset(Path(member["expname"]).resolve() for member in there),
        others=tuple(member for member in there if not is_science(member)),
    )


def _read_exposures(library: ModelLibrary) -> tuple[Exposure, ...]:
    """Read metadata as they are now: from the files, if these are all there is."""
    members = library.asn["products"][0]["members"]
    is_changed = isinstance(library, _Library) and library.has_changes
    read = _read_on_disk if library.on_disk and not is_changed else _read_model
    with library:
        return name_apart(
            read(library, index, members[index]["expname"])
            for index in library.indices_for_exptype("science")
        )


def _read_on_disk(library: ModelLibrary, index: int, expname: str) -> Exposure:
    try:
        return read_exposure(index, expname, library.read_metadata(index).get)
    except Exception as error:
        raise unreadable(expname, error) from None


def _read_model(library: ModelLibrary, index: int, expname: str) -> Exposure:
    with borrowed(library, index) as model:
        return read_exposure(index, expname, partial(_attribute, model))


def _attribute(model: JwstDataModel, name: str) -> Any:
    """Look up meta.a.b in a model; what is not set is None, or missing since jwst 2.0."""
    value = model
    for part in name.split("."):
        value = getattr(value, part, None)
    return value


# --- An association ------------------------------------------------------


def _load_association(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such association file; check its name.")
    try:
        with path.open() as file:
            return load_asn(file)
    except (AssociationNotValidError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}: not a valid association ({_json_error(path) or error}); correct it, or make "
            "one with asn_from_list."
        ) from None


def _json_error(path: Path) -> ValueError | None:
    """Find out what is wrong with JSON, of which jwst says no more than that it is not valid."""
    try:
        json.loads(path.read_bytes())
    except ValueError as error:  # of JSON or of its encoding
        return error
    return None


def _check(
    association: Mapping[str, Any], path: Path | None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Give an association with absolute paths, all there, and its science members."""
    name, directory = (str(path), path.parent) if path else (FILES, Path())
    association = absolute_association(association, name, directory)
    check_association(association, name)
    members = association["products"][0]["members"]
    return association, [member for member in members if is_science(member)]


def _of_association(association: Mapping[str, Any], path: Path | None, on_disk: bool) -> StepInput:
    association, science = _check(association, path)
    if path:
        association["table_name"] = path.name
    members = association["products"][0]["members"]
    metadata = [_read_file(member["expname"]) for member in science]
    # A library would read each file again to find its group.
    for member, found in zip(science, metadata, strict=True):
        group_id = _group_id(found)
        if group_id:
            member.setdefault("group_id", group_id)
    library = _open_library(association, on_disk)
    listed = library.asn["products"][0]["members"]
    return StepInput(
        library=library,
        exposures=name_apart(
            read_exposure(index, m["expname"], {**found, "meta.group_id": m["group_id"]}.get)
            for index, (m, found) in enumerate(zip(listed, metadata, strict=True))
        ),
        files=frozenset(Path(m["expname"]).resolve() for m in members),
        others=tuple(m for m in members if not is_science(m)),
        unchanged={
            m["expname"]: m["expname"] for m in science if m["expname"].lower().endswith(".fits")
        },
    )


def _read_file(path: str) -> dict[str, Any]:
    """Read the metadata of a file; stdatamodels names a model after its file."""
    try:
        return {**read_metadata(path), "meta.filename": Path(path).name}
    except Exception as error:
        raise unreadable(path, error) from None


def _group_id(metadata: Mapping[str, Any]) -> str | None:
    """Find the group of an exposure as a library does; None if nothing names it."""
    prefix = "meta.observation."
    observation = {k.removeprefix(prefix): v for k, v in metadata.items() if k.startswith(prefix)}
    try:
        return metadata.get("meta.group_id") or attrs_to_group_id(observation)
    except KeyError:
        return None


def _open_library(association: Mapping[str, Any], on_disk: bool) -> _Library:
    try:
        return _Library(association, asn_exptypes=["science"], on_disk=on_disk)
    except OSError as error:
        raise _unwritable(error) from None


def _unwritable(error: OSError) -> OSError:
    return OSError(
        f"{Path.cwd()}: cannot write to this directory ({error.strerror or error}); temporary "
        "copies of the exposures go there: make room, or run the step in another."
    )
