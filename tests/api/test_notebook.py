"""docs/notebook.ipynb runs, and shows tables, bars and curves."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
def test_the_notebook_of_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "docs").mkdir()
    (tmp_path / "sample_images").symlink_to(ROOT / "sample_images")
    notebook = nbformat.read(ROOT / "docs" / "notebook.ipynb", as_version=4)
    updates: list[str] = []

    class Client(nbclient.NotebookClient):  # type: ignore[misc, name-defined]
        def process_message(self, message: Any, *others: Any) -> Any:
            if message["msg_type"] == "update_display_data":
                updates.append(message["content"]["data"].get("text/html", ""))
            return super().process_message(message, *others)

    Client(notebook, resources={"metadata": {"path": str(tmp_path / "docs")}}).execute()
    curves = dict.fromkeys(re.findall(r"alt='training curves'.*?base64,([^']+)", " ".join(updates)))
    assert len(curves) == 4  # a picture after each epoch
    assert any("epoch 1 of 4: loss" in update and "<progress" in update for update in updates)
    table, training, _, predictions = (html(cell) for cell in notebook.cells if cell.get("outputs"))
    assert table.count("<img") == predictions.count("<img") + 2 == 4
    assert "training curves" in training
    assert "val" in training
    assert (tmp_path / "docs" / "runs" / "notebook" / "report.html").exists()


def html(cell: Any) -> str:
    return re.sub(
        r"\s+", " ", "".join(output.get("data", {}).get("text/html", "") for output in cell.outputs)
    )
