"""The end of a run: the best network becomes a model folder, evaluated, with tables, curves and a report."""

import dataclasses
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import CompileError, TrainingError
from cnncli.evaluation.scoring import ScoredSamples
from cnncli.evaluation.tables import unreadable as unreadable_table
from cnncli.evaluation.tasks.scoring import ScoredTargets
from cnncli.inference import Session
from cnncli.networks import model_folder
from cnncli.networks.dependencies import package_versions
from cnncli.networks.zoo import weights
from cnncli.prepare import write_model_folder
from cnncli.records.data import DataSet, Split
from cnncli.records.engines import EngineOptions, InferenceOptions
from cnncli.records.networks import PackageVersion
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Deduplicated, Progress, ProgressBar
from cnncli.records.report import TrainingSummary
from cnncli.records.tasks import Task
from cnncli.records.training import Epoch, FinetuneResult, Tune, kept_epoch
from cnncli.text import counted, percent, quote
from cnncli.training import report as reporting
from cnncli.training import run_folder
from cnncli.training.manifest import RunManifest, load_manifest
from cnncli.training.network import checkpoints
from cnncli.training.network.checkpoints import Checkpoint
from cnncli.training.network.familiarity import store_training_features
from cnncli.training.network.final_scores import ClassScorer, TaskScorer, score_splits
from cnncli.training.network.guessing import Guess, warn_if_little_was_learned
from cnncli.training.network.initial import InitialModel, build
from cnncli.training.network.validation_outputs import ValidationOutputs
from cnncli.training.preparation import Stopwatch
from cnncli.training.scores import Scores, evaluate_classes
from cnncli.training.settings import NetworkSettings
from cnncli.training.settings_file import SETTINGS, read_settings
from cnncli.training.task_scores import evaluate_splits, with_thresholds


def publish(
    run: Path,
    settings: NetworkSettings,
    features: FinetuneResult | None,
    stopwatch: Stopwatch,
    bar: ProgressBar,
) -> FinetuneResult:
    """Write the network that a training run keeps as a model folder, evaluated on the validation and test splits.

    Args:
        run: the run's folder; training is finished.
        settings: the run's settings.
        features: result of the classifier on features, if one was fitted in this process.
        stopwatch: times and reports each step.
        bar: opens a progress bar over the images.

    Raises:
        CnncliError: the run cannot be read or written.
    """
    manifest = load_manifest(run)
    checkpoint = checkpoints.load(run, stopwatch.progress.warning)
    kept = kept_epoch(checkpoint.history, settings.options.keep)
    if kept is None:
        raise TrainingError(
            f"{run} has no finished epoch yet", f"resume with: cnncli finetune --resume {quote(run)}"
        )
    data = manifest.read_data(run)
    finished = _FinishedRun(run, manifest, checkpoint, kept, data, settings, features)
    score = manifest.feature_score
    if score is not None and kept.selection_score <= score:
        result = finished.keep_features(score, stopwatch, bar)
    else:
        result = finished.write_network(stopwatch, bar)
    checkpoints.remove_superseded(run)
    warn_if_little_was_learned(kept, manifest, Guess.of(data, settings), stopwatch.progress)
    return result


@frozen_dataclass
class _EvaluatedRun:
    """What the finished network achieves.

    Attributes:
        scores: on the validation and the test split.
        unreadable: images that could not be read.
        held_out: (V, K + D), logits and embeddings of some validation images.
    """

    scores: Scores
    unreadable: list[Unreadable]
    held_out: NDArray[np.float32]


