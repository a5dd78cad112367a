"""`--tune features`: the network stays as it is, and a classifier is fitted to what it makes of the images.

The first way of transfer learning that a course teaches. Nothing of torch is imported where the network is prepared:
embeddings come from ONNX Runtime, and the new classifier is put into the compiled network and into its weights.
"""

import contextlib
import dataclasses
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnncli.data import layout
from cnncli.data.splits import splits_table
from cnncli.data.stratified import require_learnable, shortlist, split_stratified
from cnncli.engines.heads import ClassifierHead, LinearHead, run_head
from cnncli.errors import DataError
from cnncli.evaluation.metrics import accuracy, confusion
from cnncli.evaluation.scoring import answers_of
from cnncli.evaluation.tables import predictions
from cnncli.evaluation.tables import unreadable as unreadable_table
from cnncli.features.embed import Embedder, EmbedSettings
from cnncli.images.loader import Reader
from cnncli.images.preprocess import Pixels
from cnncli.inference import InferenceOptions
from cnncli.logits import cross_entropy, probabilities
from cnncli.networks.model_folder import ModelFolder
from cnncli.prepare import prepare
from cnncli.records.data import DataSet, Sample, Split
from cnncli.records.evaluation import Accuracy, Answer
from cnncli.records.networks import Compilation, Metric, ModelCard, PackageVersion
from cnncli.records.predictions import Unreadable
from cnncli.records.progress import Progress
from cnncli.records.report import TrainingSummary
from cnncli.records.training import ClassifierName, ClassifierScore, FinetuneResult, Step, Tune
from cnncli.text import counted
from cnncli.training import report as reporting
from cnncli.training import run_folder
from cnncli.training import tables as tables_of
from cnncli.training.features.replace_head import require_trainable, write_headed
from cnncli.training.settings import VAL_SPLIT, FeatureSettings, FinetuneSettings, settings_document, versions

if TYPE_CHECKING:
    from cnncli.training.features.classifiers import Rows

Bar = Callable[[int], AbstractContextManager[Callable[[], None]]]
"""Given how many images there are to do, a function to call once for each."""

_COMPARED = 8
"""Images on which the finished network is compared with what it was made of."""

_MANY = 1000
"""Images from which fitting takes so long that one wants to know what is going on."""

_MOST_SVM_CLASSES = 100
"""Each of its classes is fitted against all others."""

_MOST_NEIGHBOURS = 20_000
"""Embeddings that each answer is compared with."""

_TRIED = (ClassifierName.LOGISTIC, ClassifierName.SVM, ClassifierName.CENTROID, ClassifierName.KNN)
"""By `auto`, in this order: linear ones first, whose answers are probabilities and which can be trained further."""


@dataclass(frozen=True, slots=True)
class _EmbeddedSplit:
    """What can be read of a split of the data.

    Attributes:
        samples: N images.
        vectors: (N, V, D) float32, their embeddings and those of their views.
        digests: SHA-256 of each file.
    """

    samples: tuple[Sample, ...]
    vectors: NDArray[np.float32]
    digests: tuple[str, ...]

    @property
    def labels(self) -> "np.ndarray[tuple[int], np.dtype[np.intp]]":
        """(N,), the index of each image's class."""
        return np.array([sample.label for sample in self.samples], np.intp)


class Clock:
    """Where the time goes."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A part of the work."""
        start = time.perf_counter()
        yield
        self.steps.append(Step(name, time.perf_counter() - start))


def finetune_features(
    settings: FeatureSettings, progress: Progress, bar: Bar, *, is_offline: bool = False
) -> FinetuneResult:
    """Fit a classifier to a network's embeddings of labelled images, and write both as a model folder.

    Args:
        settings: what is asked for.
        progress: hears what is being done, and what was left out.
        bar: moves while images are looked at.
        is_offline: download nothing.

    Raises:
        CnncliError: the data or the network are not fit for it, or the run cannot be written.
    """
    return write(explore(settings, progress, bar, is_offline=is_offline), settings)


