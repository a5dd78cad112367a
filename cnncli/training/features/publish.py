"""A classifier on features and its network, written as a run."""

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnncli.data.splits import splits_table
from cnncli.errors import DataError
from cnncli.evaluation.metrics import confusion
from cnncli.evaluation.scoring import answers_of
from cnncli.evaluation.tables import predictions
from cnncli.evaluation.tables import unreadable as unreadable_table
from cnncli.files.csv_tables import Table
from cnncli.images.loader import ImageReader
from cnncli.images.preprocess import Pixels
from cnncli.logits import cross_entropy, predicted_classes, probabilities
from cnncli.networks.dependencies import package_versions
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.data import DataSet, Split
from cnncli.records.evaluation import Answer, Evaluation
from cnncli.records.networks import Compilation, Metric, ModelCard, PackageVersion
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Progress, ProgressBar
from cnncli.records.report import TrainingSummary
from cnncli.records.training import ClassifierScore, FinetuneResult, Tune
from cnncli.training import report, run_folder
from cnncli.training.features.embeddings import EmbeddedSplit
from cnncli.training.features.fit import FeatureSearch, SearchResult, search_classifiers, split_logits
from cnncli.training.features.replace_head import write_with_new_head
from cnncli.training.preparation import Stopwatch, find_images
from cnncli.training.settings import FeatureSettings, FinetuneSettings, record_settings

_VERIFIED_IMAGES = 8
"""Images on which the finished network is compared with the network and the classifier that it consists of."""


def finetune_features(
    settings: FeatureSettings, stopwatch: Stopwatch, bar: ProgressBar, *, is_offline: bool = False
) -> FinetuneResult:
    """Fit a classifier to a network's embeddings of labelled images, and write both as a model folder.

    Args:
        settings: the run's settings.
        stopwatch: times and reports each step, and what is left out.
        bar: opens a progress bar over the images.
        is_offline: download nothing.

    Raises:
        CnncliError: the data or the network cannot be used, or the run cannot be written.
    """
    with contextlib.ExitStack() as locks:
        data, target = find_images(settings, stopwatch, locks)
        search = search_classifiers(settings, data, target, stopwatch, bar, is_offline=is_offline)
        return write_run(search, settings, stopwatch)


def write_run(search: FeatureSearch, settings: FinetuneSettings, stopwatch: Stopwatch) -> FinetuneResult:
    """Write the best classifier and its network as a run; pictures that cannot be written are warnings.

    Raises:
        CnncliError: it cannot be written.
    """
    embedded, result = search.embedded, search.result
    with stopwatch.measure("writing network and report"):
        path = _write_folder(search, settings, stopwatch.progress)
    train, val, test = (embedded.splits[split] for split in Split)
    score = result.best.score
    return FinetuneResult(
        folder=str(path),
        model=search.folder.card.name,
        tune=Tune.FEATURES,
        class_names=embedded.data.class_names,
        images=(len(train.samples), len(val.samples), len(test.samples)),
        classifiers=tuple(candidate.score for candidate in result.candidates),
        classifier=score,
        epochs=(),
        best_epoch=None,
        reason=result.reason,
        train=score.train,
        val=score.val,
        val_loss=cross_entropy(result.best.val_logits, val.labels),
        test=result.test,
        test_loss=cross_entropy(split_logits(result.best.head, test), test.labels) if test.samples else None,
        unreadable=report.relative_paths(embedded.data, embedded.unreadable),
        remarks=embedded.data.remarks,
    )


