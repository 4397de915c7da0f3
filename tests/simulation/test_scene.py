"""Scenes, and composing them."""

from dataclasses import replace

import pytest


def test_scene_refuses_missing_levels_and_doubles(dithered):
    with pytest.raises(ValueError, match="no level for jw09999001001_02101_00001_mirimage"):
        replace(dithered, levels={})
    with pytest.raises(ValueError, match="two pointings have the same rootname"):
        replace(dithered, pointings=dithered.pointings[:1] * 2)
