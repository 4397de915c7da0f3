"""Pixel-by-pixel sky matching for JWST mosaics.

The step and the pipeline are imported on first use. ``strun`` and ``stpipe list`` read this
package at every call, and importing jwst takes two seconds.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

try:
    __version__ = version("jwst-mosaic-skymatch")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0"

__all__ = [
    "IMAGE3_PARAMETERS",
    "PixelSkyMatchImage3Pipeline",
    "PixelSkyMatchStep",
    "__version__",
]

#: Parameter file that puts the step into jwst's own ``calwebb_image3``.
IMAGE3_PARAMETERS = str(Path(__file__).parent / "data" / "image3_pixel_skymatch.asdf")

_LAZY = {
    "PixelSkyMatchStep": "jwst_mosaic_skymatch.step",
    "PixelSkyMatchImage3Pipeline": "jwst_mosaic_skymatch.pipeline",
}
# The first that reads metadata without opening models.
_OLDEST_JWST = (1, 20)


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}, only {', '.join(__all__)}"
        )
    jwst = version("jwst")
    if tuple(int(number) for number in jwst.split(".")[:2]) < _OLDEST_JWST:
        raise ImportError(
            f"jwst-mosaic-skymatch needs jwst 1.20 or later, but jwst is {jwst}: "
            "pip install --upgrade jwst"
        )
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