@frozen_dataclass
class _FinishedRun:
    """A run whose training is finished.

    Attributes:
        run: its folder.
        manifest: its manifest.
        checkpoint: its last checkpoint.
        kept: the epoch whose weights are kept.
        data: its images.
        settings: the run's settings.
        features: result of the classifier on features, if one was fitted in this process.
    """

    run: Path
    manifest: RunManifest
    checkpoint: Checkpoint
    kept: Epoch
    data: DataSet
    settings: NetworkSettings
    features: FinetuneResult | None

    @property
    def full_data(self) -> DataSet:
        """All images, with those that could not be read before training."""
        return self.manifest.with_unreadable(self.data)

    def keep_features(self, score: float, stopwatch: Stopwatch, bar: ProgressBar) -> FinetuneResult:
        """Keep the classifier on features, whose score training did not beat; the report shows both."""
        reason = (
            f"training the network reached {_score_text(self.kept)} on val, no more than the classifier on features "
            f"({percent(score)}), which is kept"
        )
        folder = model_folder.open_folder(self.run)
        with stopwatch.measure("evaluating it"):
            evaluated = self._evaluate(folder, None, stopwatch.progress, bar, tasks=folder.card.tasks)
        with stopwatch.measure("writing the report"), run_folder.draft_network(self.run) as draft:
            self._write_report(draft, evaluated, reason, stopwatch.progress)
            for file in draft.iterdir():
                file.replace(self.run / file.name)
        return dataclasses.replace(
            self.features or _features_result(self.run, self.manifest, self.data, evaluated.scores),
            epochs=tuple(self.checkpoint.history),
            reason=reason,
            unreadable=reporting.relative_paths(self.data, evaluated.unreadable),
        )

    def write_network(self, stopwatch: Stopwatch, bar: ProgressBar) -> FinetuneResult:
        """Write the network of the epoch that is kept as the run's."""
        progress, why = stopwatch.progress, self.settings.options.keep.reason
        progress.notice(f"keeping the network of epoch {self.kept.number}, {why}")
        with run_folder.draft_network(self.run) as draft:
            with stopwatch.measure("writing the network"):
                folder = self._write_model_folder(draft)
            with stopwatch.measure("evaluating it"):
                file = self.run / run_folder.CHECKPOINTS / checkpoints.OUTPUTS_FILE
                samples = self.data.split(Split.VAL)
                validated = ValidationOutputs.read(file, samples, self.checkpoint.unreadable)
                evaluated = self._evaluate(folder, validated, progress, bar)
            with stopwatch.measure("keeping features of its images"):
                session = self._session(folder, self.settings.engine_options.device, progress)
                store_training_features(session, self.data, evaluated.held_out, progress, bar)
            result = self._result(evaluated)
            with stopwatch.measure("writing the report"):
                self._write_tables(folder, evaluated, progress)
                self._write_report(draft, evaluated, result.reason, progress)
                run_folder.install_network(draft, self.run)
        return result

    def _write_model_folder(self, draft: Path) -> model_folder.ModelFolder:
        """Write the network that is kept and its card; a `TrainingError` if it cannot be compiled."""
        run, manifest = self.run, self.manifest
        network = build(manifest.card.architecture)
        if manifest.tune is not Tune.SCRATCH:
            InitialModel(network, manifest.card).drop_auxiliary()
        weights.load_into(network, checkpoints.load_kept(run), str(run / run_folder.CHECKPOINTS))
        card = dataclasses.replace(
            manifest.card,
            name=run.name,
            weights_origin=_origin(manifest, len(self.checkpoint.history)),
            versions=tuple(PackageVersion(*item) for item in package_versions().items()),
        )
        try:
            return write_model_folder(draft, network.eval(), card)
        except CompileError as error:
            raise TrainingError(f"the trained network cannot be written: {error.message}") from error

    def _session(self, folder: model_folder.ModelFolder, device: str, progress: Progress) -> Session:
        options = InferenceOptions(
            max_pixels=self.settings.max_pixels,
            engine=EngineOptions(device=device),
            workers=self.settings.workers,
        )
        return Session(folder, options, Deduplicated(progress))

    def _evaluate(
        self,
        folder: model_folder.ModelFolder,
        validated: ValidationOutputs | None,
        progress: Progress,
        bar: ProgressBar,
        tasks: tuple[Task, ...] | None = None,
    ) -> _EvaluatedRun:
        """Evaluate the finished network on the validation and the test split; `tasks` have the thresholds, if these are chosen."""
        name, full_data, weights = self.run.name, self.full_data, self.settings.task_weights
        images = (self._session(folder, "cpu", progress), self.data, validated, bar)
        if not self.data.tasks:
            answers = score_splits(ClassScorer(self.data.relative), *images)
            unreadable = self._unreadable(answers.splits.values())
            scores = evaluate_classes(name, full_data, answers.splits, unreadable)
            return _EvaluatedRun(scores, unreadable, answers.held_out)
        scored = score_splits(TaskScorer(self.data.tasks), *images)
        unreadable = self._unreadable(scored.splits.values())
        tasks = tasks or with_thresholds(self.data.tasks, scored.splits[Split.VAL])
        task_scores = evaluate_splits(name, full_data, tasks, weights, scored.splits, unreadable)
        return _EvaluatedRun(task_scores, unreadable, scored.held_out)

    def _unreadable(self, scores: Iterable[ScoredSamples | ScoredTargets]) -> list[Unreadable]:
        """Images that could not be read before, during or after training, each once, in the order of the data."""
        reasons = self.manifest.unreadable_reasons() | self.checkpoint.unreadable
        records = {path: Unreadable(path, reason) for path, reason in reasons.items()}
        records |= {record.path: record for score in scores for record in score.unreadable}
        paths = dict.fromkeys(sample.path for sample in self.full_data.samples)
        return [records[path] for path in paths if path in records]

    def _write_report(self, folder: Path, evaluated: _EvaluatedRun, reason: str, progress: Progress) -> None:
        """Write curves and report."""
        features = self.features
        accuracy = None if self.data.tasks else self.manifest.feature_accuracy
        summary = TrainingSummary(
            epochs=tuple(self.checkpoint.history),
            feature_accuracy=accuracy.share if accuracy else None,
            classifiers=features.classifiers if features else (),
            classifier=features.classifier if features else None,
            reason=reason,
            keep=self.settings.options.keep,
        )
        reporting.write_curves(folder, summary, progress)
        reporting.write(
            folder,
            self.run.name,
            self.full_data,
            (evaluated.scores.val, evaluated.scores.test),
            summary,
            read_settings(self.run / SETTINGS),
            evaluated.unreadable,
            progress,
        )

    def _write_tables(
        self, folder: model_folder.ModelFolder, evaluated: _EvaluatedRun, progress: Progress
    ) -> None:
        """Write predictions, pictures and metrics beside the finished network."""
        scores = evaluated.scores
        tables = [
            scores.predictions(self.data),
            *unreadable_table(reporting.with_relative_paths(self.data, evaluated.unreadable)),
        ]
        run_folder.write_files(folder.path, tables, None)
        scores.write_pictures(folder.path, self.data, progress)
        model_folder.seal(folder.path, scores.complete(folder.card))

    def _result(self, evaluated: _EvaluatedRun) -> FinetuneResult:
        data, manifest, scores = self.data, self.manifest, evaluated.scores
        unreadable = {record.path for record in evaluated.unreadable}
        return FinetuneResult(
            folder=str(self.run),
            model=manifest.base_model,
            tune=manifest.tune,
            class_names=data.class_names,
            images=(
                sum(sample.path not in unreadable for sample in data.split(Split.TRAIN)),
                *scores.images,
            ),
            classifiers=(),
            classifier=None,
            epochs=tuple(self.checkpoint.history),
            best_epoch=self.kept.number,
            reason=self._reason(),
            train=None,
            val=scores.val_accuracy,
            val_loss=scores.val_loss,
            test=scores.test_accuracy,
            test_loss=scores.test_loss,
            unreadable=tuple(record.path for record in evaluated.unreadable),
            remarks=manifest.remarks,
            tasks=scores.results(),
        )

    def _reason(self) -> str:
        """Why the run holds this network, as text."""
        score, why = self.manifest.feature_score, self.settings.options.keep.reason
        reason = f"epoch {self.kept.number} of {len(self.checkpoint.history)} was {why}"
        if score is None:
            return reason
        return f"{reason}: {_score_text(self.kept)}; the classifier on features has {percent(score)}"


