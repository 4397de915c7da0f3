"""Every piece of code in the documentation is executed, or says why not."""

import logging
from pathlib import Path
from typing import ClassVar

import pytest
from code_blocks import EXECUTED, SHOWN, execute, find_blocks
from jwst.pipeline import Image3Pipeline
from jwst.source_catalog import SourceCatalogStep
from jwst.tweakreg import TweakRegStep

from jwst_mosaic_skymatch import PixelSkyMatchImage3Pipeline

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path for path in (ROOT / "docs").rglob("*.rst") if "_build" not in path.relative_to(ROOT).parts
)
PAGES.append(ROOT / "README.rst")


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def blocks_of(page):
    return find_blocks(page.read_text(), literal=page.name == "README.rst")


def is_executed(block):
    return block.language in EXECUTED and block.reason is None


class _Aligned(TweakRegStep):
    """Simulated exposures are, and have too few pixels for its defaults."""

    def process(self, library):
        return library


class _NoCatalog(SourceCatalogStep):
    """It would need reference files."""

    reference_file_types: ClassVar = []

    def process(self, model):
        return None


@pytest.fixture
def pipelines_without_crds(monkeypatch):
    """Run pipelines in this process without what needs reference files."""
    for pipeline in (Image3Pipeline, PixelSkyMatchImage3Pipeline):
        monkeypatch.setitem(pipeline.step_defs, "tweakreg", _Aligned)
        monkeypatch.setitem(pipeline.step_defs, "source_catalog", _NoCatalog)


@pytest.fixture
def logging_as_before():
    """Take back what ``Step.call`` does to the loggers."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers = handlers


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_is_executed_or_says_why_not(page):
    for block in blocks_of(page):
        where = f"{name_of(page)}, line {block.line}"
        if block.reason is None:
            assert block.language in (*EXECUTED, *SHOWN), f"{where}: what is {block.language!r}?"
        else:
            assert block.reason, f"{where}: '.. not executed:' needs a reason"


@pytest.mark.usefixtures("examples", "pipelines_without_crds", "logging_as_before")
@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(map(is_executed, blocks_of(page)))], ids=name_of
)
def test_page(page):
    namespace = {"__name__": "__main__"}
    for block in filter(is_executed, blocks_of(page)):
        execute(block, namespace, page=page)
