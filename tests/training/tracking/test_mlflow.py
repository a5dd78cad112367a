"""`--track mlflow` with the real package and a local store."""

import json
import re
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

import cnncli as library
from cnncli.errors import NotANumberError
from cnncli.records.choices import TrackerName
from cnncli.records.training import TrainingProgress
from cnncli.training.tracking import track
from cnncli.training.tracking.tracker import TRACKING
from tests.conftest import Cnncli
from tests.training.small_runs import DRAWN
from tests.training.tracking.tracked import mlflow_runs

pytest.importorskip("mlflow", reason="needs mlflow")

QUICK = ("-b", "8", "--amp", "off", "--layout", "nchw", "--track", "mlflow")
QUICK_OPTIONS: dict[str, Any] = {"batch_size": 8, "amp": "off", "layout": "nchw", "track": ["mlflow"]}


@pytest.fixture(autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store in files, which is made in no time; each with a path of its own, as MLflow keeps stores by their path."""
    folder = tmp_path_factory.mktemp("mlflow") / "mlruns"
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", folder.as_uri())
    return folder


def test_a_run_is_tracked_and_goes_on_when_it_is_resumed(cnncli: Cnncli, data: Path, store: Path) -> None:
    arguments = ("-m", DRAWN, "--epochs", "2", "-o", "run", "-f", "json")
    result = cnncli("finetune", data, *arguments, *QUICK)
    assert result.exit_code == 0, result.stderr
    (run,) = mlflow_runs()
    assert f"in {store.as_uri()}" in result.stderr
    assert (run.name, run.status) == ("run", "FINISHED")
    assert run.files == {"report.html", "curves.png", "confusion_matrix.png", "settings.toml"}
    assert run.settings.items() >= {"epochs": "2", "tune": "scratch", "provenance.weights": "random"}.items()
    output = json.loads(result.stdout)
    assert run.history["loss/val"] == [(epoch["epoch"], epoch["val_loss"]) for epoch in output["epochs"]]
    assert run.figures["final/val_accuracy"] == output["val"]["correct"] / output["val"]["images"]
    assert run.figures["final/val_accuracy_low"] == output["val"]["low"]
    assert run.figures["final/val_accuracy_high"] == output["val"]["high"]

    longer = cnncli("finetune", "--resume", "run", "--epochs", "3", "-f", "json")
    assert longer.exit_code == 0, longer.stderr
    (run,) = mlflow_runs()
    output = json.loads(longer.stdout)
    assert run.history["loss/val"] == [(epoch["epoch"], epoch["val_loss"]) for epoch in output["epochs"]]
    assert len(output["epochs"]) == 3
    assert run.figures["final/best_epoch"] == output["best_epoch"]
    assert run.status == "FINISHED"

    untracked = cnncli("finetune", "--resume", "run", "--epochs", "4", "--track", "none")
    assert untracked.exit_code == 0, untracked.stderr
    assert len(mlflow_runs()[0].history["loss/val"]) == 3


@pytest.mark.slow
def test_a_classifier_on_features_is_tracked(data: Path, tiny: Path) -> None:
    result = library.finetune(data, tiny, tune="features", folds=3, output="run", track=["mlflow", "mlflow"])
    (run,) = mlflow_runs()
    assert run.status == "FINISHED"
    assert run.files == {"report.html", "confusion_matrix.png", "settings.toml"}
    assert result.val
    assert result.train
    expected = {"val_accuracy": result.val.share, "val_accuracy_low": result.val.low}
    expected |= {"val_loss": result.val_loss, "train_accuracy_high": result.train.high}
    assert {name: run.figures[f"final/{name}"] for name in expected} == expected
    assert "final/folds_mean" in run.figures


def test_a_run_without_a_tracker_leaves_no_trace(cnncli: Cnncli, data: Path, store: Path) -> None:
    result = cnncli("finetune", data, "-m", DRAWN, "--epochs", "1", "-o", "run", *QUICK[:-2])
    assert result.exit_code == 0, result.stderr
    assert not store.exists()
    assert not Path("run", TRACKING).exists()


def test_what_a_store_missed_is_logged_at_the_end(data: Path, store: Path) -> None:
    messages: list[str] = []

    def lose_the_store(report: object) -> None:
        messages.append(str(report))
        if isinstance(report, TrainingProgress) and len(report.history) == 2 and store.exists():
            store.rename(store.with_name("away"))  # the second epoch is not logged yet
        if "keeping the network" in str(report):
            shutil.rmtree(store, ignore_errors=True)
            store.with_name("away").rename(store)

    library.finetune(data, DRAWN, epochs=3, output="run", progress=lose_the_store, **QUICK_OPTIONS)
    warnings = [message for message in messages if message.startswith("warning: mlflow")]
    assert len(warnings) == 1
    assert warnings[0].endswith("; training goes on, and it is tried again at the end")
    (run,) = mlflow_runs()
    assert [step for step, _ in run.history["loss/val"]] == [1, 2, 3]
    assert run.status == "FINISHED"


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, "KILLED"), (NotANumberError, "FAILED")])
def test_a_run_that_ends_early_is_closed(data: Path, error: type[BaseException], status: str) -> None:
    def interrupt(report: object) -> None:
        if isinstance(report, TrainingProgress) and report.history:
            raise error("stop")

    with pytest.raises(error):
        library.finetune(data, DRAWN, epochs=3, output="run", progress=interrupt, **QUICK_OPTIONS)
    (run,) = mlflow_runs()
    assert run.status == status


def test_a_server_that_is_not_there_costs_two_warnings(
    cnncli: Cnncli, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free.getsockname()[1]}")
        result = cnncli("finetune", data, "-m", DRAWN, "--epochs", "1", "-o", "run", *QUICK)
    assert result.exit_code == 0, result.stderr
    first, last = [line for line in result.stderr.splitlines() if line.startswith("warning: mlflow")]
    assert re.fullmatch(r"warning: mlflow: [^;:]+; training goes on, and it is tried again at the end", first)
    assert re.fullmatch(r"warning: mlflow: [^;:]+; the run itself is complete", last)


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_given_up(
    cnncli: Cnncli, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track, "_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
        result = cnncli("finetune", data, "-m", DRAWN, "--epochs", "1", "-o", "run", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count("warning: mlflow: no answer within 1 s; ") == 2
    assert Path("run", "card.json").exists()


@pytest.mark.slow
def test_a_store_without_the_run_is_named(
    cnncli: Cnncli, data: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cnncli("finetune", data, "-m", DRAWN, "--epochs", "1", "-o", "run", *QUICK)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.with_name("other").as_uri())
    result = cnncli("finetune", "--resume", "run", "--epochs", "2")
    assert result.exit_code == 0, result.stderr
    assert f"which was tracked in {store.as_uri()}; MLFLOW_TRACKING_URI names the store" in result.stderr


@pytest.mark.parametrize(
    "content",
    [
        "{",
        *(
            pytest.param(content, marks=pytest.mark.slow)
            for content in ('{"schema": 2}', '{"schema": 1, "mlflow": {"id": "x"}}', "[]")
        ),
    ],
)
def test_a_damaged_file_is_a_warning(cnncli: Cnncli, data: Path, content: str) -> None:
    cnncli("finetune", data, "-m", DRAWN, "--epochs", "1", "-o", "run", *QUICK[:-2])
    Path("run", TRACKING).write_text(content)
    result = cnncli("finetune", "--resume", "run", "--epochs", "2", "--track", "mlflow")
    assert result.exit_code == 0, result.stderr
    assert f"warning: mlflow: run/{TRACKING} cannot be read: " in result.stderr.replace("\\", "/")


@pytest.mark.slow
def test_the_default_store_is_a_database(cnncli: Cnncli, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sqlalchemy", reason="needs sqlalchemy and alembic")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.setattr(track, "_SECONDS", 120)
    result = cnncli("finetune", data, "-m", DRAWN, "--epochs", "1", "-o", "run", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert "warning: mlflow" not in result.stderr
    assert Path("mlflow.db").exists()
    assert [run.status for run in mlflow_runs()] == ["FINISHED"]


def test_only_the_first_process_of_torchrun_tracks(
    data: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cnncli.records.progress import NullProgress
    from cnncli.training.preparation import Stopwatch

    monkeypatch.setenv("RANK", "1")
    with track.Tracking([TrackerName.MLFLOW], Stopwatch(NullProgress())) as tracking:
        tracking.start(data, ())
    assert not store.exists()
