"""From whatever the step is given to a library of exposures and their metadata."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from os.path import expanduser, expandvars
from pathlib import Path

from jwst.associations import AssociationNotValidError, load_asn
from jwst.datamodels import ModelContainer, ModelLibrary
from jwst.datamodels.utils import attrs_to_group_id
from stdatamodels.jwst.datamodels import JwstDataModel
from stpipe.library import NoGroupID

from jwst_mosaic_skymatch.association import (
    association_of_files,
    check_association,
    in_lower_case,
    is_science,
    member_path,
)
from jwst_mosaic_skymatch.exposures import borrowed, unreadable
from jwst_mosaic_skymatch.keywords import read_keywords
from jwst_mosaic_skymatch.members import read_member
from jwst_mosaic_skymatch.products import require_writable

__all__ = ["Listed", "StepInput", "expand", "list_input", "read_members"]


class _Library(ModelLibrary):
    """Keeps what it reads of each exposure while it is opened.

    Else metadata would be read a second time, or only with the pixels.
    """

    def __init__(self, *args, **kwargs):
        self._seen, self._read_only = {}, None
        super().__init__(*args, **kwargs)

    @property
    def asn(self):
        # Every model that is loaded asks for it, and to make it takes a time that
        # grows with the number of members. It never changes.
        if self._read_only is None:
            self._read_only = super().asn
        return self._read_only

    @classmethod
    def _load_asn(cls, asn_path):
        return in_lower_case(super()._load_asn(asn_path))

    def _filename_to_group_id(self, filename):
        metadata = read_keywords(filename)
        self._seen[filename] = read_member(-1, str(filename), partial(_look_up, metadata))
        if "group_id" in metadata:
            return metadata["group_id"]
        try:
            return attrs_to_group_id(metadata["observation"])
        except KeyError as error:
            raise NoGroupID(f"{filename}: no {error} in the metadata") from error

    def member(self, index):
        """Give what was read of a member; None if the association itself named its group."""
        listed = self._members[index]
        seen = self._seen.get(self._member_to_filename(listed))
        if seen is None:
            return None
        return replace(seen, index=index, expname=listed["expname"], group_id=listed["group_id"])


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


@dataclass(frozen=True)
class Listed:
    """Exposures of which it is known how many there are.

    Attributes
    ----------
    n_exposures : int
        Number of science exposures.
    on_disk : bool
        Whether models stay on disk until they are borrowed.
    open : callable
        Returns the `StepInput`. Raises OSError if a file cannot be read, and
        ValueError if files do not fit together.
    """

    n_exposures: int
    on_disk: bool
    open: Callable[[], StepInput]


def list_input(inputs, *, on_disk, find_path, own_models):
    """Find out what the step is given, before anything large is read.

    Parameters
    ----------
    inputs : str, Path, mapping, list, model, ModelContainer or ModelLibrary
        An association (file or mapping), files, or models.
    on_disk : bool
        Whether models are to stay on disk; has no effect on those that are open
        already.
    find_path : callable
        Completes a file name given as str.
    own_models : callable
        Takes a list of models or a container and returns what may be changed:
        copies, when they belong to somebody else.

    Returns
    -------
    Listed
        A `ModelLibrary` is passed on as it is.

    Raises
    ------
    OSError
        If a file is missing.
    ValueError
        If there is no valid association or no science exposure in it.
    """
    if isinstance(inputs, ModelLibrary):
        return Listed(len(inputs), inputs.on_disk, partial(_of_library, inputs))
    if isinstance(inputs, (str, Path)):
        path = expand(find_path(str(inputs)))
        if not path.name.lower().endswith((".fits", ".asdf", ".gz")):
            return _list_association(_load_association(path), path, on_disk)
        inputs = [path]
    if isinstance(inputs, Mapping):
        return _list_association(_plain(inputs), None, on_disk)
    if isinstance(inputs, JwstDataModel) and not isinstance(inputs, ModelContainer):
        inputs = [inputs]
    if not isinstance(inputs, ModelContainer) and all(
        isinstance(item, (str, Path)) for item in inputs
    ):
        files = [expand(find_path(str(item))) for item in inputs]
        return _list_association(association_of_files(files), None, on_disk)
    return Listed(
        len(inputs),
        False,
        lambda: StepInput(ModelLibrary(own_models(inputs), asn_exptypes=["science"])),
    )


def read_members(library):
    """Read the metadata of the science exposures.

    Parameters
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        The exposures.

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
            member = library.member(index) if isinstance(library, _Library) else None
            members.append(member or _read_member(library, index, listed[index]["expname"]))
    return sorted(members, key=lambda member: member.filename)


