"""Training on several tasks: everything that a run may do, resumed bit for bit; what a run keeps."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cnncli.errors import UsageError
from cnncli.networks import model_folder
from cnncli.records.augmentation import Strength
from cnncli.records.data import NO_LABEL, Split
from cnncli.records.progress import NullProgress
from cnncli.records.tasks import AnswerKind
from cnncli.records.training import ClassifierName, ClassWeights, Keep, Tune
from cnncli.training import run
from cnncli.training.history import read_history
from cnncli.training.manifest import UnreadableSample, load_manifest, save_manifest
from cnncli.training.network import checkpoints, publish
from cnncli.training.preparation import Stopwatch
from cnncli.training.settings import NetworkSettings
from tests.training.small_runs import (
    Killed,
    TrainedRun,
    kill_before,
    no_bar,
    no_show,
    resume_run,
    settings_for,
    start_run,
    train_run,
)
from tests.training.task_data import COLUMNS, DRAWN, NETWORK, write_tasks


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_tasks(tmp_path)


def task_settings(tasks: Path, model: str = NETWORK, **given: Any) -> NetworkSettings:
    return settings_for(tasks, model, columns=COLUMNS, **given)


def figures(trained: TrainedRun) -> list[Mapping[str, Any]]:
    history = trained.checkpoint.history
    return [dataclasses.replace(epoch, seconds=0, images_per_second=0).values() for epoch in history]


def test_resume_ends_bit_for_bit_like_an_uninterrupted_run(
    tasks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"model_ema_decay": 0.9, "mixup": 0.3, "cutmix": 0.5, "drop": 0.2, "epochs": 2}
    settings = task_settings(tasks, DRAWN, task_weights={"bright": 2.0}, **options)
    whole = train_run(settings)
    folder = start_run(settings)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "_SAVE_EVERY", 0.0)
        patch.setattr(checkpoints, "_SAVING_SHARE", 1e9)
        kill_before(patch, 7)
        with pytest.raises(Killed):
            resume_run(folder, settings)
    resumed = resume_run(folder, settings)
    assert (resumed.weights == whole.weights).all()
    assert figures(resumed) == figures(whole)
    kept, expected = checkpoints.load_kept(folder), checkpoints.load_kept(whole.folder)
    assert all(torch.equal(kept[name], expected[name]) for name in expected)


@pytest.mark.slow
def test_every_option_of_the_loss_changes_what_is_learned(tasks: Path) -> None:
    """Of one epoch; micro-batches alone do not."""
    plain = train_run(task_settings(tasks, epochs=1)).weights
    changes: list[dict[str, Any]] = [
        {"task_weights": {"colour": 0.1}},
        {"class_weights": ClassWeights.BALANCED},
        {"balanced_sampling": True},
        {"smoothing": 0.0},
        {"mixup": 0.3},
        {"cutmix": 0.5},
    ]
    weights = [train_run(task_settings(tasks, epochs=1, **change)).weights for change in changes]
    assert len({values.tobytes() for values in [plain, *weights]}) == len(weights) + 1
    assert all(np.isfinite(values).all() for values in weights)
    pieces = train_run(task_settings(tasks, epochs=1, grad_accum_steps=3)).weights
    assert np.allclose(pieces, plain, atol=1e-6)


def test_epochs_are_compared_by_the_weighted_mean_of_the_scores(tasks: Path) -> None:
    trained = train_run(task_settings(tasks, epochs=3, lr=0.01, task_weights={"colour": 3.0}))
    for epoch in trained.checkpoint.history:
        colour, bright = epoch.val_scores
        assert colour is not None
        assert bright is not None
        assert epoch.selection_score == epoch.val_score == pytest.approx((3 * colour + bright) / 4)
    written = read_history(trained.folder)
    assert [epoch.val_scores for epoch in written] == [
        pytest.approx(epoch.val_scores, abs=1e-5) for epoch in trained.checkpoint.history
    ]
    assert "val_score:colour,val_score:bright,schema" in (trained.folder / "history.csv").read_text()


def test_a_finished_run_knows_its_tasks_and_thresholds(tasks: Path) -> None:
    settings = task_settings(tasks, epochs=6, lr=0.01, keep=Keep.LAST, augment=Strength.NONE)
    trained = train_run(settings)
    result = publish.publish(trained.folder, settings, None, Stopwatch(NullProgress()), no_bar)
    card = model_folder.open_folder(trained.folder).card
    colour, bright = card.tasks
    assert (colour.name, colour.kind, colour.thresholds) == ("colour", AnswerKind.ONE, None)
    assert (bright.name, bright.kind) == ("bright", AnswerKind.SEVERAL)
    assert bright.thresholds != (0.5, 0.5)
    names = [metric.name for metric in card.metrics]
    assert names == ["val_accuracy:colour", "val_map:bright", "val_micro_f1:bright", "val_exact_match"]
    kept = trained.checkpoint.history[-1]
    assert result.tasks
    colour_score, bright_score = result.tasks.val
    assert colour_score.accuracy
    assert colour_score.accuracy.images == 14
    assert bright_score.mean_average_precision
    scores = (colour_score.accuracy.share, bright_score.mean_average_precision.value)
    assert scores == pytest.approx(kept.val_scores)
    assert result.val_loss == pytest.approx(kept.val_loss, rel=1e-4)
    assert result.val
    assert result.val.images == 11  # those with labels of both tasks
    assert scores[1] > 0.9


@pytest.mark.slow
def test_a_teacher_has_the_same_tasks(tasks: Path, tmp_path: Path) -> None:
    settings = task_settings(tasks, epochs=1, output=tmp_path / "teacher")
    publish.publish(train_run(settings).folder, settings, None, Stopwatch(NullProgress()), no_bar)
    alone = train_run(task_settings(tasks, epochs=1, seed=1)).weights
    taught = train_run(task_settings(tasks, epochs=1, seed=1, kd_model=tmp_path / "teacher")).weights
    assert not np.allclose(alone, taught)
    other = dataclasses.replace(COLUMNS, labels=("colour",), multi_label=())
    network = NETWORK.replace("FC-5", "FC-3")
    with pytest.raises(UsageError, match="has other tasks than the data: colour, bright, not none"):
        train_run(settings_for(tasks, network, columns=other, kd_model=tmp_path / "teacher"))


def test_manifests_of_tasks_are_read_again(tasks: Path) -> None:
    folder = start_run(task_settings(tasks))
    manifest = load_manifest(folder)
    unreadable = UnreadableSample("x.png", NO_LABEL, Split.TRAIN, "broken", ((1,), None))
    changed = dataclasses.replace(manifest, feature_task_score=0.5, unreadable=(unreadable,))
    save_manifest(folder, changed)
    assert load_manifest(folder) == changed
    assert changed.feature_score == 0.5
    assert changed.with_unreadable(manifest.read_data(folder)).samples[-1].answers == ((1,), None)


@pytest.mark.slow
@pytest.mark.parametrize("tune", [Tune.AUTO, Tune.LAST, Tune.HEAD])
def test_pretrained_networks_learn_tasks(tasks: Path, tiny: Path, tune: Tune) -> None:
    """Auto keeps the better of the classifiers on features and the trained network."""
    settings = task_settings(tasks, str(tiny), tune=tune, epochs=2, stages=1 if tune is Tune.LAST else 0)
    result = run.finetune(settings, NullProgress(), no_bar, no_show)
    assert result
    assert result.tasks
    assert len(result.tasks.val) == 2
    card = model_folder.open_folder(Path(result.folder)).card
    assert [task.name for task in card.tasks] == ["colour", "bright"]
    manifest = load_manifest(Path(result.folder))
    assert (manifest.feature_score is None) == (tune is not Tune.AUTO)
    assert manifest.stages == {Tune.AUTO: 3, Tune.LAST: 1, Tune.HEAD: 0}[tune]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"task_weights": {"size": 2.0}}, "there is no task 'size', only colour, bright"),
        ({"task_weights": {"bright": 0.0}}, "--task-weight bright=0: a weight is above 0"),
        ({"task_weights": {"bright": float("inf")}}, "a weight is above 0"),
        ({"classifier": ClassifierName.KNN, "tune": Tune.AUTO}, "--classifier knn cannot learn tasks"),
    ],
)
def test_what_tasks_do_not_allow_is_refused_before_any_work(
    tasks: Path, given: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        task_settings(tasks, **given)
    with pytest.raises(UsageError, match="--task-weight has no effect without several tasks"):
        settings_for(tasks, NETWORK, task_weights={"bright": 2.0})
