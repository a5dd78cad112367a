"""Tasks: the questions that a network answers about an image, one or several."""

import enum
from collections.abc import Sequence
from itertools import accumulate, pairwise

from cnncli.dataclass import frozen_dataclass

LABEL_SEPARATOR = "|"
"""Separates the labels of an image, in lists unless the user says otherwise, and in everything that is written."""

INDICATOR_TASK = "labels"
"""The name of the task of indicator columns."""


class AnswerKind(enum.StrEnum):
    """How many classes of a task are right for an image."""

    ONE = "single-label"
    """Exactly one: the task's logits are inputs of a softmax."""

    SEVERAL = "multi-label"
    """Any number, also none: each logit is the input of a sigmoid."""

    @property
    def text(self) -> str:
        """What people read."""
        return "one class per image" if self is AnswerKind.ONE else "several labels per image"


@frozen_dataclass
class Task:
    """A question that a network answers about an image.

    Attributes:
        name: its name, that of the column that its labels came from.
        class_names: names of its K classes, in the order of its logits.
        kind: how many of them are right for an image.
        thresholds: (K,), the probability from which each class counts as an answer; None where a task has one right class.
    """

    name: str
    class_names: tuple[str, ...]
    kind: AnswerKind
    thresholds: tuple[float, ...] | None = None


def columns_of(tasks: Sequence[Task]) -> list[slice]:
    """The columns of each task among the logits of all tasks, which are side by side."""
    ends = accumulate((len(task.class_names) for task in tasks), initial=0)
    return [slice(start, end) for start, end in pairwise(ends)]


def has_several(tasks: Sequence[Task]) -> bool:
    """Whether answers have to say which of several tasks they belong to."""
    return len(tasks) > 1


def kinds_of(tasks: Sequence[Task]) -> list[AnswerKind]:
    """The kind of answer of each task; of a network without tasks, a single one."""
    return [task.kind for task in tasks] or [AnswerKind.ONE]
