"""The notebook runs from top to bottom, and holds no outputs in the repository."""

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason='needs pip install ".[test]"')
nbclient = pytest.importorskip("nbclient", reason='needs pip install ".[test]"')

NOTEBOOK = nbformat.read(Path(__file__).parents[2] / "docs/notebooks/mosaic.ipynb", as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.slow
def test_notebook_runs(tmp_path):
    resources = {"metadata": {"path": str(tmp_path)}}
    notebook = nbclient.NotebookClient(NOTEBOOK, timeout=300, resources=resources).execute()
    said = "".join(
        str(output.get("data", output.get("text", "")))
        for cell in code_cells(notebook)
        for output in cell.outputs
    )
    assert "Matched: 6 of 6 exposures" in said
    assert "rms error 0.00" in said
    assert said.count("image/png") == 2
