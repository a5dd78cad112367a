"""The end of a run in which the network itself learned: its best state becomes a model folder, with all that is told of it."""

import dataclasses
import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnncli.data.splits import read_splits
from cnncli.errors import CompileError, DataError, TrainingError
from cnncli.evaluation.metrics import confusion
from cnncli.evaluation.scoring import EnsembleMember, ScoredSamples, score_samples
from cnncli.evaluation.tables import predictions
from cnncli.evaluation.tables import unreadable as unreadable_table
from cnncli.inference import InferenceOptions
from cnncli.networks import model_folder, weights
from cnncli.prepare import write_model_folder
from cnncli.records.data import DataSet, Split
from cnncli.records.engines import EngineOptions
from cnncli.records.evaluation import Accuracy, Evaluation
from cnncli.records.networks import Metric, PackageVersion
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Deduplicated, Progress
from cnncli.records.report import TrainingSummary
from cnncli.records.training import Epoch, FinetuneResult, Step, Tune
from cnncli.text import counted
from cnncli.training import manifest as beginnings
from cnncli.training import report as reporting
from cnncli.training import run_folder
from cnncli.training.features.fit import Bar
from cnncli.training.manifest import RunManifest
from cnncli.training.network import checkpoints
from cnncli.training.network.checkpoints import Checkpoint
from cnncli.training.network.initial import InitialModel, build
from cnncli.training.settings import FinetuneSettings, versions


def finish(
    run: Path, settings: FinetuneSettings, features: FinetuneResult | None, progress: Progress, bar: Bar
) -> FinetuneResult:
    """Write the best network of a training as a model folder, with what it says of the validation and test splits.

    Args:
        run: the run's folder, training done.
        settings: of the run.
        features: what a classifier on features came to in this process, if one was fitted.
        progress: hears what is done.
        bar: moves while images are looked at.

    Raises:
        CnncliError: it cannot be read or written.
    """
    begun = beginnings.load(run)
    progressed = checkpoints.load(run, progress.warning)
    best = progressed.best
    if best is None:
        raise TrainingError(f"{run} has not come to the end of an epoch", f"cnncli finetune --resume {run}")
    data = read_splits(run, begun.root, begun.card.class_names, begun.data_name)
    end = _End(run, begun, progressed, data, begun.listed(data), settings, features)
    if begun.features and best.val_top1 <= begun.features.share:
        result = end.keeping_features(begun.features, progress, bar)
    else:
        result = end.writing_network(progress, bar)
    checkpoints.tidy(run)
    _say_if_little_was_learned(best, begun, progress)
    return result


_GUESSING = 0.98
"""Of the loss of guessing, at which a network has not begun to learn."""
_LUCK = 0.4
"""Of the way from guessing to being always right: what a network that knows nothing may reach with a few images."""


def _say_if_little_was_learned(best: Epoch, begun: RunManifest, progress: Progress) -> None:
    classes = len(begun.card.class_names)
    at_best = 1 / classes + _LUCK * (1 - 1 / classes)
    if best.val_loss > _GUESSING * math.log(classes) and best.val_top1 < at_best:
        progress.warning(
            f"the network has learned next to nothing: its loss, {best.val_loss:.3f}, is no better than that of guessing among "
            f"{classes:,} classes, {math.log(classes):.3f}; try a lower --lr, --lr auto, or more --epochs"
        )
    elif begun.features is None and begun.head_share is not None and best.val_top1 < begun.head_share:
        progress.warning(
            f"it began with a classifier on its features that was better, {_percent(begun.head_share)} on val: try more "
            "--epochs, --augment none, or a lower --lr; --tune features keeps the classifier, auto the better of both"
        )