def _read_member(library, index, expname):
    if library.on_disk:  # without making a model that would be made again later
        try:
            return read_member(index, expname, library.read_metadata(index).get)
        except Exception as error:
            raise unreadable(expname, error) from error
    with borrowed(library, index) as model:
        return read_member(index, expname, partial(_look_up, model))


def _look_up(tree, name):
    """Find meta.a.b in a model, or in the mapping that is its meta."""
    value = tree
    for part in name.split("."):
        if isinstance(value, Mapping):
            value = value if value is tree and part == "meta" else value.get(part)
        else:
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


def _of_library(library):
    # Of models without files there is no directory, and none of these paths exist.
    members = [
        {**member, "expname": str(Path(library.asn_dir, member["expname"]))}
        for member in library.asn["products"][0]["members"]
    ]
    there = [member for member in members if Path(member["expname"]).is_file()]
    return StepInput(
        library,
        frozenset(Path(member["expname"]).resolve() for member in there),
        tuple(member for member in there if not is_science(member)),
    )


def _list_association(association, path, on_disk):
    name = str(path or "the list of exposures")
    directory = path.parent if path else Path()
    check_association(association, name, directory)
    if on_disk:
        require_writable(
            Path(), "temporary copies of the exposures go there: run the step in another."
        )
    association = in_lower_case(association)
    members = association["products"][0]["members"]
    packed = [m["expname"] for m in members if is_science(m) and m["expname"].endswith(".gz")]
    if packed:
        raise ValueError(f"{packed[0]}: is compressed; unpack it with gunzip.")
    n_exposures = sum(map(is_science, members))
    opened = partial(_open_association, association, path, name, directory, on_disk)
    return Listed(n_exposures, on_disk, opened)


def _open_association(association, path, name, directory, on_disk):
    members = association["products"][0]["members"]
    files = {m["expname"]: member_path(m["expname"], directory).resolve() for m in members}
    try:
        library = _Library(path or association, asn_exptypes=["science"], on_disk=on_disk)
    except Exception as error:
        _raise_if_unreadable(files[m["expname"]] for m in members if is_science(m))
        raise ValueError(f"{name}: cannot be opened ({error}).") from error
    others = tuple({**m, "expname": str(files[m["expname"]])} for m in members if not is_science(m))
    unchanged = {
        m["expname"]: str(files[m["expname"]])
        for m in members
        if is_science(m) and files[m["expname"]].suffix.lower() == ".fits"
    }
    return StepInput(library, frozenset(files.values()), others, unchanged)


def _load_association(path):
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such association file; check its name.")
    try:
        with path.open() as file:
            return load_asn(file)
    except (AssociationNotValidError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}: not a valid association ({error}); make one with asn_from_list."
        ) from None


def _raise_if_unreadable(files):
    for path in files:
        try:
            read_keywords(str(path))
        except Exception as error:
            raise unreadable(path, error) from error


def _plain(tree):
    """Turn the read-only association of a library into one that it accepts."""
    if isinstance(tree, Mapping):
        return {key: _plain(value) for key, value in tree.items()}
    if isinstance(tree, Sequence) and not isinstance(tree, str):
        return [_plain(value) for value in tree]
    return tree
