"""Data sets with tasks, and probabilities for them that are right more often than not."""

import numpy as np

from cnncli.evaluation.tasks.scoring import ScoredTargets
from cnncli.images.local_file import LocalFile
from cnncli.logits import probabilities
from cnncli.records.data import NO_LABEL, DataSet, Sample, Split
from cnncli.records.tasks import AnswerKind, Task

HABITAT = Task("habitat", ("lake", "meadow", "wood"), AnswerKind.ONE)
TAGS = Task("tags", ("bird", "deer", "fish", "moss"), AnswerKind.SEVERAL, (0.5, 0.4, 0.6, 0.5))


def draw_answer(task: Task, rng: np.random.Generator, unknown: float) -> tuple[int, ...] | None:
    """Random classes of an image, or None for unknown labels with this probability."""
    if rng.random() < unknown:
        return None
    if task.kind is AnswerKind.ONE:
        return (int(rng.integers(len(task.class_names))),)
    return tuple(np.flatnonzero(rng.random(len(task.class_names)) < 0.35).tolist())


def data_set(*samples: Sample, tasks: tuple[Task, ...] = (HABITAT, TAGS)) -> DataSet:
    """A data set of these samples."""
    names = tuple(name for task in tasks for name in task.class_names)
    return DataSet("walks", "walks", names, samples, tasks=tasks)


def draw(
    images: int, seed: int, tasks: tuple[Task, ...] = (HABITAT, TAGS), unknown: float = 0.0
) -> tuple[DataSet, ScoredTargets]:
    """A data set of so many images, and probabilities for them."""
    rng = np.random.default_rng(seed)
    samples = [
        Sample(
            LocalFile(f"walks/{number}.png"),
            NO_LABEL,
            Split.TEST,
            tuple(draw_answer(task, rng, unknown) for task in tasks),
        )
        for number in range(images)
    ]
    data = data_set(*samples, tasks=tasks)
    logits = rng.normal(-1, 1.5, (images, len(data.class_names)))
    for row, sample in zip(logits, samples, strict=True):
        row[list(data.classes_of(sample))] += 2
    shares = probabilities(logits.astype(np.float32), tasks).round(3)  # so that some are equal
    return data, ScoredTargets(tuple(samples), shares)
