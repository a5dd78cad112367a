"""What is asked of a training, and what came of it."""

import enum
from dataclasses import dataclass

from cnncli.records.evaluation import Accuracy


class Tune(enum.StrEnum):
    """Which part of a network learns."""

    FEATURES = "features"
    """None of it: a classifier is fitted to its embeddings."""


class ClassifierName(enum.StrEnum):
    """What is fitted to embeddings."""

    AUTO = "auto"
    """Each of the others is tried; the first that is as good as the best is taken."""

    LOGISTIC = "logistic"
    SVM = "svm"
    KNN = "knn"
    CENTROID = "centroid"


class ClassWeights(enum.StrEnum):
    """What an image counts while a classifier is fitted."""

    NONE = "none"
    """As much as any other."""

    BALANCED = "balanced"
    """The less the more its class has: all classes count alike."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A classifier that was tried.

    Attributes:
        name: of the classifier.
        strength: what was chosen for it by cross-validation: `C = 0.01`, `k = 5`; empty where there is nothing to choose.
        cross_validated: share of the training images named right by classifiers that had not seen them; None where
            there were too few images to try.
        standard_error: of that share over the folds; None likewise.
        train: on the images that it learned from.
        val: on those that it did not.
        seconds: that it took to choose and fit it.
    """

    name: ClassifierName
    strength: str
    cross_validated: float | None
    standard_error: float | None
    train: Accuracy
    val: Accuracy
    seconds: float


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the work, and the seconds that it took."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class FinetuneResult:
    """What a training came to.

    Attributes:
        folder: the run: a model folder with what led to it beside the network.
        model: what it started from.
        class_names: in the order of the logits.
        images: of each part that could be read: train, val, test.
        trials: the classifiers that were tried, in the order in which they were.
        chosen: which of them the run holds.
        why: that one was chosen, in words.
        test: on the test part; None where there is none.
        steps: where the time went.
        unreadable: images that were left out.
        remarks: whatever else was left out or may surprise.
    """

    folder: str
    model: str
    class_names: tuple[str, ...]
    images: tuple[int, int, int]
    trials: tuple[Trial, ...]
    chosen: Trial
    why: str
    test: Accuracy | None
    steps: tuple[Step, ...]
    unreadable: tuple[str, ...]
    remarks: tuple[str, ...]
