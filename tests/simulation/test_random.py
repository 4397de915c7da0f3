"""Random numbers depend on seed and names only."""

import subprocess
import sys

import pytest

from jwst_mosaic_simulation._random import named_generator


def test_same_seed_and_names_give_the_same_numbers_in_every_process():
    code = (
        "from jwst_mosaic_simulation._random import named_generator as g;"
        "print(g(3, 'noise', 'first').random())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) == named_generator(3, "noise", "first").random()


@pytest.mark.parametrize("other", [(4, "noise", "first"), (3, "noise", "second"), (3, "noise")])
def test_another_seed_or_name_gives_other_numbers(other):
    assert named_generator(*other).random() != named_generator(3, "noise", "first").random()
