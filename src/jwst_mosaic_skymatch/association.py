"""The list of exposures, checked before anything is opened."""

from collections import Counter
from pathlib import Path
from urllib.parse import urlparse

__all__ = [
    "association_of_files",
    "check_association",
    "in_lower_case",
    "is_science",
    "member_path",
]


def in_lower_case(association):
    """Write the kinds of members as `~stpipe.library.AbstractModelLibrary` looks for them.

    Parameters
    ----------
    association : mapping
        An association.

    Returns
    -------
    dict
        A copy, with ``exptype`` of its first product's members in lower case.
    """
    product, *others = association["products"]
    members = [{**m, "exptype": m["exptype"].lower()} for m in product["members"]]
    return {**association, "products": [{**product, "members": members}, *others]}


def is_science(member):
    """Tell whether an association member is to be matched.

    Parameters
    ----------
    member : mapping
        The member.

    Returns
    -------
    bool
        Whether its ``exptype`` is 'science', in any case, as jwst has it.
    """
    return member["exptype"].lower() == "science"


def member_path(expname, directory):
    """Find the file of an association member.

    Parameters
    ----------
    expname : str
        The member's ``expname``.
    directory : str or Path
        Where the association lies.

    Returns
    -------
    Path
        Path of the file.
    """
    return Path(directory) / expname


def association_of_files(paths):
    """Make an association of a plain list of files.

    Parameters
    ----------
    paths : sequence of str or Path
        Files of the exposures.

    Returns
    -------
    dict
        An association with absolute paths.
    """
    members = [
        {"expname": str(Path(path).expanduser().absolute()), "exptype": "science"} for path in paths
    ]
    return {"asn_type": "image3", "products": [{"members": members}]}


def check_association(association, name, directory):
    """Refuse an association whose exposures are not all there.

    Parameters
    ----------
    association : mapping
        The association.
    name : str
        What to call it in messages.
    directory : str or Path
        Directory that its members' names are relative to.

    Raises
    ------
    FileNotFoundError
        If a science member's file does not exist.
    ValueError
        If it lists no science member, or is no association at all.
    """
    try:
        listed = association["products"][0]["members"]
        science = [m["expname"] for m in listed if is_science(m)]
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{name}: not an association: products[0].members with expname and exptype is needed "
            f"({error!r})."
        ) from None
    if not science:
        raise ValueError(
            f"{name}: no science member; list at least one exposure with exptype 'science'."
        )
    twice = sorted(expname for expname, count in Counter(science).items() if count > 1)
    if twice:
        raise ValueError(f"{twice[0]}: listed more than once in {name}; remove the duplicate.")
    for expname in science:
        if not urlparse(expname).scheme and not member_path(expname, directory).is_file():
            raise FileNotFoundError(
                f"{member_path(expname, directory)}: no such file, but {name} lists it; correct "
                "its name or remove it from the association."
            )
