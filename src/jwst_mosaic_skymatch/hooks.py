"""The step as a hook of the stock step, in jwst's own pipeline."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from jwst.datamodels import ModelLibrary
from jwst.skymatch import SkyMatchStep
from jwst.stpipe import Step

__all__ = ["in_place_of_hooked_step"]

log = logging.getLogger("stpipe.pixel_skymatch")

# What a skipped step would have saved, its hook saves.
OF_OUTPUT = ("save_results", "output_file", "suffix")


@contextmanager
def in_place_of_hooked_step(hook: Step, inputs: Sequence[Any]) -> Iterator[None]:
    """Let a hook of the stock step do what that step was asked to, and it alone.

    Parameters
    ----------
    hook : Step
        If it is no hook of the stock step, nothing is done.
    inputs : sequence
        What the hook is run on.

    Yields
    ------
    None
        Meanwhile the hook has the parameters of that step that are not at their defaults.

    Raises
    ------
    ValueError
        If that step would undo what the hook does.
    """
    hooked = hook.parent
    if not isinstance(hooked, SkyMatchStep) or hooked.class_alias == hook.class_alias:
        yield
        return
    if _is_pre_hook(hook, hooked):
        _keep_from_running(hooked)
    elif not hooked.skip:
        _withdraw_results(hooked, inputs)
    given = _given_parameters(hooked)
    own = {name: getattr(hook, name) for name in given}
    hook.update_pars(given)
    try:
        yield
    finally:
        hook.update_pars(own)


def _is_pre_hook(hook: Step, hooked: Step) -> bool:
    return any(
        command in (hook, type(hook)) or str(command).endswith(type(hook).__name__)
        for command in hooked.pre_hooks
    )


def _keep_from_running(hooked: Step) -> None:
    if hooked.parent is None:  # stpipe runs it even if it is to be skipped
        raise ValueError(
            f"{hooked.name} would run after its pre-hook and replace the levels; run "
            "pixel_skymatch instead."
        )
    log.warning(
        "As this step is a pre-hook of %s, that is skipped afterwards, and headers will say so "
        "(S_SKYMAT) although levels are recorded; make it a post-hook.",
        hooked.name,
    )
    hooked.skip = True


def _withdraw_results(hooked: Step, inputs: Sequence[Any]) -> None:
    remedy = "run pixel_skymatch instead" if hooked.parent is None else "skip it (skip=True)"
    log.warning(
        "%s itself has run, too: its levels are replaced, and what it has subtracted is put back; "
        "%s.",
        hooked.name,
        remedy,
    )
    for library in inputs:
        if isinstance(library, ModelLibrary):
            list(library.map_function(_withdraw_level))


def _withdraw_level(model: Any, _: int) -> None:
    background = model.meta.background
    if background.subtracted:
        model.data = model.data + np.float32(background.level)
    background.level = background.subtracted = background.method = None


def _given_parameters(hooked: Step) -> dict[str, Any]:
    """Find the parameters of the stock step that are not at their defaults."""
    stock = SkyMatchStep()
    names, defaults, values = stock.get_pars(full_spec=False), stock.get_pars(), hooked.get_pars()
    # If it is not skipped, it saves what its hook returns.
    wanted = (*names, *OF_OUTPUT) if hooked.skip and hooked.parent is not None else names
    return {name: values[name] for name in wanted if values[name] != defaults[name]}
