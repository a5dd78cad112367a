"""Validation images are computed once: training's outputs are published if the written network agrees with them."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from cnncli.data.splits import read_splits
from cnncli.inference import ImageOutput, Session
from cnncli.networks.familiarity import Detector
from cnncli.networks.model_folder import open_folder
from cnncli.records.data import Sample, Split
from cnncli.records.engines import InferenceOptions
from cnncli.records.progress import NullProgress
from cnncli.records.training import Amp, FinetuneResult, Keep
from cnncli.training.manifest import load_manifest
from cnncli.training.network import final_scores, validation, validation_outputs
from cnncli.training.resume import resume
from cnncli.training.settings import NetworkSettings
from tests.conftest import some_slow
from tests.training.small_runs import PLAIN, no_bar, no_show, resume_run, settings_for, start_run, train_run

OUTPUTS = Path("checkpoints/best_outputs.safetensors")
COMPARED = 2


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of images that a written network has evaluated, each time, apart from the few that it is compared on."""
    counts: list[int] = []
    logits = Session.logits

    def count(session: Session, sources: Any) -> Any:
        outputs = list(logits(session, sources))
        counts.append(len(outputs))
        return iter(outputs)

    monkeypatch.setattr(Session, "logits", count)
    monkeypatch.setattr(validation_outputs, "_HELD_OUT", COMPARED)
    return counts


def publish(folder: Path, settings: NetworkSettings) -> FinetuneResult:
    """Resume a run that ended after its last epoch, before its network was written."""
    result = resume(folder, settings, NullProgress(), no_bar, no_show)
    assert result
    return result


def probabilities(folder: Path) -> dict[str, float]:
    """Of the true class of each image."""
    with (folder / "predictions.csv").open() as stream:
        return {row["path"]: float(row["label_probability"]) for row in csv.DictReader(stream)}


def validation_samples(folder: Path) -> tuple[Sample, ...]:
    manifest = load_manifest(folder)
    return read_splits(folder, manifest.root, manifest.card.class_names, "shades").split(Split.VAL)


@pytest.mark.parametrize(
    "options", some_slow([{"keep": Keep.LAST}, {"model_ema_decay": 0.9}], [{"keep": Keep.LAST}])
)
def test_logits_of_the_kept_epoch_are_published(
    data: Path, evaluated: list[int], options: dict[str, Any]
) -> None:
    settings = settings_for(data, PLAIN, **options)
    folder = train_run(settings).folder
    result = publish(folder, settings)
    assert not evaluated
    assert result.best_epoch
    kept = result.epochs[result.best_epoch - 1]
    assert result.val
    assert (result.val.share, result.val_loss) == pytest.approx((kept.val_top1, kept.val_loss))
    reused = probabilities(folder)
    (folder / OUTPUTS).unlink()
    again = publish(folder, settings)
    assert evaluated == [again.images[1] - COMPARED] == [result.images[1] - COMPARED]
    assert probabilities(folder) == pytest.approx(reused, abs=1e-6)


def test_few_images_are_run_through_the_written_network(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    real = Session.logits_and_embeddings

    def count(session: Session, sources: Any) -> Any:
        outputs = list(real(session, sources))
        counts.append(len(outputs))
        return iter(outputs)

    monkeypatch.setattr(Session, "logits_and_embeddings", count)
    monkeypatch.setattr(final_scores, "_COMPARED", 3)
    settings = settings_for(data, PLAIN, epochs=1)
    folder = train_run(settings).folder
    publish(folder, settings)
    assert counts == [3]
    (folder / OUTPUTS).unlink()
    publish(folder, settings)
    assert counts == [3, len(validation_samples(folder))]


def test_a_run_keeps_the_scores_of_its_validation_images(data: Path) -> None:
    settings = settings_for(data, PLAIN, epochs=1)
    folder = train_run(settings).folder
    publish(folder, settings)
    opened = open_folder(folder)
    detector = Detector.open(opened)
    assert detector.features
    assert len(detector.features.vectors) == len(load_manifest(folder).read_data(folder).split(Split.TRAIN))
    session = Session(opened, InferenceOptions(), NullProgress())
    outputs = session.scores((sample.source for sample in validation_samples(folder)), detector.scores)
    scores = [float(output.values[0]) for output in outputs if isinstance(output, ImageOutput)]
    assert sorted(scores) == pytest.approx(sorted(detector.features.held_out_scores()), abs=1e-3)


def change_logits(file: Path) -> None:
    outputs = load_file(file)
    outputs["logits"][:, 0] += 0.01 * np.ptp(outputs["logits"])
    save_file(outputs, file)


def change_embeddings(file: Path) -> None:
    outputs = load_file(file)
    outputs["embeddings"][:, 0] += 0.01 * np.ptp(outputs["embeddings"])
    save_file(outputs, file)


def change_numbers(file: Path) -> None:
    outputs = load_file(file)
    outputs["numbers"][0] = 10**6
    save_file(outputs, file)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


@pytest.mark.parametrize(
    "damage", some_slow([change_logits, change_embeddings, change_numbers, truncate], [change_numbers])
)
def test_all_images_are_evaluated_where_the_written_network_disagrees(
    data: Path, evaluated: list[int], damage: Callable[[Path], None]
) -> None:
    settings = settings_for(data, PLAIN)
    folder = train_run(settings).folder
    damage(folder / OUTPUTS)
    result = publish(folder, settings)
    assert evaluated == [result.images[1] - COMPARED]
    assert result.val_loss == pytest.approx(result.epochs[(result.best_epoch or 0) - 1].val_loss)


def test_inexact_and_too_many_logits_are_not_kept(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not (train_run(settings_for(data, PLAIN, epochs=1, amp=Amp.BF16)).folder / OUTPUTS).exists()
    monkeypatch.setattr(validation, "_LARGEST", 10)
    assert not (train_run(settings_for(data, PLAIN, epochs=1)).folder / OUTPUTS).exists()


def test_an_image_that_disappears_after_training_keeps_its_answer(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(final_scores, "_COMPARED", 3)
    settings = settings_for(data, PLAIN, epochs=1)
    folder = train_run(settings).folder
    samples = validation_samples(folder)
    compared = validation_outputs.held_out_images(len(samples))[:3].tolist()
    gone = next(sample for number, sample in enumerate(samples) if number not in compared)
    Path(gone.path).unlink()
    result = publish(folder, settings)
    assert not result.unreadable
    assert len(probabilities(folder)) == len(samples)


@pytest.mark.slow
def test_images_that_cannot_be_read_have_no_answer(
    data: Path, evaluated: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation_outputs, "_HELD_OUT", 1000)
    settings = settings_for(data, PLAIN)
    folder = start_run(settings)
    broken, gone, *_ = (Path(sample.path) for sample in validation_samples(folder))
    broken.write_bytes(b"nothing")
    resume_run(folder, settings)
    result = publish(folder, settings)
    assert not evaluated
    assert [Path(path).name for path in result.unreadable] == [broken.name]
    assert len(probabilities(folder)) == result.images[1] == len(validation_samples(folder)) - 1
    gone.unlink()
    for compared in (1000, COMPARED):  # among those that are compared; among the others
        monkeypatch.setattr(validation_outputs, "_HELD_OUT", compared)
        monkeypatch.setattr(final_scores, "_COMPARED", compared)
        again = publish(folder, settings)
        assert [Path(path).name for path in again.unreadable] == [broken.name, gone.name]
        assert len(probabilities(folder)) == again.images[1] == result.images[1] - 1
        (folder / OUTPUTS).unlink(missing_ok=True)
