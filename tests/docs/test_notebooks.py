"""Notebooks of the documentation run from top to bottom, and hold no outputs in the repository."""

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason='needs pip install ".[test]"')
nbclient = pytest.importorskip("nbclient", reason='needs pip install ".[test]"')

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs/notebooks").glob("*.ipynb"))


def test_there_is_one():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    (tmp_path / "notebook").mkdir()
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(tmp_path / "notebook")}}
    )
    client.execute()
    said = "".join(
        str(output.get("data", output.get("text", "")))
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    assert "Matched: 6 of 6 exposures" in said
    assert "rms error 0.00" in said
    assert said.count("image/png") == 2
