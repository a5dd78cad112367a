"""The teacher of knowledge distillation (Hinton et al., 2015)."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError
from cnncli.networks import zoo
from cnncli.networks.class_names import find_classes
from cnncli.networks.reference import Reference
from cnncli.networks.zoo.weights import load_saved
from cnncli.prepare import prepare
from cnncli.records.networks import ModelCard, Preprocessing
from cnncli.records.progress import Progress
from cnncli.records.tasks import Task


@frozen_dataclass
class Teacher:
    """A network in evaluation mode whose logits are matched.

    Attributes:
        network: the network, without gradients.
        preprocessing: the preprocessing that it was trained with.
        columns: (K,), the index of each class among its logits.
    """

    network: nn.Module
    preprocessing: Preprocessing
    columns: tuple[int, ...]

    def logits(self, images: Tensor, preprocessing: Preprocessing) -> Tensor:
        """(N, K), for images (N, C, H, W) that are preprocessed for the network in training."""
        target = self.preprocessing
        if (target.mean, target.std) != (preprocessing.mean, preprocessing.std):
            images = images * _column(preprocessing.std, images) + _column(preprocessing.mean, images)
            images = (images - _column(target.mean, images)) / _column(target.std, images)
        if images.shape[2:] != target.size:
            images = functional.interpolate(images, target.size, mode="bilinear", antialias=True)
        with torch.no_grad():
            logits: Tensor = self.network(images)
        return logits[:, list(self.columns)]


def open_teacher(name: Path, card: ModelCard, progress: Progress) -> Teacher:
    """Open a teacher.

    Args:
        name: the `--kd-model`.
        card: that of the network in training; its tasks are the teacher's, too, or its classes are matched by name or WordNet
            identifier.
        progress: reports its preparation.

    Raises:
        UsageError: it has other tasks, lacks a class, or two classes are the same class of the teacher.
    """
    folder = prepare(Reference(str(name)), progress, needs_classes=True)
    if _without_thresholds(folder.card.tasks) != _without_thresholds(card.tasks):
        raise UsageError(
            f"--kd-model {name} has other tasks than the data: {_task_names(folder.card)}, not {_task_names(card)}",
            "a teacher needs the tasks of the data, with the same classes in each",
        )
    columns = (
        range(len(card.class_names)) if card.tasks else _match_classes(name, folder.card, card.class_names)
    )
    network = zoo.build(folder.card.architecture)
    load_saved(network, folder.weights)
    network.requires_grad_(requires_grad=False)
    return Teacher(network, folder.card.preprocessing, tuple(columns))


def _without_thresholds(tasks: Sequence[Task]) -> list[Task]:
    return [dataclasses.replace(task, thresholds=None) for task in tasks]


def _task_names(card: ModelCard) -> str:
    return ", ".join(task.name for task in card.tasks) or "none"


def _match_classes(name: Path, card: ModelCard, class_names: tuple[str, ...]) -> list[int]:
    """The index of each class among those of a teacher.

    Raises:
        UsageError: it lacks one, or two are the same class of the teacher.
    """
    columns = find_classes(card, class_names)
    missing = [label for label, column in zip(class_names, columns, strict=True) if column is None]
    if missing:
        raise UsageError(
            f"--kd-model {name} lacks {len(missing):,} of the classes, e.g. {missing[0]!r}",
            "a teacher needs each class of the data, under the same name or WordNet identifier",
        )
    matched = [column for column in columns if column is not None]
    if shared := [column for column in matched if matched.count(column) > 1]:
        both = [label for label, column in zip(class_names, matched, strict=True) if column == shared[0]]
        raise UsageError(
            f"{' and '.join(map(repr, both))} are both {card.class_names[shared[0]]!r} to --kd-model {name}",
            "a teacher has to distinguish all classes of the data",
        )
    return matched


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    """Values per channel (C, 1, 1), broadcast to images (N, C, H, W)."""
    return torch.tensor(values, dtype=torch.float32, device=like.device)[:, None, None]
