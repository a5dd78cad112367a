"""Match the tasks of a data set, and the classes of each, with those of a network with tasks."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import DataError, UsageError
from cnncli.evaluation.classes import ClassMap, ClassMatch, match_classes
from cnncli.networks.class_groups import merge_classes
from cnncli.records.data import DataSet, Sample
from cnncli.records.networks import ModelCard
from cnncli.records.tasks import AnswerKind, Task, columns_of
from cnncli.text import counted

_OPTIONS = {AnswerKind.ONE: "--label-column", AnswerKind.SEVERAL: "--multi-label"}


@frozen_dataclass
class TaskMatch:
    """A task of an evaluation: one that both the network and the data have.

    Attributes:
        task: its G classes are those that can be predicted, its thresholds those of the network.
        number: its place among the tasks of the data.
        columns: the network's K classes of this task among those of all its tasks.
        groups: (K,), index among the G that each of them counts as, as in `ClassMatch`.
        indices: index among the G of each class of the data; negative where it does not occur.
    """

    task: Task
    number: int
    columns: slice
    groups: NDArray[np.intp] | None
    indices: tuple[int, ...]

    def select_shares(self, shares: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities (N, G) of the task's classes, from those of all the network's classes."""
        own = shares[:, self.columns]
        if self.groups is None:
            return own
        if self.task.kind is AnswerKind.ONE:
            return merge_classes(own, self.groups)
        return own[:, _members(self.groups)]

    def answer(self, sample: Sample) -> tuple[int, ...] | None:
        """The classes of an image as indices among the G; None where they are unknown."""
        answer = sample.answers[self.number]
        return None if answer is None else tuple(sorted(self.indices[index] for index in answer))


def match_tasks(
    data: DataSet, samples: Sequence[Sample], card: ModelCard, class_map: ClassMap | None, *, subset: bool
) -> tuple[TaskMatch, ...]:
    """Find the tasks of a data set, and their classes, in a network.

    Args:
        data: the data set.
        samples: the images of it that are evaluated on.
        card: the network's card.
        class_map: the network's names for the data's classes; None without --map.
        subset: whether only the classes that occur can be predicted.

    Returns:
        One for each task of the data, in the order of the network's.

    Raises:
        DataError: the network does not have a task or a class, or gives another kind of answer.
        UsageError: the class map joins classes of a task with several answers.
    """
    _require_tasks(data, card)
    numbers = {task.name: number for number, task in enumerate(data.tasks)}
    return tuple(
        _match_task(data, samples, numbers[task.name], (card, task, columns), class_map, subset=subset)
        for task, columns in zip(card.tasks, columns_of(card.tasks), strict=True)
        if task.name in numbers
    )


def _match_task(
    data: DataSet,
    samples: Sequence[Sample],
    number: int,
    network: tuple[ModelCard, Task, slice],
    class_map: ClassMap | None,
    *,
    subset: bool,
) -> TaskMatch:
    """Match the classes of one task, by its place in the data and by the network's card, task and columns."""
    card, task, columns = network
    occurring = sorted({index for sample in samples for index in sample.answers[number] or ()})
    own_card = dataclasses.replace(
        card,
        name=f"task {task.name!r} of {card.name}",
        class_names=task.class_names,
        synsets=None,
        tasks=(),
    )
    match = match_classes(
        data.tasks[number].class_names, occurring, own_card, class_map, subset=subset and bool(occurring)
    )
    return TaskMatch(_evaluated_task(task, match), number, columns, match.groups, match.indices)


def _evaluated_task(task: Task, match: ClassMatch) -> Task:
    """A network's task with the classes of an evaluation."""
    if match.groups is None or task.kind is AnswerKind.ONE:
        return dataclasses.replace(task, class_names=match.class_names)
    members = _members(match.groups)
    if len(members) > len(match.class_names):
        raise UsageError(
            f"--map gives one class of {task.name!r} several of the network's, whose probabilities cannot be added: "
            "an image may have several labels",
            "give each class one of the network's",
        )
    thresholds = task.thresholds and tuple(task.thresholds[place] for place in members)
    return Task(task.name, match.class_names, task.kind, thresholds)


def _members(groups: NDArray[np.intp]) -> list[int]:
    """The places of the classes that are in a group, in the order of their groups."""
    return [int(place) for place in np.argsort(groups, kind="stable") if groups[place] >= 0]


def _require_tasks(data: DataSet, card: ModelCard) -> None:
    """Raise DataError unless the network has all tasks of the data, and the same kind of answer to each."""
    if not card.tasks:
        names = ", ".join(repr(task.name) for task in data.tasks)
        raise DataError(
            f"{card.name} gives one class per image and has no tasks, but {data.name} has {names}",
            "evaluate it on one column with one class per image: --label-column NAME alone",
        )
    kinds = {task.name: task.kind for task in card.tasks}
    tasks_text = ", ".join(f"{name!r} ({kind.text})" for name, kind in kinds.items())
    tasks_hint = f"its {counted(len(kinds), 'task')}: {tasks_text}"
    if not data.tasks:
        raise DataError(
            f"{card.name} has tasks, but {data.name} has only one class per image",
            f"{tasks_hint}; name the columns of a list with --label-column and --multi-label",
        )
    for task in data.tasks:
        if task.name not in kinds:
            raise DataError(f"{card.name} has no task {task.name!r}", tasks_hint)
        if task.kind is not kinds[task.name]:
            raise DataError(
                f"{task.name!r} is read as {task.kind.text}, but {card.name} learned it as {kinds[task.name].text}",
                f"use {_OPTIONS[kinds[task.name]]} {task.name}",
            )
