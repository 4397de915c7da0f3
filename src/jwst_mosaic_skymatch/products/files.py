"""Files of the step, each of which is whole or not there, and their association."""

import json
import logging
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from astropy.table import QTable
from stdatamodels.jwst.datamodels import ImageModel, JwstDataModel
from stpipe.library import AbstractModelLibrary

from jwst_mosaic_skymatch.exposures.models import borrowed
from jwst_mosaic_skymatch.levels.results import Stack
from jwst_mosaic_skymatch.tiles.grid import Grid
from jwst_mosaic_skymatch.tiles.tile import StoredTile

__all__ = [
    "check_outputs",
    "image3_association",
    "product_name",
    "require_writable",
    "save_exposures",
    "save_table",
    "save_text",
    "save_tiles",
    "whole_files",
]

log = logging.getLogger("stpipe.pixel_skymatch")

# Of the FITS header of a tile.
WCS_KEYWORDS = (
    "wcsaxes",
    *(f"{name}{axis}" for name in ("ctype", "cunit", "crval", "crpix") for axis in "12"),
    *(f"cd{i}_{j}" for i in "12" for j in "12"),
)
# Pixels that its WCS may differ from the exact one.
WCS_TOLERANCE = 0.05
#: Makes the path of a file of its name, suffix and extension.
OutputPath = Callable[[str, str, str], str]
# Identifiers of an association that its successor keeps.
KEPT = ("asn_id", "asn_pool", "program", "target", "constraints", "version_id", "degraded_status")


