"""Records of benchmarks, and the tables that are made of them."""

import json
import sys
from pathlib import Path

import pytest
from benchmarks.mosaics import Table

ROOT = Path(__file__).parents[2]
PAGES = "".join((ROOT / f"docs/{n}.rst").read_text() for n in ("validation", "real_exposures"))
RECORDS = sorted((ROOT / "docs/validation").glob("*.json"))
RECORD = {
    "command": "python tests/benchmarks/some.py",
    "date": "2030-01-01",
    "machine": "one",
    "versions": {"jwst": "3.0.0"},
    "columns": {"scene": "scene", "bound": "least", "ours": "of ours", "theirs": "of theirs"},
    "rows": [
        {"scene": "one", "bound": 0.0001, "ours": 0.001, "theirs": 0.02},
        {"scene": "two", "bound": 0.0001, "ours": 0.001, "theirs": 0.0011},
        {"scene": "three", "bound": 0.0001, "ours": 0.001, "theirs": 0.0005},
        {"scene": "three and a half", "bound": 0.0001, "ours": 0.001, "theirs": 0.0009},
        {"scene": "four", "bound": 0.0001, "ours": 0.001, "theirs": None},
    ],
    "notes": ["theirs failed once"],
}


@pytest.fixture
def measured(monkeypatch):
    """Import the extension of Sphinx."""
    pytest.importorskip("sphinx", reason='needs pip install ".[docs]"')
    monkeypatch.syspath_prepend(str(ROOT / "docs/_ext"))
    return pytest.importorskip("measured")


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_record_is_complete(path):
    record = json.loads(path.read_text())
    assert set(record) == set(RECORD)
    assert path.stat().st_size < 50_000
    assert f".. measured:: {path.stem}\n" in PAGES
    script = record["command"].split()[1]
    assert (ROOT / script).exists()
    assert "/tmp" not in record["command"]
    assert record["rows"]
    for row in record["rows"]:
        assert set(row) <= set(record["columns"])


def test_comparison_says_where_we_lose(measured):
    assert measured.compare(RECORD, "ours") == [
        "**one**: better, by 20.0 times, than the best other, theirs.",
        "**two**: level with theirs (within 25%).",
        "**three**: worse, by 2.0 times, than theirs.",
        "**three and a half**: level with theirs (within 25%); the smallest error is theirs's.",
    ]


def test_table(measured):
    lines = measured.write_table(RECORD)
    assert "     - 0.00110" in lines
    assert "- theirs failed once" in lines
    assert "   python tests/benchmarks/some.py" in lines


def test_benchmark_writes_the_record_of_a_page(measured, tmp_path, monkeypatch, capsys):
    path = tmp_path / "record.json"
    monkeypatch.setattr(sys, "argv", ["any/some.py", "--seeds", "1", "--json", str(path)])
    table = Table(RECORD["columns"], path, {"other": "1"})
    table.add(scene="one", bound=float("nan"), ours=0.123456789, unknown=1)
    assert capsys.readouterr().out.split()[-4:] == ["one", "...", "0.12346", "..."]
    record = json.loads(path.read_text())
    assert set(record) == set(RECORD)
    page = "\n".join(measured.write_table(record))
    assert "* - ``scene``\n     - ``ours``\n   * - one\n     - 0.123\n" in page
    assert "python tests/benchmarks/some.py --seeds 1\n" in page
    assert page.endswith("other 1).")


def test_missing_images_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests/benchmarks"))
    from real_exposures import main

    monkeypatch.setattr(sys, "argv", ["real_exposures.py", "orion", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"no two 2mass-atlas-\*\.fits; docs/real_exposures\.rst"):
        main()
