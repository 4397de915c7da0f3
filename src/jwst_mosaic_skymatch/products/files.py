"""Files of the step, each of which is whole or not there, and their association."""

import json
import logging
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from astropy.modeling.models import Shift
from gwcs import WCS
from stcal.alignment.util import wcs_bbox_from_shape
from stdatamodels.jwst.datamodels import ImageModel, JwstDataModel
from stpipe.library import AbstractModelLibrary

from jwst_mosaic_skymatch.exposures.models import borrowed
from jwst_mosaic_skymatch.exposures.sky_files import tangent_plane
from jwst_mosaic_skymatch.levels.results import Stack
from jwst_mosaic_skymatch.tiles.grid import Grid
from jwst_mosaic_skymatch.tiles.tile import Tile

__all__ = [
    "check_outputs",
    "cutout_wcs",
    "image3_association",
    "product_name",
    "require_writable",
    "save_exposures",
    "save_tiles",
    "whole_files",
]

log = logging.getLogger("stpipe.pixel_skymatch")

#: Makes the path of a file of its name, suffix and extension.
OutputPath = Callable[[str, str, str], str]


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
def whole_files(directory: str | Path) -> Iterator[Callable[[str], Path]]:
    """Write files so that they are all there, each whole, or none is.

    Parameters
    ----------
    directory : str or Path
        Directory of all of them.

    Yields
    ------
    callable
        Takes the path where a file shall be in the end and returns where to write it: same name, in
        a temporary directory. Earlier files stay until all new ones are complete.
    """
    with tempfile.TemporaryDirectory(dir=directory, prefix=".skymatch-") as drafts:
        yield lambda path: Path(drafts, Path(path).name)
        for draft in sorted(Path(drafts).iterdir()):
            path = Path(directory, draft.name)
            os.replace(draft, path)
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
    with whole_files(Path(exposure_path("exposure.fits")).parent) as draft, library:
        for index in library.indices_for_exptype("science"):
            with borrowed(library, index) as model:
                paths.append(exposure_path(model.meta.filename))
                _save(model, draft(paths[-1]))
        filenames = [Path(path).name for path in paths]
        name = product_name(library.asn, filenames, output_file)
        association = image3_association(library, name, filenames, others)
        # A library gives mappings of its association that are no dicts.
        text = json.dumps(association, indent=4, default=dict) + "\n"
        draft(product_path(name, "skymatch_asn", "json")).write_text(text)
    return paths


def _save(model: JwstDataModel, draft: Path) -> None:
    try:
        model.save(draft)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise OSError(
            f"{draft.name}: cannot be saved ({type(error).__name__}: {reason}); nothing was "
            "written. Make room on the disk or, if the exposure breaks a schema, make its file "
            "anew."
        ) from None


def save_tiles(
    draft: Callable[[str], Path],
    output_path: OutputPath,
    stacks: Sequence[Stack],
    grid: Grid,
    unit: str | None,
) -> None:
    """Save the mean image of each stack, with weights, WCS and unit.

    Parameters
    ----------
    draft : callable
        See `whole_files`.
    output_path : callable
        Makes the path of a file of its name, suffix and extension.
    stacks : sequence of Stack
        The stacks.
    grid : Grid
        The grid.
    unit : str or None
        Unit of the data.
    """
    plane = grid.wcs.forward_transform
    ra, dec = plane.crval.value
    # It is validated when it is saved.
    model = ImageModel(validate_on_assignment=False)
    model.meta.bunit_data = unit
    for stack in stacks:
        tile = stack.mean.read()
        model.data, model.wht, model.meta.wcs = tile.data, tile.weight, cutout_wcs(grid, tile)
        # The same for programs that know only FITS.
        pixel = plane.crpix.value - [tile.x0, tile.y0] + 1.0
        header = tangent_plane(ra, dec, grid.sky_axes / 3600.0, pixel).to_header()
        model.meta.wcsinfo = {name.lower(): value for name, value in header.items()}
        _save(model, draft(output_path(stack.label, "skytile", "fits")))


def cutout_wcs(grid: Grid, tile: Tile) -> WCS:
    """Make the WCS of a part of the grid.

    Parameters
    ----------
    grid : Grid
        The grid.
    tile : Tile
        A tile of that part.

    Returns
    -------
    `~gwcs.wcs.WCS`
        From its cells to the sky.
    """
    to_sky = Shift(tile.x0) & Shift(tile.y0) | grid.wcs.forward_transform
    wcs = WCS(to_sky, grid.wcs.input_frame, grid.wcs.output_frame)
    wcs.array_shape, wcs.bounding_box = tile.shape, wcs_bbox_from_shape(tile.shape)
    return wcs


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
    known = {key: value for key, value in association.items() if value is not None}
    return {
        "asn_rule": "DMS_Level3_Base",
        "asn_id": "a3001",
        "asn_pool": "none",
        **known,
        "asn_type": "image3",
        "products": [{"name": name, "members": [*science, *others]}],
    }