@dataclass(frozen=True, slots=True)
class _End:
    """A run whose training is done.

    Attributes:
        run: its folder.
        begun: what it went out from.
        progressed: what it came to.
        data: its images.
        listed: the same, and those that could not be read before training.
        settings: of the run.
        features: what a classifier on features came to in this process, if one was fitted.
    """

    run: Path
    begun: RunManifest
    progressed: Checkpoint
    data: DataSet
    listed: DataSet
    settings: FinetuneSettings
    features: FinetuneResult | None

    def keeping_features(self, found: Accuracy, progress: Progress, bar: Bar) -> FinetuneResult:
        """The classifier on features was no worse: it stays, and the report tells of both."""
        best = self.progressed.best
        assert best is not None  # noqa: S101 - `finish` has seen to it
        why = (
            f"training all of it reached {_percent(best.val_top1)} on val, no more than "
            f"the classifier on features ({_percent(found.share)}), which stays"
        )
        judged = self._judge(model_folder.open_folder(self.run), progress, bar)
        with run_folder.finishing(self.run) as draft:
            self._report(draft, judged, why)
            for file in draft.iterdir():
                file.replace(self.run / file.name)
        return dataclasses.replace(
            self.features or _of_features(self.run, self.begun, self.data, judged.test),
            epochs=tuple(self.progressed.history),
            why=why,
            steps=self._steps(),
            unreadable=reporting.paths(self.data, judged.unreadable),
        )

    def writing_network(self, progress: Progress, bar: Bar) -> FinetuneResult:
        """The best network of the training becomes the run's."""
        run, begun, best = self.run, self.begun, self.progressed.best
        assert best is not None  # noqa: S101 - `finish` has seen to it
        network = build(begun.card.architecture)
        tensors = checkpoints.load_best(run)
        if begun.tune is not Tune.SCRATCH:
            InitialModel(network, begun.card).drop_auxiliary()
        weights.load_into(network, tensors, str(run / run_folder.CHECKPOINTS))
        progress.notice(f"writing the network as it was after epoch {best.number}, the best on val")
        with run_folder.finishing(run) as draft:
            card = dataclasses.replace(
                begun.card,
                name=run.name,
                weights_origin=_origin(begun, self.progressed),
                versions=tuple(PackageVersion(*item) for item in versions().items()),
            )
            try:
                folder = write_model_folder(draft, network.eval(), card)
            except CompileError as error:
                raise TrainingError(f"the trained network cannot be written: {error.message}") from error
            judged = self._judge(folder, progress, bar)
            result = self._written(folder, judged)
            self._report(draft, judged, result.why)
            run_folder.finish(draft, run)
        return result

    def _judge(self, folder: model_folder.ModelFolder, progress: Progress, bar: Bar) -> "_Judged":
        """Ask the finished network about the validation and the test split."""
        settings = self.settings
        options = InferenceOptions(
            engine=EngineOptions(device="cpu"), max_pixels=settings.max_pixels, workers=settings.workers
        )
        splits = {split: self.data.split(split) for split in (Split.VAL, Split.TEST)}
        progress = Deduplicated(progress)
        with bar(sum(map(len, splits.values()))) as advance:
            found = {
                split: score_samples(
                    [EnsembleMember(folder)], samples, self.data.relative, options, progress, advance
                )
                for split, samples in splits.items()
            }
        unreadable = self._unreadable(found.values())
        val, test = (
            reporting.evaluated(self.run.name, self.listed, split, one.answers, unreadable)
            for split, one in found.items()
        )
        if val is None:
            raise DataError("no image for validation can be read any more", "`cnncli check` says why")
        return _Judged(val, test, unreadable)

    def _unreadable(self, judged: Iterable[ScoredSamples]) -> list[Unreadable]:
        """What could not be read, before training, while it went on or at the end, each once."""
        reasons = self.begun.unreadable() | self.progressed.unreadable
        known = {path: Unreadable(path, reason) for path, reason in reasons.items()}
        known |= {record.path: record for one in judged for record in one.unreadable}
        paths = dict.fromkeys(sample.path for sample in self.listed.samples)
        return [known[path] for path in paths if path in known]

    def _report(self, folder: Path, judged: "_Judged", why: str) -> None:
        """Its curves, and the page that has everything."""
        from cnncli.render.curves import curves_png

        begun, features = self.begun, self.features
        share = begun.features.share if begun.features else None
        (folder / "curves.png").write_bytes(curves_png(self.progressed.history, share))
        taught = TrainingSummary(
            epochs=tuple(self.progressed.history),
            features=share,
            trials=features.trials if features else (),
            chosen=features.chosen if features else None,
            why=why,
        )
        recorded = tomllib.loads(
            (self.run / run_folder.SETTINGS).read_text(encoding="utf-8", errors="surrogateescape")
        )
        found = (judged.val, judged.test)
        reporting.write(folder, self.run.name, self.listed, found, taught, recorded, judged.unreadable)

    def _steps(self) -> tuple[Step, ...]:
        """Where the time went, as far as the run's folder knows."""
        before = self.features.steps if self.features else (Step("preparing", self.begun.seconds),)
        return (
            *before,
            Step(f"training, {counted(len(self.progressed.history), 'epoch')}", self.progressed.seconds),
        )

    def _written(self, folder: model_folder.ModelFolder, judged: "_Judged") -> FinetuneResult:
        """Tables and figures of the finished network, written beside it."""
        data, begun, progressed = self.data, self.begun, self.progressed
        val, test, best = judged.val, judged.test, progressed.best
        assert best is not None  # noqa: S101 - `finish` has seen to it
        answers = [*val.answers, *(test.answers if test else ())]
        labels, predicted = (
            np.array([getattr(answer, what) for answer in val.answers], np.intp)
            for what in ("label", "predicted")
        )
        from cnncli.render.confusion import confusion_png

        counts = confusion(predicted, labels, len(data.class_names))
        run_folder.write(
            folder.path,
            [
                predictions(answers, data.class_names),
                *unreadable_table(reporting.relative(data, judged.unreadable)),
            ],
            None,
            {"confusion_matrix.png": confusion_png(counts, data.class_names)},
        )
        metrics = {"val_top1": val.top1} | ({"test_top1": test.top1} if test else {})
        model_folder.seal(folder.path, dataclasses.replace(folder.card, metrics=_metrics(metrics)))
        missing = {record.path for record in judged.unreadable}
        return FinetuneResult(
            folder=str(self.run),
            model=begun.started_from,
            tune=begun.tune,
            class_names=data.class_names,
            images=(
                sum(sample.path not in missing for sample in data.split(Split.TRAIN)),
                len(val.answers),
                len(test.answers) if test else 0,
            ),
            trials=(),
            chosen=None,
            epochs=tuple(progressed.history),
            best_epoch=best.number,
            why=_why(begun, progressed),
            train=None,
            val=val.top1,
            val_loss=val.loss,
            test=test.top1 if test else None,
            test_loss=test.loss if test else None,
            steps=self._steps(),
            unreadable=tuple(record.path for record in judged.unreadable),
            remarks=begun.remarks,
        )