def explore(
    settings: FinetuneSettings, progress: Progress, bar: Bar, *, is_offline: bool = False
) -> "FeatureSearch":
    """Fit classifiers to a network's embeddings; nothing is written yet. The arguments are `finetune_features`'s."""
    clock = Clock()
    with clock.step("looking for the images"):
        data = read(settings, progress)
        target = run_folder.choose_run_folder(settings.output, data.name, overwrite=settings.overwrite)
    what = (
        ", whose features stay as they are"
        if settings.tune is Tune.FEATURES
        else ": first a classifier on its features"
    )
    progress.notice(f"starting from {settings.reference.name}{what}")
    with clock.step("opening the network"):
        folder = prepare(settings.reference, progress, is_offline=is_offline)
        require_trainable(folder)
    say_what_there_is(data, progress)
    with clock.step("embeddings"):
        found = _embedded(folder, data, settings, progress, bar)
    _say_what_may_surprise(found, progress)
    require_learnable(found.data, is_read=True)
    with clock.step("importing scikit-learn"):  # only now: whatever fails before should do so at once
        import cnncli.training.features.classifiers  # noqa: F401
    with clock.step("classifiers"):
        learned = _learned(found, settings, progress)
    return FeatureSearch(clock, target, folder, found, learned)


def write(explored: "FeatureSearch", settings: FinetuneSettings) -> FinetuneResult:
    """Write the chosen classifier and its network as a run.

    Raises:
        CnncliError: it cannot be written.
    """
    found, learned = explored.found, explored.learned
    with explored.clock.step("writing"):
        path = _written(explored.target, explored.folder, settings, found, learned)
    train, val, test = (found.splits[split] for split in Split)
    trial = learned.chosen.trial
    return FinetuneResult(
        folder=str(path),
        model=explored.folder.card.name,
        tune=Tune.FEATURES,
        class_names=found.data.class_names,
        images=(len(train.samples), len(val.samples), len(test.samples)),
        trials=tuple(item.trial for item in learned.tried),
        chosen=trial,
        epochs=(),
        best_epoch=None,
        why=learned.why,
        train=trial.train,
        val=trial.val,
        val_loss=cross_entropy(learned.chosen.val, val.labels),
        test=learned.test,
        test_loss=cross_entropy(_logits(learned.chosen.head, test), test.labels) if test.samples else None,
        steps=tuple(explored.clock.steps),
        unreadable=reporting.paths(found.data, found.unreadable),
        remarks=found.data.remarks,
    )


def read(settings: FinetuneSettings, progress: Progress) -> DataSet:
    """The data, each image in its split; what is left out of it is said.

    Raises:
        DataError: nothing can be learned from it.
    """
    found = layout.read(settings.data, settings.columns)
    for remark in found.remarks:
        progress.warning(remark)
    if settings.val_split != VAL_SPLIT and found.split(Split.VAL):
        progress.warning(
            f"--val-split has no effect: {settings.data} says itself which images are for validation"
        )
    return split_stratified(found, settings.val_split, settings.seed)


def say_what_there_is(data: DataSet, progress: Progress) -> None:
    """Name the classes in their order, and count the images."""
    progress.notice(f"{data.name}: {_counted(data)}")
    progress.notice(f"classes: {', '.join(f'{index} {name}' for index, name in enumerate(data.class_names))}")


def _say_what_may_surprise(found: "EmbeddedData", progress: Progress) -> None:
    for record in found.unreadable:
        progress.warning(f"{record.path} is left out: {record.reason}")
    if shared := len(set(found.splits[Split.TRAIN].digests) & set(found.splits[Split.VAL].digests)):
        progress.warning(f"in train and in val, too: {counted(shared, 'image')}; `cnncli check` names them")
    counts = zip(found.data.class_names, found.data.count(Split.VAL), strict=True)
    if missing := [name for name, count in counts if not count]:
        progress.warning(
            f"nothing is held out of {shortlist(missing)}: how well they are recognised stays unknown"
        )


# ---- images


def _counted(data: DataSet) -> str:
    told = [f"{len(samples):,} {split}" for split in Split if (samples := data.split(split))]
    return f"{len(data.class_names):,} classes, {counted(len(data.samples), 'image')} ({', '.join(told)})"


@dataclass(frozen=True, slots=True)
class EmbeddedData:
    """What can be read of a data set, and what cannot; `listed` has both."""

    data: DataSet
    listed: DataSet
    splits: Mapping[Split, _EmbeddedSplit]
    unreadable: Sequence[Unreadable]


