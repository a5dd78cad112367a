"""The search for classifiers on the features of images with tasks: a linear one for each, side by side in one head."""

import time

import numpy as np

from cnncli.data.targets import targets
from cnncli.dataclass import frozen_dataclass
from cnncli.engines.heads import ClassifierHead, LinearHead
from cnncli.records.data import Split
from cnncli.records.progress import Progress
from cnncli.records.tasks import AnswerKind, Task
from cnncli.records.training import ClassifierName, TaskClassifier
from cnncli.training.features.class_search import Candidate, LinearStart, search_classes, split_logits
from cnncli.training.features.embeddings import EmbeddedData
from cnncli.training.settings import FinetuneSettings
from cnncli.training.task_figures import TaskFigures, scores_text, task_figures


@frozen_dataclass
class TaskFit:
    """The classifier of one task.

    Attributes:
        head: the classifier.
        classifiers: those that were compared, in the order in which they were fitted.
        reason: why this one was chosen, in words.
    """

    head: LinearHead
    classifiers: tuple[TaskClassifier, ...]
    reason: str


@frozen_dataclass
class TaskSearch:
    """The classifiers of all tasks.

    Attributes:
        tasks: the tasks.
        fits: the classifier of each.
        head: all of them, side by side.
        figures: what they achieve on the validation images.
    """

    tasks: tuple[Task, ...]
    fits: tuple[TaskFit, ...]
    head: LinearHead
    figures: TaskFigures

    @property
    def classifiers(self) -> tuple[TaskClassifier, ...]:
        """All classifiers that were fitted, task by task."""
        return tuple(classifier for fit in self.fits for classifier in fit.classifiers)

    @property
    def reason(self) -> str:
        """Why these classifiers were chosen, in words."""
        return "; ".join(
            f"{task.name}: {_title(fit)}, {fit.reason}"
            for task, fit in zip(self.tasks, self.fits, strict=True)
        )

    @property
    def text(self) -> str:
        """How good they are on the validation images, as text."""
        return scores_text(self.tasks, self.figures.known_scores)

    @property
    def score(self) -> float:
        """The mean of their scores on the validation images."""
        return self.figures.score

    def linear(self) -> LinearStart:
        """The classifiers, which can be trained further."""
        return LinearStart(self.head, self.score, self.text)


def _title(fit: TaskFit) -> str:
    """The chosen classifier, as `logistic (C = 0.01)`."""
    chosen = next(classifier for classifier in fit.classifiers if classifier.is_chosen)
    return f"{chosen.name} ({chosen.parameter})" if chosen.parameter else str(chosen.name)


def search_tasks(embedded: EmbeddedData, settings: FinetuneSettings, progress: Progress) -> TaskSearch:
    """Fit classifiers to each task, and choose one for each.

    Args:
        embedded: the data, with tasks.
        settings: which classifiers, class weights, the seed.
        progress: reports each classifier.
    """
    tasks, val = embedded.data.tasks, embedded.splits[Split.VAL]
    fits = [
        (_fit_several if task.kind is AnswerKind.SEVERAL else _fit_one)(embedded, place, settings, progress)
        for place, task in enumerate(tasks)
    ]
    head = LinearHead(
        np.concatenate([fit.head.weights for fit in fits]), np.concatenate([fit.head.biases for fit in fits])
    )
    figures = task_figures(
        split_logits(head, val),
        targets(val.samples, tasks),
        tasks,
        settings.weights_of(tasks),
        settings.class_weights,
    )
    return TaskSearch(tasks, tuple(fits), head, figures)


def _fit_one(embedded: EmbeddedData, place: int, settings: FinetuneSettings, progress: Progress) -> TaskFit:
    """The classifier of a task with one right class: the best of those that are linear."""
    search = search_classes(embedded.of_task(place), settings, progress, is_linear=True)
    name = embedded.data.tasks[place].name
    classifiers = tuple(
        _classifier(name, candidate, is_chosen=candidate is search.best) for candidate in search.candidates
    )
    return TaskFit(_require_linear(search.best.head), classifiers, search.reason)


def _classifier(task: str, candidate: Candidate, *, is_chosen: bool) -> TaskClassifier:
    score = candidate.score
    return TaskClassifier(
        task=task,
        name=score.name,
        parameter=score.parameter,
        cv_score=score.cv_accuracy,
        cv_standard_error=score.cv_standard_error,
        val_score=score.selection_score,
        seconds=score.seconds,
        is_chosen=is_chosen,
    )


def _fit_several(
    embedded: EmbeddedData, place: int, settings: FinetuneSettings, progress: Progress
) -> TaskFit:
    """The classifier of a task with several right classes: a logistic regression for each."""
    from cnncli.training.features.cross_validation import fit
    from cnncli.training.features.several_classes import SeveralRows

    own = embedded.of_task(place)
    (task,), train, val = own.data.tasks, own.splits[Split.TRAIN], own.splits[Split.VAL]
    rows = SeveralRows(
        train.vectors.astype(np.float64),
        targets(train.samples, [task]) > 0,
        settings.class_weights,
        train.groups,
    )
    start = time.perf_counter()
    with progress.spinner(f"fitting a classifier: {task.name}"):
        result = fit(ClassifierName.LOGISTIC, rows, settings.seed)
    seconds = time.perf_counter() - start
    head = _require_linear(result.head)
    val_logits, val_targets = split_logits(head, val), targets(val.samples, [task])
    figures = task_figures(val_logits, val_targets, [task], (1.0,), settings.class_weights)
    classifier = TaskClassifier(
        task=task.name,
        name=ClassifierName.LOGISTIC,
        parameter=result.parameter,
        cv_score=result.cv_score,
        cv_standard_error=result.cv_standard_error,
        val_score=figures.known_scores[0],
        seconds=seconds,
        is_chosen=True,
    )
    return TaskFit(head, (classifier,), "one regression per class")


def _require_linear(head: ClassifierHead) -> LinearHead:
    """The head, which is linear for every classifier that comes into question."""
    assert isinstance(head, LinearHead)  # noqa: S101 - for mypy
    return head
