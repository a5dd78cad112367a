"""`--tune features`: the network stays as it is; a classifier is fitted to its embeddings of the images.

The simplest kind of transfer learning. Where the network is prepared, torch is not imported: embeddings come from ONNX
Runtime, and the new classifier replaces the last layer of the compiled network and of the weights.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnncli.data.stratified import require_learnable
from cnncli.engines.heads import ClassifierHead, LinearHead, run_head
from cnncli.evaluation.metrics import accuracy, balanced_accuracy
from cnncli.logits import predicted_classes
from cnncli.networks.model_folder import ModelFolder
from cnncli.records.data import DataSet, Split
from cnncli.records.evaluation import Accuracy
from cnncli.records.progress import Progress, ProgressBar
from cnncli.records.training import ClassifierName, ClassifierScore, ClassWeights, Tune
from cnncli.training.cut import prepare_start
from cnncli.training.features.embeddings import EmbeddedData, EmbeddedSplit, embed_data, warn_about_data
from cnncli.training.features.replace_head import require_compiled
from cnncli.training.preparation import Stopwatch, describe_data
from cnncli.training.run_folder import Target
from cnncli.training.settings import FinetuneSettings

if TYPE_CHECKING:
    from cnncli.training.features.classifiers import Rows

_MOST_SVM_CLASSES = 100
"""`auto` skips the SVM with more classes: it is fitted once per class, one against the rest."""

_MOST_NEIGHBOURS = 20_000
"""`auto` skips nearest neighbours with more embeddings: each image is compared with all of them."""

_CANDIDATES = (
    ClassifierName.LOGISTIC,
    ClassifierName.SVM,
    ClassifierName.CENTROID,
    ClassifierName.KNN,
)
"""What `auto` tries, in order of preference: linear classifiers give probabilities and can be trained further."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fitted classifier, its scores, and its logits (N, K) of the validation images."""

    score: ClassifierScore
    head: ClassifierHead
    val_logits: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The classifiers that were compared.

    Attributes:
        candidates: in the order in which they were fitted.
        best: the one that is kept.
        reason: why, in words.
        test: its accuracy on the test split; None where there is none.
    """

    candidates: Sequence[Candidate]
    best: Candidate
    reason: str
    test: Accuracy | None

    def linear(self) -> tuple[LinearHead, ClassifierScore] | None:
        """A linear classifier, which can be trained further, and its scores: the best candidate, or else the first."""
        pairs = ((candidate.head, candidate.score) for candidate in (self.best, *self.candidates))
        return next(((head, score) for head, score in pairs if isinstance(head, LinearHead)), None)


@dataclass(frozen=True, slots=True)
class FeatureSearch:
    """A network, its embeddings of the data, and the classifiers that were fitted to them.

    Attributes:
        target: where the run is written.
        folder: model folder of the network.
        embedded: the data and its embeddings.
        result: the classifiers that were compared.
    """

    target: Target
    folder: ModelFolder
    embedded: EmbeddedData
    result: SearchResult


def search_classifiers(
    settings: FinetuneSettings,
    data: DataSet,
    target: Target,
    stopwatch: Stopwatch,
    bar: ProgressBar,
    *,
    require_usable: Callable[[ModelFolder, DataSet], None] | None = None,
    is_offline: bool = False,
) -> FeatureSearch:
    """Fit classifiers to a network's embeddings of labelled images; nothing is written yet.

    Args:
        settings: the run's settings.
        data: the labelled images.
        target: where the run will be written.
        stopwatch: times and reports each step, and what is left out.
        bar: opens a progress bar over the images.
        require_usable: checks a network and the data before embeddings are computed.
        is_offline: download nothing.

    Raises:
        CnncliError: the data or the network cannot be used.
    """
    progress = stopwatch.progress
    plan = (
        ", which stays as it is" if settings.tune is Tune.FEATURES else ": a classifier on its features first"
    )
    progress.notice(f"starting from {settings.start}{plan}")
    with stopwatch.measure("opening the network"):
        folder = prepare_start(settings, progress, is_offline=is_offline)
        require_compiled(folder)
        if require_usable:
            require_usable(folder, data)
    describe_data(data, progress)
    with stopwatch.measure("computing embeddings"):
        embedded = embed_data(folder, data, settings, progress, bar)
    warn_about_data(embedded, progress)
    require_learnable(embedded.data, is_read=True)
    with stopwatch.measure("importing scikit-learn"):  # only here, so that earlier errors are instant
        import cnncli.training.features.classifiers  # noqa: F401
    with stopwatch.measure("fitting classifiers"):
        result = _fit_candidates(embedded, settings, progress)
    return FeatureSearch(target, folder, embedded, result)


def _fit_candidates(embedded: EmbeddedData, settings: FinetuneSettings, progress: Progress) -> SearchResult:
    from cnncli.training.features.classifiers import Rows

    train, test = embedded.splits[Split.TRAIN], embedded.splits[Split.TEST]
    classes = len(embedded.data.class_names)
    rows = Rows(train.vectors.astype(np.float64), train.labels, classes, settings.class_weights)
    candidates = []
    for name in _candidate_names(settings.classifier, rows):
        with progress.spinner(f"fitting a classifier: {name}"):
            candidates.append(_fit_candidate(name, rows, embedded, settings.seed))
    best, reason = _choose(candidates)
    test_accuracy = _accuracy(split_logits(best.head, test), test) if test.samples else None
    return SearchResult(candidates, best, reason, test_accuracy)


def _candidate_names(requested: ClassifierName, rows: "Rows") -> Sequence[ClassifierName]:
    """The classifiers to fit; `auto` skips those that would take minutes or store too many vectors."""
    if requested is not ClassifierName.AUTO:
        return (requested,)
    skipped = set()
    if rows.classes > _MOST_SVM_CLASSES:
        skipped.add(ClassifierName.SVM)
    if rows.vectors.shape[0] * rows.vectors.shape[1] > _MOST_NEIGHBOURS:
        skipped.add(ClassifierName.KNN)
    return [name for name in _CANDIDATES if name not in skipped]


def _fit_candidate(name: ClassifierName, rows: "Rows", embedded: EmbeddedData, seed: int) -> Candidate:
    from cnncli.training.features.cross_validation import fit

    train, val = embedded.splits[Split.TRAIN], embedded.splits[Split.VAL]
    start = time.perf_counter()
    fit_result = fit(name, rows, seed)
    seconds = time.perf_counter() - start
    val_logits = split_logits(fit_result.head, val)
    score = ClassifierScore(
        name,
        fit_result.parameter,
        fit_result.cv_score,
        fit_result.cv_standard_error,
        _accuracy(split_logits(fit_result.head, train), train),
        _accuracy(val_logits, val),
        seconds,
        _balanced_accuracy(val_logits, val, rows),
    )
    return Candidate(score, fit_result.head, val_logits)


def split_logits(head: ClassifierHead, split: EmbeddedSplit) -> NDArray[np.float32]:
    """(N, K), a classifier's logits of the images of a split, without their views."""
    return run_head(head, np.ascontiguousarray(split.vectors[:, 0]))