def _embedded(
    folder: ModelFolder, data: DataSet, settings: FinetuneSettings, progress: Progress, bar: Bar
) -> EmbeddedData:
    """Embeddings of all that can be read."""
    inference = InferenceOptions(
        engine=settings.engine_options,
        batch_size=settings.batch_size,
        max_pixels=settings.max_pixels,
        workers=settings.workers,
    )
    embedder = Embedder(folder, EmbedSettings(settings.seed, inference), progress)
    views = {Split.TRAIN: settings.augment_features, Split.VAL: 0, Split.TEST: 0}
    splits: dict[Split, _EmbeddedSplit] = {}
    unreadable: list[Unreadable] = []
    with bar(sum(len(data.split(split)) * (1 + count) for split, count in views.items())) as advance:
        for split, count in views.items():
            samples = data.split(split)
            made = embedder.embed([sample.source for sample in samples], count, advance)
            rows = [row for row, digest in enumerate(made.digests) if digest]
            splits[split] = _EmbeddedSplit(
                tuple(samples[row] for row in rows),
                made.vectors if len(rows) == len(samples) else made.vectors[rows],
                tuple(digest for digest in made.digests if digest),
            )
            unreadable += made.unreadable
    readable = dataclasses.replace(
        data, samples=tuple(sample for split in Split for sample in splits[split].samples)
    )
    return EmbeddedData(readable, data, splits, unreadable)


def _first_pixels(folder: ModelFolder, split: _EmbeddedSplit, settings: FinetuneSettings) -> Pixels:
    """(N, C, H, W) of the first few images."""
    read = Reader(folder.card.preprocessing, settings.max_pixels)
    images = [read(sample.source) for sample in split.samples[:_COMPARED]]
    readable = [image for image in images if not isinstance(image, Unreadable)]
    if not readable:
        raise DataError(
            f"{split.samples[0].path} could be read, and now cannot any more",
            "do not change data while it is used",
        )
    return np.stack(readable)


# ---- classifiers


@dataclass(frozen=True, slots=True)
class Candidate:
    """A classifier that was tried, and its logits (N, K) for the validation images."""

    trial: ClassifierScore
    head: ClassifierHead
    val: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """All that were tried, the one that was chosen, why, and how it does on the test split, if there is one."""

    tried: Sequence[Candidate]
    chosen: Candidate
    why: str
    test: Accuracy | None

    @property
    def linear(self) -> tuple[LinearHead, ClassifierScore] | None:
        """The best of those that can be trained further, the chosen one if it is, and how it did."""
        tried = ((item.head, item.trial) for item in (self.chosen, *self.tried))
        return next(((head, trial) for head, trial in tried if isinstance(head, LinearHead)), None)


@dataclass(frozen=True, slots=True)
class FeatureSearch:
    """A network, its embeddings of the data, and what could be learned from them.

    Attributes:
        clock: where the time went.
        target: where the run is to go.
        folder: the network.
        found: the data.
        learned: the classifiers.
    """

    clock: Clock
    target: run_folder.Target
    folder: ModelFolder
    found: EmbeddedData
    learned: "SearchResult"


def _learned(found: EmbeddedData, settings: FinetuneSettings, progress: Progress) -> SearchResult:
    from cnncli.training.features.classifiers import Rows

    train, test = found.splits[Split.TRAIN], found.splits[Split.TEST]
    rows = Rows(
        train.vectors.astype(np.float64), train.labels, len(found.data.class_names), settings.class_weights
    )
    tried = []
    for name in _names(settings.classifier, rows):
        if len(rows.labels) >= _MANY:
            progress.notice(f"fitting {name}")
        tried.append(_tried(name, rows, found, settings.seed))
    chosen, why = _best(tried)
    tested = accuracy(_logits(chosen.head, test).argmax(axis=1), test.labels) if test.samples else None
    return SearchResult(tried, chosen, why, tested)


def _names(asked: ClassifierName, rows: "Rows") -> Sequence[ClassifierName]:
    """What is tried; `auto` leaves out what would take minutes, or fill the compiled network with vectors."""
    if asked is not ClassifierName.AUTO:
        return (asked,)
    left_out = set()
    if rows.classes > _MOST_SVM_CLASSES:
        left_out.add(ClassifierName.SVM)
    if rows.vectors.shape[0] * rows.vectors.shape[1] > _MOST_NEIGHBOURS:
        left_out.add(ClassifierName.KNN)
    return [name for name in _TRIED if name not in left_out]


def _tried(name: ClassifierName, rows: "Rows", found: EmbeddedData, seed: int) -> Candidate:
    from cnncli.training.features.classifiers import fit

    train, val = found.splits[Split.TRAIN], found.splits[Split.VAL]
    start = time.perf_counter()
    fitted = fit(name, rows, seed)
    seconds = time.perf_counter() - start
    logits = _logits(fitted.head, val)
    trial = ClassifierScore(
        name,
        fitted.strength,
        fitted.accuracy,
        fitted.error,
        accuracy(_logits(fitted.head, train).argmax(axis=1), train.labels),
        accuracy(logits.argmax(axis=1), val.labels),
        seconds,
    )
    return Candidate(trial, fitted.head, logits)