def _features_result(run: Path, manifest: RunManifest, data: DataSet, scores: Scores) -> FinetuneResult:
    """The result of a classifier on features that an earlier process fitted; the run's table lists the classifiers."""
    train, val, test_images = (len(data.split(split)) for split in Split)
    return FinetuneResult(
        folder=str(run),
        model=manifest.base_model,
        tune=Tune.FEATURES,
        class_names=data.class_names,
        images=(train, val, test_images),
        classifiers=(),
        classifier=None,
        epochs=(),
        best_epoch=None,
        reason="",
        train=None,
        val=manifest.feature_accuracy,
        val_loss=manifest.feature_loss or math.nan,
        test=scores.test_accuracy,
        test_loss=scores.test_loss,
        unreadable=(),
        remarks=manifest.remarks,
        tasks=scores.results(),
    )


def _origin(manifest: RunManifest, epochs: int) -> str:
    """Where the weights come from, for the card."""
    start = "random weights" if manifest.tune is Tune.SCRATCH else manifest.base_model
    trained = {
        Tune.HEAD: "a new last layer",
        Tune.LAST: f"its last {counted(manifest.stages, 'stage')}",
    }.get(manifest.tune, "all of it")
    return f"{start}, {trained} trained on {manifest.data_name} for {counted(epochs, 'epoch')}"


def _score_text(epoch: Epoch) -> str:
    """What epochs are compared by, as text."""
    suffix = "" if epoch.val_balanced is None else " as the mean over classes"
    return percent(epoch.selection_score) + suffix
