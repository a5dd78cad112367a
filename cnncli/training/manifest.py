"""What a run of training a network began with, kept beside its checkpoints, so that it can go on and come to its end."""

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnncli.errors import OutputError, TrainingError
from cnncli.files.whole import whole_file
from cnncli.images.sources import image_source
from cnncli.networks import card as cards
from cnncli.records.data import DataSet, Sample, Split
from cnncli.records.evaluation import Accuracy
from cnncli.records.networks import ModelCard
from cnncli.records.training import Tune
from cnncli.training.run_folder import CHECKPOINTS

_FILE = "beginning.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class UnreadableSample:
    """An image that could not be read before training, and takes no part in it.

    Attributes:
        path: relative to the data's root.
        label: index of its class.
        split: that it would be in.
        reason: why it cannot be read.
    """

    path: str
    label: int
    split: Split | None
    reason: str


@dataclass(frozen=True, slots=True)
class RunManifest:
    """What does not change while a network is trained.

    Attributes:
        card: of the network that it will be.
        tune: how it is taught: head, last, full, scratch.
        stages: of `last`.
        epochs: that there are to be.
        data_name: of the data set.
        root: what the paths in splits.csv are relative to.
        started_from: the network, in words.
        features: how good a classifier on the features is, where one is in the run until something better comes.
        features_loss: its mean cross-entropy on the same images.
        remarks: on the data.
        seconds: that went by before training.
        left_out: images that were found unreadable while embeddings were made, and are not in splits.csv.
        may_stop_early: where the classifier on features is better and training no longer improves; not once somebody has asked
            for another number of epochs.
        head_share: of the validation images that the classifier on features names right with which `last` and `full` begin.
    """

    card: ModelCard
    tune: Tune
    stages: int
    epochs: int
    data_name: str
    root: str
    started_from: str
    features: Accuracy | None
    features_loss: float | None
    remarks: tuple[str, ...]
    seconds: float
    left_out: tuple[UnreadableSample, ...] = ()
    head_share: float | None = None
    may_stop_early: bool = True

    def unreadable(self) -> dict[str, str]:
        """Why images were left out, by their paths."""
        return {self._path(item): item.reason for item in self.left_out}

    def listed(self, data: DataSet) -> DataSet:
        """The data of splits.csv and what was left out of it, with the remarks that were made on it."""
        samples = (Sample(image_source(self._path(item)), item.label, item.split) for item in self.left_out)
        return dataclasses.replace(data, samples=(*data.samples, *samples), remarks=self.remarks)

    def _path(self, item: UnreadableSample) -> str:
        return os.path.join(self.root, item.path)  # noqa: PTH118 - a string as good as any


def save(run: Path, beginning: RunManifest) -> None:
    """Write it."""
    document: dict[str, Any] = dataclasses.asdict(beginning) | {"format": _FORMAT}
    document["card"] = cards.to_json(beginning.card)
    file = run / CHECKPOINTS / _FILE
    file.parent.mkdir(exist_ok=True)
    try:
        with whole_file(file, alone=True) as draft:
            draft.write_text(json.dumps(document, indent=2), encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror}", "make room, and try again") from error


def load(run: Path) -> RunManifest:
    """Read it.

    Raises:
        TrainingError: there is none, or it is damaged.
    """
    file = run / CHECKPOINTS / _FILE
    try:
        document = json.loads(file.read_text(encoding="utf-8", errors="surrogateescape"))
        _require_format(document.pop("format"))
        document["card"] = cards.from_json(document["card"], str(file))
        document["tune"] = Tune(document["tune"])
        document["remarks"] = tuple(document["remarks"])
        document["left_out"] = tuple(_left_out(item) for item in document.get("left_out", ()))
        document["features"] = document["features"] and Accuracy(**document["features"])
        return RunManifest(**document)
    except FileNotFoundError as error:
        raise TrainingError(
            f"{run} is no run of training that could go on: it has no {CHECKPOINTS}/{_FILE}",
            "a finished features run has nothing to go on with; else start without --resume",
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(f"{file} is damaged: {error}", "start again, with another --output") from error


def _left_out(item: Mapping[str, Any]) -> UnreadableSample:
    return UnreadableSample(**{**item, "split": item["split"] and Split(item["split"])})


def _require_format(found: object) -> None:
    if found != _FORMAT:
        raise ValueError("another version of cnncli wrote it")