def _logits(head: ClassifierHead, split: _EmbeddedSplit) -> NDArray[np.float32]:
    """(N, K), of the images themselves."""
    return run_head(head, np.ascontiguousarray(split.vectors[:, 0]))


def _best(tried: Sequence[Candidate]) -> tuple[Candidate, str]:
    """The first that is as good as the best: within one standard error of it (Breiman et al., 1984).

    Judged by cross-validation on the training images, so that the validation images still say something new.
    """
    if len(tried) == 1:
        return tried[0], "the one that was asked for"
    measured = [item for item in tried if item.trial.cross_validated is not None]
    if not measured:
        return tried[0], "too few images to compare classifiers"
    best = max((item.trial for item in measured), key=lambda trial: trial.cross_validated or 0)
    least = (best.cross_validated or 0) - (best.standard_error or 0)
    chosen = next(item for item in measured if (item.trial.cross_validated or 0) >= least)
    if chosen.trial is best:
        return chosen, "best in cross-validation"
    return chosen, f"within one standard error of {best.name} in cross-validation, and preferred"


# ---- what is written


def _written(
    target: run_folder.Target,
    folder: ModelFolder,
    settings: FinetuneSettings,
    found: EmbeddedData,
    learned: SearchResult,
) -> Path:
    """The run's folder, where it came to lie."""
    data, chosen = found.data, learned.chosen
    val, test = found.splits[Split.VAL], found.splits[Split.TEST]
    answers = {Split.VAL: _answers(chosen.val, val, data), Split.TEST: []}
    if test.samples:
        answers[Split.TEST] = _answers(_logits(chosen.head, test), test, data)
    trials = tuple(item.trial for item in learned.tried)
    tables = [
        splits_table(data),
        predictions([*answers[Split.VAL], *answers[Split.TEST]], data.class_names),
        tables_of.classifiers(trials),
        *unreadable_table(reporting.relative(data, found.unreadable)),
    ]
    judged, tested = (
        reporting.evaluated(target.path.name, data, split, said, found.unreadable)
        for split, said in answers.items()
    )
    assert judged is not None  # noqa: S101 - `require_learnable` has seen to it
    counts = confusion(chosen.val.argmax(axis=1), val.labels, len(data.class_names))
    card = _card(folder, target.path.name, data, learned)
    facts = settings_document(settings, folder.card.name, folder.card.weights_origin, digest(found))
    from cnncli.render.confusion import confusion_png  # matplotlib, half a second

    with run_folder.writing(target) as draft:
        write_headed(draft, folder, chosen.head, card, _first_pixels(folder, val, settings))
        run_folder.write(
            draft, tables, facts, {"confusion_matrix.png": confusion_png(counts, data.class_names)}
        )
        reporting.write(
            draft,
            target.path.name,
            found.listed,
            (judged, tested),
            TrainingSummary((), None, trials, chosen.trial if len(trials) > 1 else None, learned.why),
            facts,
            found.unreadable,
        )
        return run_folder.settle(draft, target)


def _card(folder: ModelFolder, name: str, data: DataSet, learned: SearchResult) -> ModelCard:
    """Of the run; what its classifier changes is put right when it is written."""
    trial = learned.chosen.trial
    measured = {"train_top1": trial.train, "val_top1": trial.val}
    if learned.test:
        measured["test_top1"] = learned.test
    origin = folder.card.weights_origin
    return dataclasses.replace(
        folder.card,
        name=name,
        class_names=data.class_names,
        synsets=None,
        weights_origin=f"{folder.card.name} ({origin}), {trial.name} on its features of {data.name}",
        compilation=Compilation(None),
        files=(),
        versions=tuple(PackageVersion(*item) for item in versions().items()),
        metrics=tuple(
            Metric(what, found.share, found.low, found.high, found.images) for what, found in measured.items()
        ),
    )


def _answers(logits: NDArray[np.float32], split: _EmbeddedSplit, data: DataSet) -> list[Answer]:
    """What the classifier says of each image."""
    if not split.samples:
        return []
    return list(answers_of(split.samples, probabilities(logits), data.relative))


def digest(found: EmbeddedData) -> str:
    """SHA-256 of a listing of the data: split, class, and digest of each file, in whatever order they were found."""
    lines = sorted(
        f"{split}\t{found.data.class_names[sample.label]}\t{digest}\n"
        for split, known in found.splits.items()
        for sample, digest in zip(known.samples, known.digests, strict=True)
    )
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
