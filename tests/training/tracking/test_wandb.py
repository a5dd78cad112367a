"""`--track wandb` with the real package, offline."""

import json
import socket
from pathlib import Path

import pytest

from tests.conftest import Program
from tests.training.small_runs import DRAWN
from tests.training.tracking.tracked import wandb_records

pytest.importorskip("wandb", reason="needs wandb")
pytestmark = pytest.mark.slow

QUICK = ("-m", DRAWN, "-b", "8", "--amp", "off", "--layout", "nchw", "--track", "wandb")


@pytest.fixture(autouse=True)
def logged_out(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - changes the folder
    """Nobody is logged in, and wandb's own files are in the test's folder."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_PROJECT", "WANDB_DIR", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("WANDB_CONFIG_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))


def test_a_run_is_kept_on_the_disk_and_goes_on_when_it_is_resumed(program: Program, data: Path) -> None:
    result = program("finetune", data, "--epochs", "2", "-o", "run", "-f", "json", *QUICK)
    stderr = result.stderr.decode()
    assert result.returncode == 0, stderr
    assert "warning: wandb" not in stderr
    assert "wandb: to send the run: wandb sync wandb/offline-run-" in stderr
    output = json.loads(result.stdout)
    (records,) = wandb_records()
    (run,) = [record.run for record in records if record.HasField("run")]
    assert (run.project, run.display_name) == ("cnncli", "run")
    config = {item.key: item.value_json for record in records for item in record.config.update}
    config |= {item.key: item.value_json for item in run.config.update}
    assert config["epochs"] == "2"
    assert config["provenance.weights"] == '"random"'
    assert _losses(records) == [(epoch["epoch"], epoch["val_loss"]) for epoch in output["epochs"]]
    assert _summary(records)["final/val_accuracy_high"] == output["val"]["high"]
    (files,) = [record.artifact for record in records if record.HasField("artifact")]
    names = {entry.path for entry in files.manifest.contents}
    assert names == {"report.html", "curves.png", "confusion_matrix.png", "settings.toml"}
    assert not [record for record in records if record.HasField("stats") or record.HasField("output_raw")]

    longer = program("finetune", "--resume", "run", "--epochs", "3", "-f", "json")
    assert longer.returncode == 0, longer.stderr
    _, records = wandb_records()
    assert next(record.run.run_id for record in records if record.HasField("run")) == run.run_id
    last = json.loads(longer.stdout)["epochs"][-1]
    assert _losses(records) == [(3, last["val_loss"])]


def test_without_its_server_a_run_is_kept_on_the_disk(program: Program, data: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{free.getsockname()[1]}"
        result = program(
            "finetune", data, "--epochs", "1", *QUICK, WANDB_BASE_URL=server, WANDB_API_KEY="a" * 40
        )
    stderr = result.stderr.decode()
    assert result.returncode == 0, stderr
    assert "connection refused; to send the run: wandb sync wandb/offline-run-" in stderr
    assert len(_losses(*wandb_records())) == 1


def _losses(records: list) -> list[tuple[float, float]]:  # type: ignore[type-arg]
    rows = [_values(record.history.item) for record in records if record.HasField("history")]
    return [(row["_step"], row["loss/val"]) for row in rows]


def _summary(records: list) -> dict[str, float]:  # type: ignore[type-arg]
    values: dict[str, float] = {}
    for record in records:
        if record.HasField("summary"):
            values |= _values(record.summary.update)
    return values


def _values(items: list) -> dict[str, float]:  # type: ignore[type-arg]
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}
