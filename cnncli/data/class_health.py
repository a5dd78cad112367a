"""What is to know about the classes and labels of a data set before training, by its readable images."""

import dataclasses
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from cnncli.records.data import DataFinding, DataSet, FindingKind, Split, TaskLabels
from cnncli.records.tasks import AnswerKind, Task, columns_of
from cnncli.text import counted

MIN_IMAGES = 5
"""Training images below which a class can hardly be learned."""

IMBALANCE = 10
"""Ratio of the largest class to the smallest from which an imbalance is reported."""


def splits_of(data: DataSet) -> list[Split | None]:
    """The splits that have images; None where images have no split."""
    present = {sample.split for sample in data.samples}
    return [split for split in (*Split, None) if split in present]


def _of_split(data: DataSet, split: Split | None) -> DataSet:
    """The images of a split, or those that have none."""
    return dataclasses.replace(
        data, samples=tuple(sample for sample in data.samples if sample.split is split)
    )


def count_classes(data: DataSet, split: Split | None) -> tuple[int, ...]:
    """Number of images per class in a split, or of those that have none."""
    return tuple(_of_split(data, split).count())


def task_labels(data: DataSet) -> tuple[TaskLabels, ...]:
    """How many images have which labels of each task."""
    return tuple(_task_labels(data, place) for place in range(len(data.tasks)))


def _task_labels(data: DataSet, place: int) -> TaskLabels:
    answers = Counter(sample.answers[place] for sample in data.samples)
    pairs: Counter[tuple[int, int]] = Counter()
    for answer, count in answers.items():
        for pair in combinations(answer or (), 2):
            pairs[pair] += count
    labels = sum(len(answer or ()) * count for answer, count in answers.items())
    return TaskLabels(answers.total(), answers[None], answers[()], labels, dict(pairs.most_common()))


def class_findings(data: DataSet, splits: Sequence[Split | None]) -> Iterator[DataFinding]:
    """Classes with no or few images, imbalance, names that look alike, and labels that tell nothing apart.

    Args:
        data: with its readable images.
        splits: of all its images.
    """
    training = _of_split(data, Split.TRAIN if Split.TRAIN in splits else None)
    counts = {split: count_classes(data, split) for split in splits}
    for of_task, columns, kind in _groups(data):
        names = data.class_names[columns]
        if len(names) == 1 and kind is AnswerKind.ONE:
            yield DataFinding(
                FindingKind.MISSING_CLASS, True, f"there is only one class{of_task}, {names[0]}"
            )
        yield from _missing_classes(
            names, {split: images[columns] for split, images in counts.items()}, of_task
        )
        yield from _sizes(names, training.count()[columns], of_task)
        yield from _similar_names(names)
    for place, task in enumerate(data.tasks):
        yield from _unknown_labels(data, task, place, splits)
        yield from _alike_labels(training, task, place)


def _groups(data: DataSet) -> Iterator[tuple[str, slice, AnswerKind]]:
    """For each task, what names it in messages, the columns of its classes among all, and its kind."""
    if not data.tasks:
        yield "", slice(None), AnswerKind.ONE
    for task, columns in zip(data.tasks, columns_of(data.tasks), strict=True):
        yield f" of {task.name!r}" if len(data.tasks) > 1 else "", columns, task.kind


def _missing_classes(
    names: Sequence[str], counts: Mapping[Split | None, Sequence[int]], of_task: str
) -> Iterator[DataFinding]:
    """Classes without an image, by the number of images of each class in each split."""
    for split, images in counts.items():
        if missing := [name for name, count in zip(names, images, strict=True) if not count]:
            message = f"{len(missing):,} of {len(names):,} classes{of_task} have no readable image"
            message += f" in {split}" if split else ""
            yield DataFinding(FindingKind.MISSING_CLASS, True, message, tuple((name,) for name in missing))


def small_classes(names: Sequence[str], counts: Sequence[int], of_task: str = "") -> Iterator[DataFinding]:
    """Classes that can hardly be learned, by the number of training images of each class; `of_task` names their task."""
    if few := tuple(
        (f"{name}: {count}",) for name, count in zip(names, counts, strict=True) if 0 < count < MIN_IMAGES
    ):
        message = (
            f"{len(few):,} of {len(names):,} classes{of_task} have fewer than {MIN_IMAGES} training images"
        )
        yield DataFinding(FindingKind.FEW_IMAGES, True, message, few)


def _sizes(names: Sequence[str], counts: Sequence[int], of_task: str) -> Iterator[DataFinding]:
    """Small classes and imbalance, by the number of training images of each class."""
    present = [(count, name) for count, name in zip(counts, names, strict=True) if count]
    yield from small_classes(names, counts, of_task)
    if present and max(present)[0] >= IMBALANCE * min(present)[0]:
        (most, large), (least, small) = max(present), min(present)
        message = (
            f"{large} has {most:,} training images, {small} has {least:,}: consider --class-weights balanced"
        )
        yield DataFinding(FindingKind.IMBALANCE, True, message)


def _similar_names(names: Sequence[str]) -> Iterator[DataFinding]:
    """Classes whose names differ only in case, spaces or Unicode form, and are hardly meant to be two."""
    groups_by_key: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups_by_key["".join(unicodedata.normalize("NFKC", name).casefold().split())].append(name)
    similar = tuple(tuple(map(repr, group)) for group in groups_by_key.values() if len(group) > 1)
    if similar:
        message = f"{counted(len(similar), 'set')} of classes whose names differ only in case, spaces or Unicode form"
        yield DataFinding(FindingKind.SIMILAR_NAMES, True, message, similar)


def _unknown_labels(
    data: DataSet, task: Task, place: int, splits: Sequence[Split | None]
) -> Iterator[DataFinding]:
    """Splits in which no image has a known label of a task."""
    for split in splits:
        if all(sample.answers[place] is None for sample in _of_split(data, split).samples):
            message = f"no readable image{f' in {split}' if split else ''} has a known label of {task.name!r}"
            yield DataFinding(FindingKind.UNKNOWN_LABELS, True, message)


def _alike_labels(training: DataSet, task: Task, place: int) -> Iterator[DataFinding]:
    """Labels that every training image has, and labels that are always together, of a task with several per image."""
    labels, counts = _task_labels(training, place), training.count()[columns_of(training.tasks)[place]]
    if task.kind is AnswerKind.ONE or not labels.known:
        return
    constant = tuple(
        (name,) for name, count in zip(task.class_names, counts, strict=True) if count == labels.known
    )
    if constant:
        message = f"{counted(len(constant), 'label')} of {task.name!r} on every training image: nothing can be learned"
        yield DataFinding(FindingKind.SAME_LABELS, True, message, constant)
    together = tuple(
        (task.class_names[one], task.class_names[other])
        for (one, other), images in labels.together.items()
        if images == counts[one] == counts[other]
    )
    if together:
        message = f"{counted(len(together), 'pair')} of labels of {task.name!r} that are always together"
        yield DataFinding(FindingKind.SAME_LABELS, False, message, together)
