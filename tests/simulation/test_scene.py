"""Scenes, and composing them."""

from dataclasses import replace

import pytest

from jwst_mosaic_simulation import (
    compose_scene,
    dither_pointings,
    draw_levels,
    filter_noise,
)


def test_scene_refuses_missing_levels_and_doubles(dithered):
    with pytest.raises(ValueError, match="no level for jw09999001001_02101_00001_mirimage"):
        replace(dithered, levels={})
    with pytest.raises(ValueError, match="two pointings have the same rootname"):
        replace(dithered, pointings=dithered.pointings[:1] * 2)


def test_composed_scene_is_usual_for_the_filter():
    pointings = dither_pointings(2)
    scene = compose_scene("name", pointings, filter_name="F1000W", seed=3, binning=8)
    assert (scene.noise, scene.levels) == (filter_noise("F1000W"), draw_levels(pointings, 3))
    assert (scene.sky.diffuse(150.0, 2.2), scene.sky.fwhm) == (20.0, 8 * 0.33)
