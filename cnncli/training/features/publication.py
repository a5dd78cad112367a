"""What a run keeps of the classifiers on features: the head, tables, figures; without and with tasks."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass
from cnncli.engines.heads import ClassifierHead
from cnncli.evaluation.scoring import ScoredSamples, answers_of
from cnncli.evaluation.tasks.scoring import ScoredTargets
from cnncli.files.csv_tables import Table
from cnncli.logits import cross_entropy, probabilities
from cnncli.records.data import DataSet, Split
from cnncli.records.networks import ModelCard
from cnncli.records.report import TrainingSummary
from cnncli.records.training import ClassifierScore, FinetuneResult, TaskClassifier, Tune
from cnncli.training import report
from cnncli.training.features.class_search import ClassSearch, split_logits
from cnncli.training.features.embeddings import EmbeddedSplit
from cnncli.training.features.fit import FeatureSearch
from cnncli.training.features.task_search import TaskSearch
from cnncli.training.scores import ClassScores, Scores, evaluate_classes, top1_metric
from cnncli.training.settings import FinetuneSettings
from cnncli.training.task_scores import TaskScores, evaluate_splits, with_thresholds


class Publication(Protocol):
    """The classifier that a run keeps, and how good it is."""

    @property
    def head(self) -> ClassifierHead:
        """The classifier."""

    @property
    def scores(self) -> Scores:
        """Its evaluations."""

    def tables(self) -> Sequence[Table]:
        """predictions.csv, classifiers.csv, and folds.csv if there are folds."""

    def complete(self, card: ModelCard) -> ModelCard:
        """The card of the network with what the classifier adds."""

    def summary(self) -> TrainingSummary:
        """How the classifier was chosen, for the report."""

    def result(self, path: Path) -> FinetuneResult:
        """The result of fine-tuning; `path` is that of the run."""


@frozen_dataclass
class ClassPublication:
    """The best classifier for images with one class each.

    Attributes:
        search: what was searched.
        classifiers: the classifiers that were compared.
        scores: the evaluations of the best.
    """

    search: FeatureSearch
    classifiers: ClassSearch
    scores: ClassScores

    @classmethod
    def create(cls, search: FeatureSearch, classifiers: ClassSearch) -> "ClassPublication":
        """Evaluate the best classifier."""
        embedded, best = search.embedded, classifiers.best
        val, test = embedded.splits[Split.VAL], embedded.splits[Split.TEST]
        scored = {Split.VAL: _answers(best.val_logits, val, embedded.data)}
        if test.samples:
            scored[Split.TEST] = _answers(split_logits(best.head, test), test, embedded.data)
        name, unreadable = search.target.path.name, embedded.unreadable
        return cls(search, classifiers, evaluate_classes(name, embedded.data, scored, unreadable))

    @property
    def head(self) -> ClassifierHead:
        """The best classifier."""
        return self.classifiers.best.head

    def tables(self) -> list[Table]:
        """The tables."""
        classifiers = [candidate.score for candidate in self.classifiers.candidates]
        predictions = self.scores.predictions(self.search.embedded.data)
        return [predictions, classifiers_table(classifiers), *_folds_tables(self.search)]

    def complete(self, card: ModelCard) -> ModelCard:
        """The card with accuracies and the name of the classifier."""
        score, name = self.classifiers.best.score, self.search.embedded.data.name
        accuracies = {"train_top1": score.train, "val_top1": score.val, "test_top1": self.classifiers.test}
        return dataclasses.replace(
            card,
            weights_origin=f"{card.weights_origin}, {score.name} on its features of {name}",
            metrics=tuple(top1_metric(metric, value) for metric, value in accuracies.items() if value),
        )

    def summary(self) -> TrainingSummary:
        """The classifiers, and the best if there were several."""
        scores = tuple(candidate.score for candidate in self.classifiers.candidates)
        best = self.classifiers.best.score if len(scores) > 1 else None
        return TrainingSummary((), None, scores, best, self.classifiers.reason, folds=self.search.folds)

    def result(self, path: Path) -> FinetuneResult:
        """The result."""
        result, score = self.classifiers, self.classifiers.best.score
        val, test = (self.search.embedded.splits[split] for split in (Split.VAL, Split.TEST))
        test_loss = cross_entropy(split_logits(result.best.head, test), test.labels) if test.samples else None
        return dataclasses.replace(
            _result(self.search, path, result.reason, self.scores),
            classifiers=tuple(candidate.score for candidate in result.candidates),
            classifier=score,
            train=score.train,
            val=score.val,
            val_loss=cross_entropy(result.best.val_logits, val.labels),
            test=result.test,
            test_loss=test_loss,
        )


@frozen_dataclass
class TaskPublication:
    """The classifiers of all tasks.

    Attributes:
        search: what was searched.
        classifiers: the classifiers that were compared.
        scores: the evaluations of those that were chosen.
    """

    search: FeatureSearch
    classifiers: TaskSearch
    scores: TaskScores

    @classmethod
    def create(
        cls, search: FeatureSearch, classifiers: TaskSearch, settings: FinetuneSettings
    ) -> "TaskPublication":
        """Choose thresholds, and evaluate the classifiers."""
        embedded, tasks = search.embedded, classifiers.tasks
        scored = {
            name: ScoredTargets(split.samples, probabilities(split_logits(classifiers.head, split), tasks))
            for name in (Split.VAL, Split.TEST)
            if (split := embedded.splits[name]).samples
        }
        scores = evaluate_splits(
            search.target.path.name,
            embedded.data,
            with_thresholds(tasks, scored[Split.VAL]),
            settings.task_weights,
            scored,
            embedded.unreadable,
        )
        return cls(search, classifiers, scores)

    @property
    def head(self) -> ClassifierHead:
        """The classifiers side by side."""
        return self.classifiers.head

    def tables(self) -> list[Table]:
        """The tables."""
        data = self.search.embedded.data
        classifiers = task_classifiers_table(self.classifiers.classifiers)
        return [self.scores.predictions(data), classifiers, *_folds_tables(self.search)]

    def complete(self, card: ModelCard) -> ModelCard:
        """The card with tasks, thresholds and metrics."""
        origin = f"{card.weights_origin}, a classifier per task on its features of {self.search.embedded.data.name}"
        return self.scores.complete(dataclasses.replace(card, weights_origin=origin))

    def summary(self) -> TrainingSummary:
        """Why the classifiers were chosen."""
        return TrainingSummary((), None, (), None, self.classifiers.reason, folds=self.search.folds)

    def result(self, path: Path) -> FinetuneResult:
        """The result."""
        return dataclasses.replace(
            _result(self.search, path, self.classifiers.reason, self.scores),
            tasks=self.scores.results(self.classifiers.classifiers),
        )


def _result(search: FeatureSearch, path: Path, reason: str, scores: Scores) -> FinetuneResult:
    """The result, without the classifiers."""
    embedded = search.embedded
    return FinetuneResult(
        folder=str(path),
        model=search.folder.card.name,
        tune=Tune.FEATURES,
        class_names=embedded.data.class_names,
        images=(len(embedded.splits[Split.TRAIN].samples), *scores.images),
        classifiers=(),
        classifier=None,
        epochs=(),
        best_epoch=None,
        reason=reason,
        train=None,
        val=scores.val_accuracy,
        val_loss=scores.val_loss,
        test=scores.test_accuracy,
        test_loss=scores.test_loss,
        unreadable=report.relative_paths(embedded.data, embedded.unreadable),
        remarks=embedded.data.remarks,
        folds=search.folds,
    )


def _answers(logits: NDArray[np.float32], split: EmbeddedSplit, data: DataSet) -> ScoredSamples:
    """What the classifier predicts for each image."""
    return ScoredSamples(tuple(answers_of(split.samples, probabilities(logits), data.relative)), ())


def _folds_tables(search: FeatureSearch) -> list[Table]:
    """folds.csv: the score in each fold, if there are any."""
    rows = [
        (number, fold.images, _four_decimals(fold.score)) for number, fold in enumerate(search.folds, start=1)
    ]
    return [Table("folds.csv", ("fold", "images", "score"), rows)] if rows else []


def classifiers_table(scores: Sequence[ClassifierScore]) -> Table:
    """classifiers.csv: the classifiers that were compared."""
    rows = [
        (
            score.name,
            score.parameter,
            _four_decimals(score.cv_accuracy),
            _four_decimals(score.cv_standard_error),
            _four_decimals(score.train.share),
            _four_decimals(score.val.share),
            _four_decimals(score.val.low),
            _four_decimals(score.val.high),
            _four_decimals(score.seconds),
        )
        for score in scores
    ]
    header = (
        "classifier",
        "parameter",
        "cv_accuracy",
        "cv_standard_error",
        "train_accuracy",
        "val_accuracy",
        "val_accuracy_low",
        "val_accuracy_high",
        "seconds",
    )
    return Table("classifiers.csv", header, rows)


def task_classifiers_table(classifiers: Sequence[TaskClassifier]) -> Table:
    """classifiers.csv of a run with tasks: the classifiers that were compared for each."""
    rows = [
        (
            item.task,
            item.name,
            item.parameter,
            _four_decimals(item.cv_score),
            _four_decimals(item.cv_standard_error),
            _four_decimals(item.val_score),
            _four_decimals(item.seconds),
            int(item.is_chosen),
        )
        for item in classifiers
    ]
    header = (
        "task",
        "classifier",
        "parameter",
        "cv_score",
        "cv_standard_error",
        "val_score",
        "seconds",
        "chosen",
    )
    return Table("classifiers.csv", header, rows)


def _four_decimals(number: float | None) -> str:
    return "" if number is None else f"{number:.4f}"
