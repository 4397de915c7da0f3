"""Settings of the process while exposures are loaded."""

import gc

import asdf
import pytest

from jwst_mosaic_skymatch.exposures.loading import frozen_objects, rare_collection, trusted_files


def settings():
    validates = asdf.get_config().validate_on_read
    return {
        "threshold": gc.get_threshold()[0],
        "frozen": gc.get_freeze_count() > 10_000,
        "validates": validates,
    }


@pytest.mark.parametrize(
    ("context", "name"),
    [(trusted_files, "validates"), (rare_collection, "threshold"), (frozen_objects, "frozen")],
)
@pytest.mark.parametrize("fails", [True, False])
def test_settings_are_as_before_afterwards(context, name, fails):
    before = settings()
    try:
        with context():
            assert {key for key in before if settings()[key] != before[key]} == {name}
            if fails:
                raise KeyError
    except KeyError:
        pass
    assert settings() == before
