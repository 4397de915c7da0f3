"""What the step writes: the output association, and files that are whole or not there."""

import json
import os
import tempfile
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

__all__ = [
    "check_outputs",
    "image3_association",
    "product_name",
    "require_writable",
    "whole_file",
    "write_json",
]


def require_writable(directory):
    """Make sure that files can be written to a directory.

    Parameters
    ----------
    directory : str or Path
        The directory; made if it does not exist.

    Raises
    ------
    OSError
        If it cannot be made or nothing can be written to it.
    """
    directory = Path(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise OSError(
            f"{directory}: cannot write to this output directory ({error.strerror or error}); "
            "choose another with output_dir."
        ) from error


def check_outputs(outputs, inputs):
    """Refuse outputs that would replace an input or each other.

    Parameters
    ----------
    outputs : dict of str to (str or Path)
        Path of the output for each exposure's file name.
    inputs : set of Path
        Resolved paths of the input files.

    Raises
    ------
    ValueError
        If two exposures have the same output, or an output is an input.
    """
    seen = {}
    for filename, output in outputs.items():
        path = Path(output).resolve()
        if path in inputs:
            raise ValueError(
                f"{path}: is an input, which the output would overwrite; choose another "
                "directory with output_dir, or another suffix."
            )
        if path in seen:
            raise ValueError(
                f"{filename} and {seen[path]}: both would be saved as {path.name}; they look "
                "like two versions of one exposure, remove one."
            )
        seen[path] = filename


@contextmanager
def whole_file(path):
    """Write a file so that it is there whole or not at all.

    Parameters
    ----------
    path : str or Path
        Where the file shall be in the end. An earlier file of that name stays
        until the new one is complete.

    Yields
    ------
    Path
        Where to write it: same name, in a temporary directory beside it.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".skymatch-") as directory:
        draft = Path(directory) / path.name
        yield draft
        os.replace(draft, path)


def write_json(path, content):
    """Write a JSON file whole.

    Parameters
    ----------
    path : str or Path
        Where to write.
    content : dict
        What to write.
    """
    with whole_file(path) as draft:
        draft.write_text(json.dumps(content, indent=4) + "\n")


def product_name(association, filenames, output_file=None):
    """Choose the name of the product.

    Parameters
    ----------
    association : mapping
        The association the exposures came from.
    filenames : sequence of str
        The exposures.
    output_file : str or None
        The user's choice.

    Returns
    -------
    str
        The user's choice without extension, else the association's product
        name, else what the file names have in common, else ``mosaic``.
    """
    if output_file:
        return Path(output_file).stem
    name = association["products"][0].get("name")
    if name:
        return name
    if len(filenames) > 1:
        letters = zip(*(Path(name).stem for name in filenames), strict=False)
        shared = takewhile(lambda column: len(set(column)) == 1, letters)
        return "".join(column[0] for column in shared).rstrip("_-") or "mosaic"
    return "mosaic"


def image3_association(association, name, science, others):
    """Make the association with which to go on to ``calwebb_image3``.

    Parameters
    ----------
    association : mapping
        The association the exposures came from; its identifiers are kept.
    name : str
        Name of the product.
    science : sequence of dict
        Science members.
    others : sequence of dict
        Members of other types, passed on.

    Returns
    -------
    dict
        A level 3 imaging association.
    """
    kept = (
        "asn_id",
        "asn_pool",
        "program",
        "target",
        "constraints",
        "version_id",
        "degraded_status",
    )
    head = {key: association[key] for key in kept if association.get(key) is not None}
    return {
        "asn_type": "image3",
        "asn_rule": association.get("asn_rule", "DMS_Level3_Base"),
        "asn_id": "a3001",
        "asn_pool": "none",
        **head,
        "products": [{"name": name, "members": [*science, *others]}],
    }