def _write_folder(search: FeatureSearch, settings: FinetuneSettings, progress: Progress) -> Path:
    """Write everything, and return the run's final path."""
    folder, data, best = search.folder, search.embedded.data, search.result.best
    name, unreadable = search.target.path.name, search.embedded.unreadable
    val = search.embedded.splits[Split.VAL]
    evaluations, tables = _evaluate(search)
    recorded = record_settings(
        settings, folder.card.name, folder.card.weights_origin, search.embedded.digest()
    )
    counts = confusion(predicted_classes(best.val_logits), val.labels, len(data.class_names))
    card = _card(folder, name, data, search.result)
    with run_folder.draft_run(search.target) as draft:
        write_with_new_head(draft, folder, best.head, card, _first_pixels(folder, val, settings))
        run_folder.write_files(draft, tables, recorded)
        report.write_confusion_matrix(draft, counts, data.class_names, progress)
        report.write(
            draft,
            name,
            search.embedded.full_data,
            evaluations,
            _summary(search.result),
            recorded,
            unreadable,
            progress,
        )
        return run_folder.install_run(draft, search.target)


def _evaluate(search: FeatureSearch) -> tuple[tuple[Evaluation, Evaluation | None], list[Table]]:
    """The evaluations of the best classifier on val and test, and the run's tables."""
    data, unreadable, best = search.embedded.data, search.embedded.unreadable, search.result.best
    val, test = search.embedded.splits[Split.VAL], search.embedded.splits[Split.TEST]
    name = search.target.path.name
    answers: Mapping[Split, list[Answer]] = {
        Split.VAL: _answers(best.val_logits, val, data),
        Split.TEST: _answers(split_logits(best.head, test), test, data) if test.samples else [],
    }
    val_evaluation, test_evaluation = (
        report.evaluate_split(name, data, split, answers[split], unreadable)
        for split in (Split.VAL, Split.TEST)
    )
    if val_evaluation is None:
        raise DataError("no validation image can be read", "`cnncli check` says why")
    tables = [
        splits_table(data),
        predictions([*answers[Split.VAL], *answers[Split.TEST]], data.class_names),
        classifiers_table([candidate.score for candidate in search.result.candidates]),
        *unreadable_table(report.with_relative_paths(data, unreadable)),
    ]
    return (val_evaluation, test_evaluation), tables


def _summary(result: SearchResult) -> TrainingSummary:
    scores = tuple(candidate.score for candidate in result.candidates)
    best = result.best.score if len(scores) > 1 else None
    return TrainingSummary((), None, scores, best, result.reason)


def _first_pixels(folder: ModelFolder, split: EmbeddedSplit, settings: FinetuneSettings) -> Pixels:
    """(N, C, H, W) of the first few images of a split."""
    read = ImageReader(folder.card.preprocessing, settings.max_pixels)
    images = [read(sample.source) for sample in split.samples[:_VERIFIED_IMAGES]]
    readable = [image for image in images if not isinstance(image, Unreadable)]
    if not readable:
        raise DataError(
            f"{split.samples[0].path} can no longer be read", "do not change data while it is in use"
        )
    return np.stack(readable)


def _card(folder: ModelFolder, name: str, data: DataSet, result: SearchResult) -> ModelCard:
    """The run's card; `write_with_new_head` adapts what depends on the classifier."""
    score = result.best.score
    accuracies = {"train_top1": score.train, "val_top1": score.val}
    if result.test:
        accuracies["test_top1"] = result.test
    origin = folder.card.weights_origin
    return dataclasses.replace(
        folder.card,
        name=name,
        class_names=data.class_names,
        tasks=data.tasks,
        synsets=None,
        weights_origin=f"{folder.card.name} ({origin}), {score.name} on its features of {data.name}",
        compilation=Compilation(None),
        files=(),
        versions=tuple(PackageVersion(*item) for item in package_versions().items()),
        metrics=tuple(
            Metric(metric, value.share, value.low, value.high, value.images)
            for metric, value in accuracies.items()
        ),
    )


def _answers(logits: NDArray[np.float32], split: EmbeddedSplit, data: DataSet) -> list[Answer]:
    """What the classifier predicts for each image."""
    return list(answers_of(split.samples, probabilities(logits), data.relative)) if split.samples else []


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


def _four_decimals(number: float | None) -> str:
    return "" if number is None else f"{number:.4f}"
