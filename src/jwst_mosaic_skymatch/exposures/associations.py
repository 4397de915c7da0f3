"""Associations: files of exposures, and what is refused before any of them is read."""

import json
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike, fspath
from os.path import expanduser, expandvars
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from jwst.associations import AssociationNotValidError, load_asn
from jwst.datamodels import ModelLibrary
from stdatamodels.jwst.datamodels import JwstDataModel

__all__ = ["as_association", "expand", "first_exposure", "load_association", "science_members"]

# Name in messages of an association without a file.
LISTED = "the list of exposures"


def expand(path: str | PathLike[str]) -> Path:
    """Expand ``~`` and environment variables in a path.

    Parameters
    ----------
    path : str or path
        The path.

    Returns
    -------
    Path
        The expanded path.

    Raises
    ------
    ValueError
        If it is a URI.
    """
    if "://" in fspath(path):
        raise ValueError(f"{path}: is no local path; download it, and give its path.")
    return Path(expandvars(expanduser(fspath(path))))


def as_association(inputs: Any) -> Any:
    """Bring the kinds of input that jwst does not take into a form that it takes.

    Parameters
    ----------
    inputs : object
        Input of a step or pipeline.

    Returns
    -------
    object
        Text for the path of an association, and a list for an iterable of models. One file, or any
        iterable of files, becomes an association: jwst opens all files of a list at once. The input
        itself in other cases.
    """
    if isinstance(inputs, Mapping):
        return dict(inputs)
    if isinstance(inputs, (str, PathLike)):
        if not fspath(inputs).lower().endswith((".fits", ".asdf", ".gz")):
            return fspath(inputs)
        inputs = [inputs]
    if isinstance(inputs, (ModelLibrary, JwstDataModel)) or not isinstance(inputs, Iterable):
        return inputs
    items = [fspath(item) if isinstance(item, PathLike) else item for item in inputs]
    if not all(isinstance(item, str) for item in items):
        return items
    members = [{"expname": str(expand(item)), "exptype": "science"} for item in items]
    return {"asn_type": "image3", "products": [{"members": members}]}


def load_association(source: str | Mapping[str, Any]) -> dict[str, Any]:
    """Load an association, and refuse it if it is not valid or exposures are missing.

    Parameters
    ----------
    source : str or mapping
        Path of its file, or the association itself.

    Returns
    -------
    dict
        The association, with absolute paths, and exptypes in lower case, the only one that a
        library recognizes.

    Raises
    ------
    FileNotFoundError
        If it or a science exposure is missing.
    ValueError
        If it is no valid association, has several products, no science exposure, or one of these
        twice or under a name that cannot be saved.
    """
    if isinstance(source, str):
        path = expand(source)
        name, directory, association = str(path), path.parent, _parse_association(path)
        association["table_name"] = path.name
    else:
        name, directory, association = LISTED, Path(), dict(source)
    try:
        product, *more = association["products"]
        members = [
            {
                **member,
                "expname": _absolute(directory, fspath(member["expname"])),
                "exptype": member["exptype"].lower(),
            }
            for member in product["members"]
        ]
        association = {**association, "products": [{**product, "members": members}]}
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{name}: not an association: products[0].members with expname and exptype is needed "
            f"({error!r}); make one with asn_from_list."
        ) from None
    if more:  # jwst would take the first and leave the others out without a word
        raise ValueError(
            f"{name}: has {len(more) + 1} products, but a mosaic is one; list all of its exposures "
            "in one product, as asn_from_list does."
        )
    _check_members(science_members(association), name)
    return association


def first_exposure(inputs: Any) -> Any:
    """Give the exposure that CRDS is asked about.

    Parameters
    ----------
    inputs : object
        Input of a step or pipeline.

    Returns
    -------
    object
        Path of the first science exposure of an association; other inputs, files that do not exist
        and metadata for CRDS as they are.

    Raises
    ------
    FileNotFoundError
        If a science exposure is missing.
    ValueError
        If it is no valid association, or has no science exposure.
    """
    # An association that is not here may be in stpipe's ``input_dir``.
    is_here = isinstance(inputs, (str, PathLike)) and expand(inputs).is_file()
    if is_here or (isinstance(inputs, Mapping) and "products" in inputs):
        return science_members(load_association(as_association(inputs)))[0]["expname"]
    return inputs


def science_members(association: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Select the science exposures of an association.

    Parameters
    ----------
    association : mapping
        The association, see `load_association`.

    Returns
    -------
    list of dict
        Its members with exptype ``science``.
    """
    return [m for m in association["products"][0]["members"] if m["exptype"] == "science"]


def _absolute(directory: Path, expname: str) -> str:
    """Make the path of a member absolute; stpipe takes a URI as it is."""
    return expname if urlparse(expname).scheme else str(Path(directory, expname).absolute())


def _parse_association(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(
            f"{path.absolute()}: no such association file; check its name and its directory."
        )
    try:
        with path.open() as file:
            return dict(load_asn(file))
    except (AssociationNotValidError, TypeError, UnicodeDecodeError) as error:
        reason: Exception = error
    try:  # jwst does not name the place of an error in JSON
        json.loads(path.read_bytes())
    except ValueError as error:
        reason = error
    raise ValueError(
        f"{path}: not a valid association ({reason}); correct it, or make one with asn_from_list."
    )


def _check_members(science: Sequence[Mapping[str, Any]], name: str) -> None:
    """Refuse science members that are missing, listed twice, or cannot be opened or saved."""
    if not science:
        raise ValueError(
            f"{name}: no science member; list at least one exposure with exptype 'science'."
        )
    listed: dict[Path, Path] = {}
    for expname in (member["expname"] for member in science):
        path = Path(expname)
        if not path.is_file():
            raise FileNotFoundError(
                f"{expname}: no such file here, but {name} lists it; correct its name, download "
                "it, or remove it from there."
            )
        if expname.endswith(".gz"):
            raise ValueError(f"{expname}: is compressed; unpack it with gunzip.")
        if not path.name.isascii():
            raise ValueError(
                f"{expname}: the FITS keyword FILENAME can hold this name only in ASCII; rename "
                "the file."
            )
        # A link is another name of a file, not another exposure.
        first = listed.setdefault(path.resolve(), path)
        if first is not path:
            raise ValueError(
                f"{expname}: listed more than once in {name}, first as {first}; remove the "
                "duplicate."
            )
