"""How good a classifier was found to be, and where it fails."""

from collections.abc import Sequence
from dataclasses import dataclass

from cnncli.records.data import Split
from cnncli.records.predictions import Unreadable


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A share of images that were named right.

    Attributes:
        right: images.
        images: of how many.
        low, high: ends of the share's 95 % interval.
    """

    right: int
    images: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.right / self.images


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said of an image, and what it is.

    Attributes:
        path: relative to the data's root.
        split: of the data; None where it has none.
        label: index of its class.
        ranked: indices of the most probable classes, best first.
        probabilities: of these.
        label_probability: of its class.
    """

    path: str
    split: Split | None
    label: int
    ranked: tuple[int, ...]
    probabilities: tuple[float, ...]
    label_probability: float

    @property
    def predicted(self) -> int:
        """Index of the most probable class."""
        return self.ranked[0]

    @property
    def probability(self) -> float:
        """Of that class."""
        return self.probabilities[0]

    @property
    def is_right(self) -> bool:
        """Whether the most probable class is the image's."""
        return self.predicted == self.label


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How well a class is told from the others.

    Attributes:
        index: of the class.
        precision: share of the images taken for it that are of it.
        recall: share of its images that were taken for it.
        f1: the harmonic mean of both.
        support: images of it.
        predicted: images taken for it.
    """

    index: int
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


@dataclass(frozen=True, slots=True)
class Average:
    """Precision, recall and F1 of the classes that have images: their mean."""

    precision: Estimate
    recall: Estimate
    f1: Estimate


@dataclass(frozen=True, slots=True)
class Confusion:
    """A cell of the confusion matrix that is not empty: so many images of a class were taken for another, or for it."""

    actual: int
    predicted: int
    images: int


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Images whose probability of the class that was said lies above `low` and up to `high`.

    Attributes:
        low, high: of the bin.
        images: in it.
        confidence: their mean probability; 0 where there is no image.
        accuracy: the share that was named right; 0 likewise.
    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is left if only answers at least as probable as `threshold` count.

    Attributes:
        threshold: from 0 to 1.
        images: that have such an answer.
        right: of these.
    """

    threshold: float
    images: int
    right: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How good a network is on labelled images.

    Attributes:
        model: what was asked; several, where their answers were averaged.
        data: the labelled images.
        split: which of them.
        split_source: where the split comes from, in words.
        class_names: of all classes that could have been said.
        answers: one for each image that could be read.
        unreadable: the others.
        top1, top5: share of the images whose class is the most probable one, is among the five most probable ones.
        loss: mean cross-entropy.
        classes: those that occur, as a label or as an answer.
        macro: mean over those that have images.
        weighted: the same, a class counting as much as it has images.
        confusions: cells of the confusion matrix that are not empty.
        calibration_error: expected calibration error: mean distance between probability and share of right answers.
        bins: that it is made of.
        coverage: by growing threshold.
        threshold: of these the one that was asked for; None where none was.
        remarks: what was left out or may surprise.
    """

    model: str
    data: str
    split: str
    split_source: str
    class_names: tuple[str, ...]
    answers: tuple[Answer, ...]
    unreadable: tuple[Unreadable, ...]
    top1: Accuracy
    top5: Accuracy
    loss: float
    classes: tuple[ClassScore, ...]
    macro: Average
    weighted: Average
    confusions: tuple[Confusion, ...]
    calibration_error: float
    bins: tuple[CalibrationBin, ...]
    coverage: tuple[Coverage, ...]
    threshold: float | None = None
    remarks: tuple[str, ...] = ()

    @property
    def sure(self) -> Coverage | None:
        """What is left above the threshold that was asked for."""
        return next((point for point in self.coverage if point.threshold == self.threshold), None)

    def mistakes(self) -> Sequence[Answer]:
        """Wrong answers, the most confident first."""
        wrong = [answer for answer in self.answers if not answer.is_right]
        return sorted(wrong, key=lambda answer: -answer.probability)


@dataclass(frozen=True, slots=True)
class Change:
    """An image that one of two networks names right and the other does not.

    Attributes:
        path: of the image.
        label: its class.
        old, new: what each said.
        old_probability, new_probability: of that.
    """

    path: str
    label: str
    old: str
    old_probability: float
    new: str
    new_probability: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two networks on the same images.

    Attributes:
        new, old: how good each is.
        difference: of their top-1, new minus old.
        both, neither: images that both, that none of them named right.
        gained: that the new one names right and the old one did not; by the new one's probability, largest first.
        lost: the other way round.
        p_value: of McNemar's exact test: how probable so uneven a split of gained and lost would be, were they equally good.
    """

    new: Evaluation
    old: Evaluation
    difference: Estimate
    both: int
    neither: int
    gained: tuple[Change, ...]
    lost: tuple[Change, ...]
    p_value: float
