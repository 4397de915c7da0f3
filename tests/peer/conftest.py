"""Which of jwst's own tests are left out of the default run."""

import pytest

# The step takes every statistic from jwst's own code: two of four tell as much in a minute less.
OTHER_STATISTICS = ("-mean-", "-median-")


def pytest_collection_modifyitems(items):
    """Mark repetitions as slow."""
    for item in items:
        name = item.nodeid
        if "tests/peer/" in name and any(statistic in name for statistic in OTHER_STATISTICS):
            item.add_marker(pytest.mark.slow)