def _accuracy(logits: NDArray[np.float32], split: EmbeddedSplit) -> Accuracy:
    return accuracy(predicted_classes(logits), split.labels)


def _balanced_accuracy(logits: NDArray[np.float32], split: EmbeddedSplit, rows: "Rows") -> float | None:
    """Balanced accuracy where classes are weighted."""
    if rows.weights is ClassWeights.NONE:
        return None
    return balanced_accuracy(logits.argmax(axis=1), split.labels)


def _choose(candidates: Sequence[Candidate]) -> tuple[Candidate, str]:
    """The first candidate within one standard error of the best (Breiman et al., 1984), and the reason as text.

    They are compared by cross-validation on the training images, so that the validation images stay unseen.
    """
    if len(candidates) == 1:
        return candidates[0], "requested with --classifier"
    measured = [candidate for candidate in candidates if candidate.score.cv_accuracy is not None]
    if not measured:
        return candidates[0], "too few images to compare classifiers"
    best = max((candidate.score for candidate in measured), key=lambda score: score.cv_accuracy or 0)
    least = (best.cv_accuracy or 0) - (best.cv_standard_error or 0)
    choice = next(candidate for candidate in measured if (candidate.score.cv_accuracy or 0) >= least)
    if choice.score is best:
        return choice, "best in cross-validation"
    return choice, f"within one standard error of {best.name} in cross-validation, and preferred"
