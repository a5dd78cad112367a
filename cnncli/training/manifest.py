"""manifest.json: what a run that trains the network starts from. Resuming and finishing the run need this file."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnncli.data.splits import read_splits
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import OutputError, TrainingError
from cnncli.files.schema import schema_problem
from cnncli.files.whole import whole_file
from cnncli.images.sources import image_source
from cnncli.networks import card as cards
from cnncli.records.data import DataSet, Sample, Split
from cnncli.records.evaluation import Accuracy
from cnncli.records.networks import ModelCard
from cnncli.records.training import Tune
from cnncli.regular_file import read_text
from cnncli.text import join_path, parse_json
from cnncli.training.run_folder import CHECKPOINTS

MANIFEST = "manifest.json"
"""The name of the file in a run's `checkpoints/`."""

_BEFORE_SCHEMAS = "beginning.json"
"""The file's name before cnncli 0.1.0."""

SCHEMA, TASKS_SCHEMA = 2, 3
"""Schema numbers of new files, and of those of runs with tasks, which have more fields. Later versions must still read files with
these numbers, and with 1."""

_EARLIER_FIELDS = ("preparation_seconds", "may_stop_early")
"""Fields that files of earlier versions have, and that mean nothing now."""


@frozen_dataclass
class UnreadableSample:
    """An image that could not be read before training, and is not in splits.csv.

    Attributes:
        path: relative to the data's root.
        label: class index.
        split: the split that it would have been in.
        reason: why it cannot be read.
        answers: its classes in each task; empty without tasks.
    """

    path: str
    label: int
    split: Split | None
    reason: str
    answers: tuple[tuple[int, ...] | None, ...] = ()


@frozen_dataclass
class RunManifest:
    """What stays the same while a network is trained.

    Attributes:
        card: card of the network that the run will hold.
        tune: head, last, full or scratch.
        stages: number of stages that `last` trains.
        epochs: number of epochs to train.
        data_name: name of the data set.
        root: what the paths in splits.csv are relative to.
        base_model: name of the network that the run started from.
        feature_accuracy: validation accuracy of the classifier on features that the run holds until training does better;
            None where there is none.
        feature_loss: its cross-entropy on the same images.
        remarks: remarks on the data.
        unreadable: images that could not be read when embeddings were computed.
        initial_accuracy: validation score of the classifier on features that `last` and `full` start with.
        feature_balanced: balanced validation accuracy of the classifier on features; None where classes are not weighted.
        feature_task_score: with tasks, the validation score of the classifier on features, as of an epoch; None otherwise.
    """

    card: ModelCard
    tune: Tune
    stages: int
    epochs: int
    data_name: str
    root: str
    base_model: str
    feature_accuracy: Accuracy | None
    feature_loss: float | None
    remarks: tuple[str, ...]
    unreadable: tuple[UnreadableSample, ...] = ()
    initial_accuracy: float | None = None
    feature_balanced: float | None = None
    feature_task_score: float | None = None

    @property
    def feature_score(self) -> float | None:
        """What the classifier on features is compared by; None where there is none."""
        accuracy = self.feature_accuracy
        scores = (self.feature_task_score, self.feature_balanced, accuracy.share if accuracy else None)
        return next((score for score in scores if score is not None), None)

    def read_data(self, run: Path) -> DataSet:
        """The data set of the run, from its splits.csv.

        Raises:
            DataError: it cannot be read.
        """
        return read_splits(run, self.root, self.card.class_names, self.data_name, self.card.tasks)

    def unreadable_reasons(self) -> dict[str, str]:
        """Why images could not be read, by path."""
        return {self._path(sample): sample.reason for sample in self.unreadable}

    def with_unreadable(self, data: DataSet) -> DataSet:
        """The data of splits.csv and the unreadable images, with the remarks on the data."""
        samples = (
            Sample(image_source(self._path(sample)), sample.label, sample.split, sample.answers)
            for sample in self.unreadable
        )
        return dataclasses.replace(data, samples=(*data.samples, *samples), remarks=self.remarks)

    def _path(self, sample: UnreadableSample) -> str:
        return join_path(self.root, sample.path)


def save_manifest(run: Path, manifest: RunManifest) -> None:
    """Write the manifest of a run.

    Raises:
        OutputError: it cannot be written.
    """
    document = _to_json(manifest)
    file = run / CHECKPOINTS / MANIFEST
    file.parent.mkdir(exist_ok=True)
    try:
        with whole_file(file, overwrite=True, alone=True) as draft:
            draft.write_text(json.dumps(document, indent=2), encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise OutputError(
            f"cannot write {file}: {error.strerror}", "free some space, and try again"
        ) from error


def _to_json(manifest: RunManifest) -> dict[str, Any]:
    """A manifest as a document; fields of tasks only where there are some."""
    schema = TASKS_SCHEMA if manifest.card.tasks else SCHEMA
    document: dict[str, Any] = {"schema": schema} | dataclasses.asdict(manifest)
    document["card"] = json.loads(cards.to_json(manifest.card))
    if not manifest.card.tasks:
        del document["feature_task_score"]
        for sample in document["unreadable"]:
            del sample["answers"]
    return document


def load_manifest(run: Path) -> RunManifest:
    """Read the manifest of a run.

    Raises:
        TrainingError: there is none, it is damaged, or it has another schema.
    """
    file = run / CHECKPOINTS / MANIFEST
    try:
        document = parse_json(read_text(file, errors="surrogateescape"))
        _require_schema(document.pop("schema", None), file)
        for name in _EARLIER_FIELDS:
            document.pop(name, None)
        return _from_json(document, str(file))
    except FileNotFoundError as error:
        raise _not_resumable(run) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(
            f"{file} cannot be read: {error}", "start a new run, with another --output"
        ) from error


def _from_json(document: dict[str, Any], file: str) -> RunManifest:
    accuracy = document["feature_accuracy"]
    values = document | {
        "card": cards.from_json(json.dumps(document["card"]), file),
        "tune": Tune(document["tune"]),
        "remarks": tuple(document["remarks"]),
        "unreadable": tuple(_unreadable_sample(sample) for sample in document["unreadable"]),
        "feature_accuracy": accuracy and Accuracy(**accuracy),
    }
    return RunManifest(**values)


def _unreadable_sample(sample: Mapping[str, Any]) -> UnreadableSample:
    answers = tuple(None if answer is None else tuple(answer) for answer in sample.get("answers", ()))
    split = sample["split"] and Split(sample["split"])
    return UnreadableSample(**{**sample, "split": split, "answers": answers})


def _require_schema(schema: object, file: Path) -> None:
    if problem := schema_problem(schema, TASKS_SCHEMA, "start a new run, with another --output"):
        raise TrainingError(f"{file} cannot be read: {problem.reason}", problem.hint)


def _not_resumable(run: Path) -> TrainingError:
    if (run / CHECKPOINTS / _BEFORE_SCHEMAS).exists():
        return TrainingError(
            f"{run} was started before cnncli 0.1.0 and cannot be resumed",
            "start a new run, with another --output",
        )
    return TrainingError(
        f"{run} cannot be resumed: it has no {CHECKPOINTS}/{MANIFEST}",
        "a finished features run cannot be trained further; otherwise start without --resume",
    )
