"""The page on real data, run with an archive that is made up and files that are simulated.

The archive's answers have the columns and the names of real ones. What the real one would answer
is not tested here.
"""

import shutil
from pathlib import Path

import pytest
from astropy.table import Table
from code_blocks import execute, find_blocks

from jwst_mosaic_simulation import simulate_mosaic, stephans_quintet

mast = pytest.importorskip("astroquery.mast", reason="pip install astroquery")
PAGE = Path(__file__).parents[2] / "docs" / "howto" / "real_data.rst"


@pytest.fixture
def _archive(tmp_path, monkeypatch):
    """Let astroquery ask a made-up archive. Only methods that it really has are replaced."""
    simulation = simulate_mosaic(stephans_quintet(n=6, binning=8, seed=5), tmp_path / "archive")

    def list_products(observations):
        # The page wants neither previews nor rates.
        kinds = {"CAL": "cal.fits", "RATE": "rate.fits", "PREVIEW": "cal.jpg"}
        rows = [
            (path.name.replace("cal.fits", end), kind, 10**7)
            for path in simulation.files
            for kind, end in kinds.items()
        ]
        return Table(rows=rows, names=("productFilename", "productSubGroupDescription", "size"))

    def download(products, *, download_dir, flat):
        shutil.copytree(simulation.association.parent, download_dir)
        paths = [str(Path(download_dir) / name) for name in products["productFilename"]]
        return Table({"Local Path": paths, "Status": ["COMPLETE"] * len(paths)})

    for name, made_up in {
        "query_criteria": lambda **_: Table({"obsid": ["1", "2"]}),
        "get_unique_product_list": list_products,
        "download_products": download,
    }.items():
        monkeypatch.setattr(mast.Observations, name, made_up)


@pytest.mark.usefixtures("_archive")
@pytest.mark.slow
def test_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # Whoever has the network for the archive has it for CRDS, too.
    monkeypatch.setenv("STPIPE_DISABLE_CRDS_STEPPARS", "true")
    *first, last = [block for block in find_blocks(PAGE.read_text()) if block.language == "python"]
    namespace = {}
    for block in first:
        execute(block, namespace, page=PAGE)
    printed = capsys.readouterr().out
    assert "6 exposures, 0.1 GB" in printed
    assert "0 failed" in printed
    assert "Matched: 6 of 6 exposures" in printed
    assert Path("first-look/stephans-quintet_skymatch_report.html").is_file()
    assert not list(Path("first-look").glob("*_skymatch.fits"))
    execute(last, namespace, page=PAGE)
    assert Path("mosaic/stephans-quintet_i2d.fits").is_file()
    assert Path("mosaic/stephans-quintet_skymatch_report.html").is_file()
