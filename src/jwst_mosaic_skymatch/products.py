"""What the step writes: the output association, and files that are whole or not there."""

import json
import os
import tempfile
from contextlib import ExitStack, contextmanager
from itertools import takewhile
from pathlib import Path

__all__ = [
    "check_outputs",
    "image3_association",
    "product_name",
    "require_writable",
    "save_model",
    "whole_file",
    "whole_files",
    "write_json",
]


def require_writable(directory, remedy):
    """Make sure that files can be written to a directory.

    Parameters
    ----------
    directory : str or Path
        The directory; made if it does not exist.
    remedy : str
        What to do if not, for the message.

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
            f"{directory.absolute()}: cannot write to this directory "
            f"({error.strerror or error}); {remedy}"
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
def whole_files():
    """Write files so that they are all there, each whole, or none is.

    Yields
    ------
    callable
        Takes the path where a file shall be in the end and returns where to write it:
        same name, in a temporary directory beside it. An earlier file of that name stays
        until all new ones are complete.
    """
    directories, drafts = {}, {}
    with ExitStack() as stack:

        def draft(path):
            path = Path(path)
            if path.parent not in directories:
                directory = tempfile.TemporaryDirectory(dir=path.parent, prefix=".skymatch-")
                directories[path.parent] = Path(stack.enter_context(directory))
            drafts[path] = directories[path.parent] / path.name
            return drafts[path]

        yield draft
        for path, written in drafts.items():
            os.replace(written, path)


@contextmanager
def whole_file(path):
    """Write a file so that it is there whole or not at all.

    Parameters
    ----------
    path : str or Path
        Where the file shall be in the end.

    Yields
    ------
    Path
        Where to write it, see `whole_files`.
    """
    with whole_files() as draft:
        yield draft(path)


def save_model(model, path, draft):
    """Save a model, or say which could not be saved.

    Parameters
    ----------
    model : `~stdatamodels.jwst.datamodels.JwstDataModel`
        The model.
    path, draft : str or Path
        Where it shall be in the end, and where to write it.

    Raises
    ------
    OSError
        If it cannot be written, or breaks a schema.
    """
    try:
        model.save(draft)
    except Exception as error:
        what = str(error).partition("\n")[0]
        raise OSError(
            f"{path}: cannot be saved ({type(error).__name__}: {what}); nothing was written. "
            "Make room on the disk or, if the exposure breaks a schema, make its file anew."
        ) from error


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
