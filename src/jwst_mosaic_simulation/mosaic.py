"""All exposures of a scene, in memory or as files with an association."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stdatamodels.jwst.datamodels import ImageModel

from .exposure import simulate_exposure
from .scene import Scene

__all__ = ["Simulation", "simulate_models", "simulate_mosaic"]


@dataclass(frozen=True)
class Simulation:
    """Files of a simulated mosaic and the true levels.

    Attributes
    ----------
    association : pathlib.Path
        The image3 association.
    files : tuple of pathlib.Path
        The exposures.
    levels : mapping of str to float
        True level by rootname, MJy/sr.
    """

    association: Path
    files: tuple[Path, ...]
    levels: Mapping[str, float]


def simulate_models(
    scene: Scene, progress: Callable[[int, int], object] | None = None
) -> list[ImageModel]:
    """Simulate all exposures of a scene in memory.

    Parameters
    ----------
    scene : Scene
        The scene.
    progress : callable, optional
        Called with the number done and the number of all after each exposure.

    Returns
    -------
    list of stdatamodels.jwst.datamodels.ImageModel
        The exposures in the order of the pointings.
    """
    models = []
    for pointing in scene.pointings:
        models.append(simulate_exposure(scene, pointing))
        if progress is not None:
            progress(len(models), len(scene.pointings))
    return models


def simulate_mosaic(
    scene: Scene, directory: str | Path, progress: Callable[[int, int], object] | None = None
) -> Simulation:
    """Simulate a scene into files that calwebb_image3 can process.

    Parameters
    ----------
    scene : Scene
        The scene.
    directory : str or path-like
        Where to write ``<rootname>_cal.fits`` and ``<name>_asn.json``; it is
        made if missing. Files of the same name are replaced.
    progress : callable, optional
        Called with the number done and the number of all after each exposure.

    Returns
    -------
    Simulation
        Paths and true levels.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    for pointing in scene.pointings:
        with simulate_exposure(scene, pointing) as model:
            files.append(directory / model.meta.filename)
            model.save(files[-1])
        if progress is not None:
            progress(len(files), len(scene.pointings))
    association = directory / f"{scene.name}_asn.json"
    association.write_text(json.dumps(_association(scene, files), indent=2) + "\n")
    levels = {p.rootname: scene.levels[p.rootname] for p in scene.pointings}
    return Simulation(association, tuple(files), levels)


def _association(scene: Scene, files: Sequence[Path]) -> dict[str, Any]:
    members = [{"expname": path.name, "exptype": "science"} for path in files]
    return {
        "asn_type": "image3",
        "asn_rule": "DMS_Level3_Base",
        "version_id": None,
        "code_version": "simulated",
        "degraded_status": "No known degraded exposures in association.",
        "program": scene.pointings[0].program,
        "constraints": "No constraints",
        "asn_id": "a3001",
        "target": scene.target,
        "asn_pool": "none",
        "products": [{"name": scene.name, "members": members}],
    }
