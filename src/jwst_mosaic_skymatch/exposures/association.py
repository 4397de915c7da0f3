"""The association, checked before anything is opened."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["absolute_association", "association_of_files", "check_association", "is_science"]


def is_science(member: Mapping[str, Any]) -> bool:  # numpydoc ignore=PR01,RT01
    """Tell whether the exptype of an association's member is 'science', in any case of letters."""
    return member["exptype"].lower() == "science"


def association_of_files(paths: Iterable[Path]) -> dict[str, Any]:  # numpydoc ignore=PR01,RT01
    """Make an association, with absolute paths, of a plain list of files."""
    members = [{"expname": str(path), "exptype": "science"} for path in paths]
    return {"asn_type": "image3", "products": [{"members": members}]}


def absolute_association(
    association: Mapping[str, Any], name: str, directory: str | Path
) -> dict[str, Any]:
    """Copy an association in the form that a `~jwst.datamodels.library.ModelLibrary` needs.

    Parameters
    ----------
    association : mapping
        An association, of which the first product counts.
    name : str
        What to call it in messages.
    directory : str or Path
        Directory that its members' names are relative to.

    Returns
    -------
    dict
        Its members have absolute paths and an ``exptype`` in lower case, the only one
        that a library finds.

    Raises
    ------
    ValueError
        If it is no association.
    """
    try:
        product = association["products"][0]
        members = [
            {
                **member,
                "expname": str(Path(directory, member["expname"]).absolute()),
                "exptype": member["exptype"].lower(),
            }
            for member in product["members"]
        ]
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{name}: not an association: products[0].members with expname and exptype is needed "
            f"({error!r}); make one with asn_from_list."
        ) from None
    return {**association, "products": [{**product, "members": members}]}


def check_association(association: Mapping[str, Any], name: str) -> None:
    """Refuse an association whose exposures are not all there.

    Parameters
    ----------
    association : dict
        The association, with absolute paths.
    name : str
        What to call it in messages.

    Raises
    ------
    FileNotFoundError
        If a science member's file does not exist.
    ValueError
        If it lists no science member, or one twice, or one that is compressed or has
        a name that cannot be saved.
    """
    science = [m["expname"] for m in association["products"][0]["members"] if is_science(m)]
    if not science:
        raise ValueError(
            f"{name}: no science member; list at least one exposure with exptype 'science'."
        )
    listed: dict[Path, Path] = {}
    for expname in science:
        path = Path(expname)
        if not path.is_file():
            raise FileNotFoundError(
                f"{expname}: no such file, but {name} lists it; correct its name or remove it "
                "from the association."
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
