"""From whatever the step is given to a library of exposures and their metadata."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from os.path import expanduser, expandvars
from pathlib import Path

from jwst.associations import AssociationNotValidError, load_asn
from jwst.datamodels import ModelContainer, ModelLibrary
from stdatamodels.jwst.datamodels import JwstDataModel, read_metadata

from jwst_mosaic_skymatch.association import association_of_files, check_association, member_path
from jwst_mosaic_skymatch.exposures import borrowed
from jwst_mosaic_skymatch.members import read_member

__all__ = ["StepInput", "expand", "open_input", "read_members"]


@dataclass(frozen=True)
class StepInput:
    """The exposures, and what the association says beyond them.

    Attributes
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        The exposures.
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
    files: frozenset[Path] = frozenset()
    others: tuple[dict, ...] = ()
    unchanged: Mapping[str, str] = field(default_factory=dict)


def open_input(inputs, *, on_disk, find_path, own_models):
    """Make a library of whatever the step accepts.

    Parameters
    ----------
    inputs : str, Path, mapping, list, model, ModelContainer or ModelLibrary
        An association (file or mapping), files, or models.
    on_disk : bool
        Whether models stay on disk until they are borrowed; has no effect on
        models that are open already.
    find_path : callable
        Completes a file name given as str.
    own_models : callable
        Takes a list of models or a container and returns what may be changed:
        copies, when they belong to somebody else.

    Returns
    -------
    StepInput
        A `ModelLibrary` is passed on as it is.

    Raises
    ------
    OSError
        If a file is missing or cannot be read.
    ValueError
        If there is no valid association or no science exposure in it.
    """
    if isinstance(inputs, ModelLibrary):
        return StepInput(inputs)
    if isinstance(inputs, (str, Path)):
        path = expand(find_path(str(inputs)))
        if path.suffix.lower() not in (".fits", ".asdf"):
            return _open_association(_load_association(path), path, on_disk)
        inputs = [path]
    if isinstance(inputs, Mapping):
        return _open_association(_plain(inputs), None, on_disk)
    if isinstance(inputs, JwstDataModel) and not isinstance(inputs, ModelContainer):
        inputs = [inputs]
    if not isinstance(inputs, ModelContainer) and all(
        isinstance(item, (str, Path)) for item in inputs
    ):
        files = [expand(find_path(str(item))) for item in inputs]
        return _open_association(association_of_files(files), None, on_disk)
    return StepInput(ModelLibrary(own_models(inputs), asn_exptypes=["science"]))


def read_members(library, *, ahead=False):
    """Read the metadata of the science exposures.

    Parameters
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        The exposures.
    ahead : bool, optional
        Leave models that are not loaded in their files. It is quicker to load them
        here, if they stay in memory and nothing else can be done meanwhile.

    Returns
    -------
    list of Member
        In the order of file names, which the order of the input does not
        change.

    Raises
    ------
    OSError
        If a file cannot be read.
    """
    listed = library.asn["products"][0]["members"]
    members = []
    with library:
        for index in library.indices_for_exptype("science"):
            expname = listed[index]["expname"]
            try:
                members.append(_read_member(library, index, expname, ahead))
            except Exception as error:
                raise _unreadable(expname, error) from error
    return sorted(members, key=lambda member: member.filename)


def _read_member(library, index, expname, ahead):
    if library.on_disk or ahead:
        return read_member(index, expname, library.read_metadata(index).get)
    with borrowed(library, index) as model:
        return read_member(index, expname, partial(_lookup, model))


def _lookup(model, name):
    value = model
    for part in name.split("."):
        value = getattr(value, part, None)
    return value


def expand(path):
    """Expand ``~`` and environment variables.

    Parameters
    ----------
    path : str or Path
        A path as users write it.

    Returns
    -------
    Path
        The path.
    """
    return Path(expandvars(expanduser(str(path))))


def _open_association(association, path, on_disk):
    name = str(path or "the list of exposures")
    directory = path.parent if path else Path()
    check_association(association, name, directory)
    members = association["products"][0]["members"]
    files = {m["expname"]: member_path(m["expname"], directory).resolve() for m in members}
    try:
        library = ModelLibrary(path or association, asn_exptypes=["science"], on_disk=on_disk)
    except Exception as error:
        _raise_if_unreadable(files[m["expname"]] for m in members if m["exptype"] == "science")
        raise ValueError(f"{name}: cannot be opened ({error}).") from error
    others = tuple(
        {**m, "expname": str(files[m["expname"]])} for m in members if m["exptype"] != "science"
    )
    unchanged = {
        m["expname"]: str(files[m["expname"]])
        for m in members
        if m["exptype"] == "science" and files[m["expname"]].suffix == ".fits"
    }
    return StepInput(library, frozenset(files.values()), others, unchanged)


def _load_association(path):
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such association file; check its name.")
    try:
        with path.open() as file:
            return load_asn(file)
    except (AssociationNotValidError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a valid association ({error}).") from error


def _raise_if_unreadable(files):
    for path in files:
        try:
            read_metadata(str(path))
        except Exception as error:
            raise _unreadable(path, error) from error


def _unreadable(path, error):
    return OSError(
        f"{path}: cannot be read ({type(error).__name__}: {error}); fetch or make the file anew, "
        "or remove it from the input."
    )


def _plain(tree):
    """Turn the read-only association of a library into one that it accepts."""
    if isinstance(tree, Mapping):
        return {key: _plain(value) for key, value in tree.items()}
    if isinstance(tree, Sequence) and not isinstance(tree, str):
        return [_plain(value) for value in tree]
    return tree
