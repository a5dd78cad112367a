"""The search for the best classifier on the features of images with exactly one class each."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnncli.dataclass import frozen_dataclass
from cnncli.engines.heads import ClassifierHead, LinearHead, run_head
from cnncli.evaluation.metrics import accuracy, balanced_accuracy
from cnncli.logits import predicted_classes
from cnncli.records.data import Split
from cnncli.records.evaluation import Accuracy
from cnncli.records.progress import Progress
from cnncli.records.training import ClassifierName, ClassifierScore, ClassWeights
from cnncli.text import percent
from cnncli.training.features.embeddings import EmbeddedData, EmbeddedSplit
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


class LinearStart(NamedTuple):
    """A linear classifier that training can start from.

    Attributes:
        head: the classifier.
        score: what it is compared with trained networks by, on the validation images.
        text: how good it is, as text.
    """

    head: LinearHead
    score: float
    text: str


@frozen_dataclass
class Candidate:
    """A fitted classifier, its scores, and its logits (N, K) of the validation images."""

    score: ClassifierScore
    head: ClassifierHead
    val_logits: NDArray[np.float32]


@frozen_dataclass
class ClassSearch:
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

    @property
    def text(self) -> str:
        """How good the best is on the validation images, as text."""
        return percent(self.best.score.val.share)

    @property
    def score(self) -> float:
        """The accuracy of the best on the validation images, balanced where classes are weighted."""
        return self.best.score.selection_score

    def linear(self) -> LinearStart | None:
        """A linear classifier, which can be trained further: the best candidate, or else the first."""
        pairs = ((candidate.head, candidate.score) for candidate in (self.best, *self.candidates))
        starts = (
            LinearStart(head, score.selection_score, percent(score.val.share))
            for head, score in pairs
            if isinstance(head, LinearHead)
        )
        return next(starts, None)


def search_classes(
    embedded: EmbeddedData, settings: FinetuneSettings, progress: Progress, *, is_linear: bool = False
) -> ClassSearch:
    """Fit classifiers, and choose one.

    Args:
        embedded: the data, without tasks.
        settings: which classifiers, class weights, the seed.
        progress: reports each classifier.
        is_linear: whether only linear ones come into question.
    """
    from cnncli.training.features.classifiers import Rows

    train, test = embedded.splits[Split.TRAIN], embedded.splits[Split.TEST]
    classes = len(embedded.data.class_names)
    rows = Rows(train.vectors.astype(np.float64), train.labels, classes, settings.class_weights, train.groups)
    candidates = []
    for name in _candidate_names(settings.classifier, rows, is_linear=is_linear):
        with progress.spinner(f"fitting a classifier: {name}"):
            candidates.append(_fit_candidate(name, rows, embedded, settings.seed))
    best, reason = _choose(candidates)
    test_accuracy = _accuracy(split_logits(best.head, test), test) if test.samples else None
    return ClassSearch(candidates, best, reason, test_accuracy)


def _candidate_names(requested: ClassifierName, rows: "Rows", *, is_linear: bool) -> Sequence[ClassifierName]:
    """The classifiers to fit; `auto` skips those that would take minutes or store too many vectors."""
    if requested is not ClassifierName.AUTO:
        return (requested,)
    skipped = {ClassifierName.KNN} if is_linear else set()
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
