"""The pages of the reference say what the step has and writes, no more and no less."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable
from jwst.skymatch import SkyMatchStep
from jwst.stpipe import Step
from stdatamodels.jwst.datamodels import open as open_model

from jwst_mosaic_simulation import simulate_mosaic
from jwst_mosaic_skymatch import PixelSkyMatchStep
from jwst_mosaic_skymatch.parameters import REPLACED

DOCS = Path(__file__).parents[2] / "docs"
# What every step writes into a model that it opens from an association, or saves.
BY_STPIPE = ("filename", "date", "asn", "group_id", "calibration_software", "ref_file", "wcs")


# --- parameters -------------------------------------------------------------


def read_spec(text):
    """Give type, arguments and default of each parameter of a spec."""
    rows = re.findall(r"^ *(\w+) *= (\w+)\((.*?)(?:default=(.*?))?\) +#", text, re.MULTILINE)
    return {name: (kind, arguments, default.strip("'")) for name, kind, arguments, default in rows}


# Of the stock step, restated so that paths are taken beside text.
RESTATED = ("skylist", "output_dir")
OURS = {k: spec for k, spec in read_spec(PixelSkyMatchStep.spec).items() if k not in RESTATED}
STOCK = read_spec(SkyMatchStep.spec)
KNOWN = set(STOCK).union(*(read_spec(vars(base).get("spec", "")) for base in Step.__mro__))
EXPECTED = {name: spec for name, spec in (STOCK | OURS).items() if name not in REPLACED}
ENTRY = r"^(``\w+``(?:, ``\w+``)*) \((.+)\)\n((?: .*\n|\n)+)"
PAGE = {
    name: (head, text)
    for names, head, text in re.findall(ENTRY, (DOCS / "parameters.rst").read_text(), re.MULTILINE)
    for name in re.findall(r"\w+", names)
}


def test_parameters_are_those_of_the_step():
    assert sorted(PAGE) == sorted(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_parameter(name):
    (head, text), (kind, arguments, default) = PAGE[name], EXPECTED[name]
    # Paths and numbers are taken beside text.
    kind = "string( or integer)?" if kind == "pass" else kind
    least = "".join(f", at least {float(x):g}" for x in re.findall(r"min=([\d.]+)", arguments))
    unit = "(, (native pixels|standard deviations|MJy/sr))?"
    mark = "" if name not in OURS else r"; \*changed\*" if name in KNOWN else r"; \*new\*"
    assert re.fullmatch(rf"{kind}{least}{unit}, default ``{re.escape(default)}``{mark}", head)
    for option in re.findall("'(.+?)'", arguments):
        assert f"``{option}``" in text
    assert "*When to change:*" in text


# --- tables of pages --------------------------------------------------------


def read_table(page, name):
    """Give the rows of a csv-table by its name; of each the texts of its cells."""
    text = (DOCS / page).read_text()
    (block,) = re.findall(
        rf"^\.\. csv-table::[^\n]*\n   :name: {name}\n.*?\n\n(.*?)(?=^\S|\Z)", text, re.S | re.M
    )
    return [[cell.strip() for cell in row.split("|")] for row in block.strip().splitlines()]


def quoted(cell):
    return re.findall(r"``(.+?)``", cell)


def columns_of(name):
    """Give the unit of each column that the page lists."""
    return {
        column: u.Unit(unit.replace("\\ :sup:`2`", "2")) if unit else None
        for cell, unit, _ in read_table("outputs.rst", name)
        for column in quoted(cell)
    }


def test_migration_has_every_parameter_of_the_stock_step():
    rows = read_table("migration.rst", "migration-table")
    defaults = {quoted(name)[0]: quoted(default)[0] for name, default, _ in rows}
    assert defaults == {name: default for name, (*_, default) in STOCK.items()}
    # The page says so of this step as well.
    assert defaults == {name: EXPECTED[name][-1] for name in STOCK}


def test_migration_has_every_parameter_that_is_replaced():
    rows = read_table("migration.rst", "replaced-table")
    assert {quoted(name)[0] for name, _ in rows} == set(REPLACED)


# --- output -----------------------------------------------------------------


@pytest.fixture(scope="module")
def mosaic(mosaic_scene, tmp_path_factory):
    """Simulate exposures with gradients, so that planes are subtracted."""
    imperfections = replace(mosaic_scene.imperfections, visit_gradient_rms=0.2)
    scene = replace(mosaic_scene, imperfections=imperfections)
    return simulate_mosaic(scene, tmp_path_factory.mktemp("gradients"))


@pytest.fixture(scope="module")
def outputs(mosaic, tmp_path_factory):
    """Match a mosaic, and save all that can be saved."""
    directory = tmp_path_factory.mktemp("outputs")
    PixelSkyMatchStep.call(
        str(mosaic.association),
        background="plane",
        subtract=True,
        output_dir=str(directory),
        save_results=True,
        save_diagnostics=True,
        configure_log=False,
    )
    return directory


def test_files(outputs, mosaic):
    """Each file that is written is on the page, and each on the page is written."""
    exposures = "|".join(path.stem.removesuffix("_cal") for path in mosaic.files)
    places = {
        "<exposure>": f"({exposures})",
        "<product>": mosaic.association.stem.removesuffix("_asn"),
        "<stack>": r"jw\d{11}(_\d+)?",
    }
    unwritten, names = [], {path.name for path in outputs.iterdir()}
    for cell, *_ in read_table("outputs.rst", "files"):
        (pattern,) = quoted(cell)
        for place, text in places.items():
            pattern = pattern.replace(place, text)
        own = {name for name in names if re.fullmatch(pattern, name)}
        names -= own
        unwritten += [] if own else [pattern]
    # Planes have no skylist.
    assert [name for name in unwritten if "skylist" not in name] == []
    assert names == set()


@pytest.mark.parametrize("which", ["levels", "pairs"])
def test_columns(outputs, which):
    (path,) = outputs.glob(f"*_skymatch_{which}.ecsv")
    table = QTable.read(path)
    units = {column: table[column].unit for column in table.colnames}
    assert units == columns_of(f"{which}-columns")


def test_tile(outputs):
    on_page = {quoted(cell)[0] for cell, *_ in read_table("outputs.rst", "tile-extensions")}
    for path in outputs.glob("*_skytile.fits"):
        with fits.open(path) as hdus:
            assert {hdu.name for hdu in hdus[1:]} == on_page


def test_metadata(outputs, mosaic):
    """Each attribute and keyword of the page is written, and nothing else changes."""
    rows = read_table("outputs.rst", "metadata-table")
    keywords = {name: keyword for cell, keyword, _ in rows for name in quoted(cell)}
    written = set()
    for path in mosaic.files:
        saved = outputs / path.name.replace("_cal", "_skymatch")
        with open_model(path) as before, open_model(saved) as after:
            old, new = before.to_flat_dict(), after.to_flat_dict()
        names = [key for key in new if key.startswith(("meta", "history"))]
        changed = [key for key in names if old.get(key) != new[key]]
        written |= {re.sub("(polynomial_info|history).*", r"\1", key) for key in changed}
        header = fits.getheader(saved) + fits.getheader(saved, "SCI")
        for name, keyword in keywords.items():
            assert keyword == "in ASDF" or quoted(keyword)[0] in header, name
    others = tuple(f"meta.{name}" for name in BY_STPIPE)
    assert {key for key in written if not key.startswith(others)} == set(keywords)