@dataclass(frozen=True, slots=True)
class _Judged:
    """What the finished network says of the validation and the test split, and which images nobody could read."""

    val: Evaluation
    test: Evaluation | None
    unreadable: list[Unreadable]


def _of_features(run: Path, begun: RunManifest, data: DataSet, asked: Evaluation | None) -> FinetuneResult:
    """What another process found with features before it was interrupted; its classifiers are in the run's table."""
    assert begun.features is not None  # noqa: S101 - the caller has seen to it
    assert begun.features_loss is not None  # noqa: S101 - likewise
    train, val, test = (len(data.split(split)) for split in Split)
    return FinetuneResult(
        folder=str(run),
        model=begun.started_from,
        tune=Tune.FEATURES,
        class_names=data.class_names,
        images=(train, val, test),
        trials=(),
        chosen=None,
        epochs=(),
        best_epoch=None,
        why="",
        train=None,
        val=begun.features,
        val_loss=begun.features_loss,
        test=asked.top1 if asked else None,
        test_loss=asked.loss if asked else None,
        steps=(),
        unreadable=(),
        remarks=begun.remarks,
    )


def _origin(begun: RunManifest, progressed: Checkpoint) -> str:
    start = "random weights" if begun.tune is Tune.SCRATCH else begun.started_from
    what = {
        Tune.HEAD: "a new last layer",
        Tune.LAST: f"its last {counted(begun.stages, 'stage')}",
        Tune.FULL: "all of it",
    }
    learned = what.get(begun.tune, "all of it")
    return f"{start}, {learned} trained on {begun.data_name} for {counted(len(progressed.history), 'epoch')}"


def _why(begun: RunManifest, progressed: Checkpoint) -> str:
    best, done = progressed.best, len(progressed.history)
    assert best is not None  # noqa: S101 - `finish` has seen to it
    told = f"epoch {best.number} of {done} was the best on val"
    if begun.features is None:
        return told
    return f"{told}: {_percent(best.val_top1)}, where the classifier on features has {_percent(begun.features.share)}"


def _metrics(measured: dict[str, Accuracy]) -> tuple[Metric, ...]:
    return tuple(
        Metric(name, found.share, found.low, found.high, found.images) for name, found in measured.items()
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
