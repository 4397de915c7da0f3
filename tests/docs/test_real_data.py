"""The page on real data, run with an archive that is made up and files that are simulated.

The archive's answers have the columns and the names of real ones. What the real one would answer
is not tested here.
"""

import re
import shutil
from pathlib import Path
from textwrap import dedent

import pytest
from astropy.table import Table

from jwst_mosaic_simulation import simulate_mosaic, stephans_quintet

mast = pytest.importorskip("astroquery.mast", reason="pip install astroquery")
PAGE = Path(__file__).parents[2] / "docs" / "howto" / "real_data.rst"
# More kinds of files that belong to a product, of which the page wants none.
OTHERS = {"_cal.jpg": "CAL", "_rate.fits": "RATE", "_crf.fits": "CRF"}


def blocks():
    """Give the page's Python, one text for each block."""
    found = re.findall(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", PAGE.read_text(), re.M)
    return [dedent(block) for block in found]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Simulate what the archive holds."""
    directory = tmp_path_factory.mktemp("archive")
    return simulate_mosaic(stephans_quintet(n=6, binning=8, seed=5), directory)


@pytest.fixture
def _asked(archive, monkeypatch):
    """Let astroquery ask the made-up archive. Only methods that it really has are replaced."""

    def query(**criteria):
        assert criteria["obs_collection"] == "JWST"
        return Table({"obsid": ["1", "2"], "obs_id": ["jw02732-o002", "jw02732-o006"]})

    def list_products(observations):
        assert list(observations["obsid"]) == ["1", "2"]
        rows = [(file.name, "CAL", 10**7) for file in archive.files]
        rows += [
            (file.name.replace("_cal.fits", ending), kind, 10**6)
            for file in archive.files
            for ending, kind in OTHERS.items()
        ]
        names, kinds, sizes = zip(*rows, strict=True)
        return Table(
            {
                "productFilename": names,
                "productSubGroupDescription": kinds,
                "size": sizes,
                "dataURI": [f"mast:JWST/product/{name}" for name in names],
            }
        )

    def download(products, *, download_dir, flat):
        assert flat
        Path(download_dir).mkdir()
        held = {file.name: file for file in archive.files}
        paths = [
            shutil.copy(held[name], Path(download_dir) / name)
            for name in products["productFilename"]
        ]
        return Table({"Local Path": [str(p) for p in paths], "Status": ["COMPLETE"] * len(paths)})

    for name, made_up in {
        "query_criteria": query,
        "get_unique_product_list": list_products,
        "download_products": download,
    }.items():
        monkeypatch.setattr(mast.Observations, name, made_up)


@pytest.mark.usefixtures("_asked")
@pytest.mark.slow
def test_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # Whoever has the network for the archive has it for CRDS, too.
    monkeypatch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", "true")
    *first, last = blocks()
    namespace = {}
    for block in first:
        exec(compile(block, str(PAGE), "exec"), namespace)
    printed = capsys.readouterr().out
    assert "6 exposures, 0.1 GB" in printed
    assert "0 failed" in printed
    assert "Matched: 6 of 6 exposures" in printed
    assert Path("first-look/stephans-quintet_skymatch_report.html").is_file()
    assert not list(Path("first-look").glob("*_skymatch.fits"))
    exec(compile(last, str(PAGE), "exec"), namespace)
    assert Path("mosaic/stephans-quintet_i2d.fits").is_file()
    assert Path("mosaic/stephans-quintet_skymatch_report.html").is_file()
