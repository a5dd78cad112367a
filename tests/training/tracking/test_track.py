"""The option `--track`, and the names of figures; no tracker is needed."""

import importlib.util
from pathlib import Path

import pytest

import cnncli as library
from cnncli.records.choices import TrackerName
from cnncli.records.evaluation import Accuracy, Estimate
from cnncli.records.training import FinetuneResult, TaskResults, TaskScore, Tune
from cnncli.training.tracking.figures import final_figures
from cnncli.training.tracking.tracker import TRACKING, TrackedRun, read_tracked_run, write_tracked_run
from tests.conftest import Cnncli


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_missing_package_is_named_before_any_work(
    cnncli: Cnncli, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda other, *rest: None if other == name else present(other, *rest)
    )
    result = cnncli("finetune", tmp_path / "nothing", "--track", name)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: --track {name} needs the package {name}\nhint: ")
    assert f"'cnncli[{name}]'; --track none does without" in result.stderr


def test_wrong_values(cnncli: Cnncli, tmp_path: Path) -> None:
    result = cnncli("finetune", tmp_path, "--track", "none", "--track", "mlflow")
    assert result.exit_code == 2
    assert "--track none cannot be combined with a tracker" in result.stderr
    with pytest.raises(library.CnncliError, match="track='tensorboard' is not a choice"):
        library.finetune(tmp_path, track=["tensorboard"])


def test_a_tracked_run_is_kept_by_tracker(tmp_path: Path) -> None:
    runs = {
        TrackerName.MLFLOW: TrackedRun("1f", "file:/store"),
        TrackerName.WANDB: TrackedRun("x", "https://w", 3),
    }
    for name, run in runs.items():
        write_tracked_run(tmp_path, name, run)
    assert {name: read_tracked_run(tmp_path, name) for name in runs} == runs


def test_the_file_of_every_schema_is_read(tmp_path: Path) -> None:
    file = Path(__file__).parents[1] / "schemas" / "tracking-1.json"
    (tmp_path / TRACKING).write_bytes(file.read_bytes())
    run = TrackedRun("ee36b5996c5641978e5556b6b78ebcdc", "sqlite:////home/me/mlflow.db", 3)
    assert read_tracked_run(tmp_path, TrackerName.MLFLOW) == run
    assert read_tracked_run(tmp_path, TrackerName.WANDB) is None


def test_final_figures_of_tasks_have_intervals() -> None:
    accuracy, estimate = Accuracy(3, 4, 0.3, 0.9), Estimate(0.5, 0.4, 0.6)
    scores = (
        TaskScore("habitat", 4, accuracy, None, None),
        TaskScore("tags", 4, None, estimate, Estimate(0.7, 0.6, 0.8)),
    )
    result = FinetuneResult(
        folder="run",
        model="tiny",
        tune=Tune.FEATURES,
        class_names=("a", "b"),
        images=(8, 4, 0),
        classifiers=(),
        classifier=None,
        epochs=(),
        best_epoch=None,
        reason="",
        train=None,
        val=None,
        val_loss=float("nan"),
        test=None,
        test_loss=None,
        unreadable=(),
        remarks=(),
        tasks=TaskResults(scores, ()),
    )
    assert final_figures(result) == {
        "final/val_habitat_accuracy": 0.75,
        "final/val_habitat_accuracy_low": 0.3,
        "final/val_habitat_accuracy_high": 0.9,
        "final/val_tags_mAP": 0.5,
        "final/val_tags_mAP_low": 0.4,
        "final/val_tags_mAP_high": 0.6,
        "final/val_tags_micro_f1": 0.7,
        "final/val_tags_micro_f1_low": 0.6,
        "final/val_tags_micro_f1_high": 0.8,
    }
