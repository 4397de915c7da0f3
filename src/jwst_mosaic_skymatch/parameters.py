"""Parameters in the types in which people give them."""

import os
from collections.abc import Mapping
from numbers import Integral
from typing import Any

from stpipe import config_parser

__all__ = ["PlainParameters"]


class PlainParameters:
    """For a step or pipeline: takes paths of `pathlib`, and a number of cores as a number.

    Specifications of stpipe have only text for both, and refuse all else.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **_plain(kwargs))

    @classmethod
    def from_config_section(
        cls, config: config_parser.Section, *args: Any, **kwargs: Any
    ) -> Any:  # numpydoc ignore=PR01,RT01
        """Make a step of a configuration; see `stpipe.Step.from_config_section`."""
        config.walk(_make_plain)
        # Mixed into what has this method.
        return super().from_config_section(config, *args, **kwargs)  # type: ignore[misc]

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, _as_text(name, value))


def _as_text(name: str, value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if name == "maximum_cores" and isinstance(value, Integral):
        return str(value)
    return value


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Copy parameters, those of a pipeline's steps included."""
    return {
        name: _plain(value) if _is_plain_dict(value) else _as_text(name, value)
        for name, value in parameters.items()
    }


def _is_plain_dict(value: Any) -> bool:
    """Tell a user's dict from a section of a configuration, which stays as it is."""
    return isinstance(value, dict) and not isinstance(value, config_parser.Section)


def _make_plain(section: config_parser.Section, name: str) -> None:
    section[name] = _as_text(name, section[name])
