"""True classes of single images, from a list or from the names of their folders, among those of a network."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from cnncli.dataclass import frozen_dataclass
from cnncli.evaluation.tasks.columns import read_data
from cnncli.networks.class_names import find_classes
from cnncli.records.data import DataSet
from cnncli.records.list_columns import ListColumns
from cnncli.records.networks import ModelCard
from cnncli.records.predictions import NO_CLASS, TrueClasses


def of_folders(names: Sequence[str], card: ModelCard) -> list[TrueClasses | None]:
    """The true class of an image in a folder of each name; None where that is no class, or where the network has tasks."""
    if card.tasks:
        return [None] * len(names)
    indices = find_classes(card, names)
    return [
        None if index is None else TrueClasses((frozenset({index}),), card.class_names[index])
        for index in indices
    ]


def read_true_classes(file: Path, card: ModelCard) -> dict[str, TrueClasses]:
    """The true classes of each image of a list, by its absolute path.

    Args:
        file: a list with the column `label`, or with a column for each of the network's tasks.
        card: of the network.

    Raises:
        DataError: it cannot be read as such a list.
    """
    data = read_data(file, ListColumns(), card.tasks)
    tasks = [_task_labels(name, task_card, data) for name, task_card in _task_cards(card).items()]
    return {
        os.path.abspath(sample.path): _true_classes(tasks, sample.answers or ((sample.label,),))  # noqa: PTH100 - a string
        for sample in data.samples
    }


def _task_cards(card: ModelCard) -> dict[str | None, ModelCard]:
    """For each task the card of a network that has no other; the card itself where there are no tasks."""
    return {
        task.name: dataclasses.replace(card, class_names=task.class_names, synsets=None, tasks=())
        for task in card.tasks
    } or {None: card}


@frozen_dataclass
class _TaskLabels:
    """The classes of a task in a data set and in a network.

    Attributes:
        place: of the task among those of the data; None if these lack it.
        labels: L names of classes of the data.
        indices: (L,), index of each among the network's classes; None where it has no such class.
        names: of the network's classes.
    """

    place: int | None
    labels: Sequence[str]
    indices: Sequence[int | None]
    names: Sequence[str]


def _task_labels(name: str | None, card: ModelCard, data: DataSet) -> _TaskLabels:
    """Match the classes of a task, or of data without tasks, with those of a card."""
    tasks = {task.name: (place, task.class_names) for place, task in enumerate(data.tasks)}
    place, labels = (0, data.class_names) if name is None else tasks.get(name, (None, ()))
    return _TaskLabels(place, labels, find_classes(card, labels), card.class_names)


def _true_classes(tasks: Sequence[_TaskLabels], answers: Sequence[tuple[int, ...] | None]) -> TrueClasses:
    """The true classes of an image; `answers` are indices of its labels in each task of the data, None where unknown."""
    indices, names, unknown = list[frozenset[int]](), list[str](), list[str]()
    for task in tasks:
        answer = None if task.place is None else answers[task.place]
        own = {label: task.indices[label] for label in answer or ()}
        indices.append(frozenset(index for index in own.values() if index is not None))
        unknown += [task.labels[label] for label, index in own.items() if index is None]
        if indices[-1] or answer == ():
            names.append(", ".join(task.names[index] for index in sorted(indices[-1])) or NO_CLASS)
    return TrueClasses(tuple(indices), "; ".join(names), tuple(unknown))