def require_writable(directory: str | Path) -> None:
    """Make sure that files can be written to the output directory.

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
            f"{directory.absolute()}: cannot write to this directory "
            f"({error.strerror or error}); choose another with output_dir."
        ) from None


def check_outputs(outputs: Iterable[tuple[str, str | Path]], inputs: Collection[Path]) -> None:
    """Refuse outputs that would replace an input or each other.

    Parameters
    ----------
    outputs : iterable of tuple of (str, (str or Path))
        Name of each exposure, and path of its output.
    inputs : set of Path
        Resolved paths of the input files.

    Raises
    ------
    ValueError
        If two exposures have the same output, or an output is an input.
    """
    seen: dict[Path, str] = {}
    for name, output in outputs:
        path = Path(output).resolve()
        if path in inputs:
            raise ValueError(
                f"{path}: is an input, which the output would overwrite; choose another "
                "directory with output_dir, or another suffix."
            )
        if path in seen:
            raise ValueError(
                f"{name} and {seen[path]}: both would be saved as {path.name}; give them file "
                "names (meta.filename) that differ, or remove one of two versions of an exposure."
            )
        seen[path] = name


@contextmanager
def whole_files() -> Iterator[Callable[[str | Path], Path]]:
    """Write files so that they are all there, each whole, or none is.

    Yields
    ------
    callable
        Takes the path where a file shall be in the end and returns where to write it:
        same name, in a temporary directory beside it. An earlier file of that name stays
        until all new ones are complete.
    """
    directories: dict[Path, Path] = {}
    drafts: dict[Path, Path] = {}
    with ExitStack() as stack:

        def draft(path: str | Path) -> Path:
            path = Path(path)
            if path.parent not in directories:
                directory = tempfile.TemporaryDirectory(dir=path.parent, prefix=".skymatch-")
                directories[path.parent] = Path(stack.enter_context(directory))
            drafts[path] = directories[path.parent] / path.name
            return drafts[path]

        yield draft
        for path, written in drafts.items():
            os.replace(written, path)
    for path in drafts:
        log.info("Saved %s", path)


def save_exposures(
    library: AbstractModelLibrary,
    others: Sequence[Mapping[str, Any]],
    output_file: str | None,
    exposure_path: Callable[[str], str],
    product_path: OutputPath,
) -> list[str]:
    """Save every science exposure of a library, or none, and an association of them.

    Parameters
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        The exposures.
    others : sequence of dict
        Members of other types, which the association passes on.
    output_file : str or None
        Name of the product that the user has chosen.
    exposure_path, product_path : callable
        Make the path of an exposure of its file name, and that of another file.

    Returns
    -------
    list of str
        Paths of the exposures.

    Raises
    ------
    OSError
        If one cannot be written, or breaks a schema.
    """
    paths: list[str] = []
    with whole_files() as draft, library:
        for index in library.indices_for_exptype("science"):
            with borrowed(library, index) as model:
                paths.append(exposure_path(model.meta.filename))
                _save(model, paths[-1], draft(paths[-1]))
    filenames = [Path(path).name for path in paths]
    name = product_name(library.asn, filenames, output_file)
    association = image3_association(library, name, filenames, others)
    # A library gives mappings of its association that are no dicts.
    text = json.dumps(association, indent=4, default=dict) + "\n"
    save_text(product_path(name, "skymatch_asn", "json"), text)
    return paths


def _save(model: JwstDataModel, path: str | Path, draft: Path) -> None:
    """Save a model that shall be at a path in the end."""
    try:
        model.save(draft)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise OSError(
            f"{path}: cannot be saved ({type(error).__name__}: {reason}); nothing was written. "
            "Make room on the disk or, if the exposure breaks a schema, make its file anew."
        ) from None


def save_tiles(
    output_path: OutputPath, stacks: Sequence[Stack], grid: Grid, unit: str | None
) -> None:
    """Save the mean image of each stack, with weights, WCS and unit.

    Parameters
    ----------
    output_path : callable
        Makes the path of a file of its name, suffix and extension.
    stacks : sequence of Stack
        The stacks.
    grid : Grid
        The grid.
    unit : str or None
        Unit of the data.
    """
    for stack in stacks:
        tile = stack.mean.read() if isinstance(stack.mean, StoredTile) else stack.mean
        model, wcs = ImageModel(tile.data), grid.cutout_wcs(tile)
        model.wht, model.meta.wcs, model.meta.bunit_data = tile.weight, wcs, unit
        # The same for programs that know only FITS: a tangent plane at the tile's centre.
        header = wcs.to_fits_sip(degree=1, max_pix_error=WCS_TOLERANCE)
        for name in WCS_KEYWORDS:
            setattr(model.meta.wcsinfo, name, header[name.upper()])
        path = output_path(stack.label, "skytile", "fits")
        with whole_files() as draft:
            _save(model, path, draft(path))


def save_table(path: str | Path, table: QTable) -> None:
    """Save a table as ECSV, whole or not at all.

    Parameters
    ----------
    path : str or Path
        The file.
    table : `~astropy.table.QTable`
        The table.
    """
    with whole_files() as draft:
        table.write(draft(path), format="ascii.ecsv")


def save_text(path: str | Path, text: str) -> None:
    """Save a text, whole or not at all.

    Parameters
    ----------
    path : str or Path
        The file.
    text : str
        The text.
    """
    with whole_files() as draft:
        draft(path).write_text(text, encoding="utf-8")


def product_name(
    association: Mapping[str, Any], filenames: Sequence[str], output_file: str | None = None
) -> str:
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
    if name or len(filenames) < 2:
        return name or "mosaic"
    shared = os.path.commonprefix([Path(name).stem for name in filenames])  # noqa: RUF071
    return shared.rstrip("_-") or "mosaic"


def image3_association(
    library: AbstractModelLibrary,
    name: str,
    filenames: Sequence[str],
    others: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Make the association with which to go on to ``calwebb_image3``.

    Parameters
    ----------
    library : `~jwst.datamodels.library.ModelLibrary`
        The exposures; identifiers of their association are kept.
    name : str
        Name of the product.
    filenames : sequence of str
        The saved science exposures, in the order of the library.
    others : sequence of dict
        Members of other types, passed on.

    Returns
    -------
    dict
        A level 3 imaging association.
    """
    association = library.asn
    members = association["products"][0]["members"]
    science = [
        {**members[index], "expname": filename}
        for index, filename in zip(library.indices_for_exptype("science"), filenames, strict=True)
    ]
    return {
        "asn_type": "image3",
        "asn_rule": association.get("asn_rule", "DMS_Level3_Base"),
        "asn_id": "a3001",
        "asn_pool": "none",
        **{key: association[key] for key in KEPT if association.get(key) is not None},
        "products": [{"name": name, "members": [*science, *others]}],
    }
