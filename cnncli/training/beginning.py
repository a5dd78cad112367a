"""What a run of training a network began with, kept beside its checkpoints, so that it can go on and come to its end."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnncli.errors import OutputError, TrainingError
from cnncli.networks import card as cards
from cnncli.records.evaluation import Accuracy
from cnncli.records.networks import ModelCard
from cnncli.records.training import Tune
from cnncli.training.run_folder import CHECKPOINTS

_FILE = "beginning.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Beginning:
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
    head_share: float | None = None


def save(run: Path, beginning: Beginning) -> None:
    """Write it."""
    document: dict[str, Any] = dataclasses.asdict(beginning) | {"format": _FORMAT}
    document["card"] = cards.to_json(beginning.card)
    file = run / CHECKPOINTS / _FILE
    file.parent.mkdir(exist_ok=True)
    draft = file.with_name(f".{file.name}.part")
    try:
        draft.write_text(json.dumps(document, indent=2), encoding="utf-8", errors="surrogateescape")
        draft.replace(file)
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror}", "make room, and try again") from error


def load(run: Path) -> Beginning:
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
        document["features"] = document["features"] and Accuracy(**document["features"])
        return Beginning(**document)
    except FileNotFoundError as error:
        raise TrainingError(
            f"{run} is no run of training that could go on: it has no {CHECKPOINTS}/{_FILE}",
            "a finished features run has nothing to go on with; else start without --resume",
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(f"{file} is damaged: {error}", "start again, with another --output") from error


def _require_format(found: object) -> None:
    if found != _FORMAT:
        raise ValueError("another version of cnncli wrote it")
