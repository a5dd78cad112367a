"""How accurate a classifier is, and where it fails."""

from collections.abc import Sequence

from cnncli.dataclass import frozen_dataclass
from cnncli.records.data import Split
from cnncli.records.predictions import Unreadable


@frozen_dataclass
class Accuracy:
    """The share of images classified correctly.

    Attributes:
        correct: images classified correctly.
        images: all images.
        low, high: ends of the share's 95 % interval.
    """

    correct: int
    images: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """The share, from 0 to 1."""
        return self.correct / self.images


@frozen_dataclass
class FoldScore:
    """The score of a classifier in a fold of cross-validation.

    Attributes:
        images: number of images that the fold holds out.
        score: accuracy on them, balanced where classes are weighted; with tasks, the mean of their scores.
    """

    images: int
    score: float


@frozen_dataclass
class Estimate:
    """A metric, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@frozen_dataclass
class Answer:
    """What a network predicts for a labelled image.

    Attributes:
        path: relative to the data's root.
        split: the image's split; None where the data has none.
        label: index of the image's class.
        ranked: indices of the most probable classes, best first.
        probabilities: those of the ranked classes.
        label_probability: that of the image's class.
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
        """Probability of that class: the confidence of the answer."""
        return self.probabilities[0]

    @property
    def is_correct(self) -> bool:
        """Whether the most probable class is the image's class."""
        return self.predicted == self.label


@frozen_dataclass
class ClassScore:
    """Metrics of one class.

    Attributes:
        index: index of the class.
        precision: share of the images predicted as this class that belong to it.
        recall: share of its images that were predicted as this class.
        f1: harmonic mean of precision and recall.
        support: images of this class.
        predicted: images predicted as this class.
    """

    index: int
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


@frozen_dataclass
class Average:
    """Mean precision, recall and F1 of the classes that have images."""

    precision: Estimate
    recall: Estimate
    f1: Estimate


@frozen_dataclass
class ConfusionCell:
    """A cell of the confusion matrix that is not empty: images of class `actual` predicted as class `predicted`."""

    actual: int
    predicted: int
    images: int


@frozen_dataclass
class CalibrationBin:
    """Images whose confidence lies above `low` and up to `high`.

    Attributes:
        low, high: ends of the bin.
        images: images in it.
        confidence: their mean confidence; 0 in an empty bin.
        accuracy: the share of them classified correctly; 0 in an empty bin.
    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


@frozen_dataclass
class Coverage:
    """The answers with a confidence of at least `threshold`.

    Attributes:
        threshold: confidence from 0 to 1.
        images: images with such an answer.
        correct: those of them that are correct.
    """

    threshold: float
    images: int
    correct: int


@frozen_dataclass
class OthersEvaluation:
    """How well a network tells the evaluated images from others, which show none of its classes.

    Attributes:
        folder: of the others, as it was typed.
        unreadable: number of those that could not be read.
        method: what images are scored by, as text.
        auroc: area under the ROC curve: the probability that one of the others has a higher score than an evaluated image.
        share: of known images that the threshold should keep.
        threshold: the score above which an image is unfamiliar.
        kept: the share of the evaluated images that are not.
        rejected: the share of the others that are.
    """

    folder: str
    unreadable: int
    method: str
    auroc: float
    share: float
    threshold: float
    kept: Accuracy
    rejected: Accuracy


@frozen_dataclass
class Evaluation:
    """Metrics of a network on labelled images.

    Attributes:
        model: name of the network, or of the networks of an ensemble.
        data: name of the data set.
        split: train, val, test or all.
        split_source: where the split comes from, as text.
        class_names: names of the classes that can be predicted.
        answers: one for each image that could be read.
        unreadable: the other images.
        top1, top5: share of the images whose class is the most probable one, or among the five most probable.
        loss: mean cross-entropy.
        classes: scores of the classes that occur, as a label or as a prediction.
        macro: mean over the classes that have images.
        weighted: mean over these classes, weighted by their images.
        confusion_cells: cells of the confusion matrix that are not empty.
        calibration_error: expected calibration error, the mean difference between confidence and accuracy.
        bins: the bins that it is computed from.
        coverage: coverage by confidence threshold, in increasing order.
        threshold: the requested confidence threshold; None if there is none.
        remarks: what was left out or is unexpected, one line each.
        others: how well the network tells these images from others; None if there are none.
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
    confusion_cells: tuple[ConfusionCell, ...]
    calibration_error: float
    bins: tuple[CalibrationBin, ...]
    coverage: tuple[Coverage, ...]
    threshold: float | None = None
    remarks: tuple[str, ...] = ()
    others: OthersEvaluation | None = None

    @property
    def at_threshold(self) -> Coverage | None:
        """Coverage at the requested threshold."""
        return next((point for point in self.coverage if point.threshold == self.threshold), None)

    def mistakes(self) -> Sequence[Answer]:
        """Wrong answers, the most confident first."""
        wrong = [answer for answer in self.answers if not answer.is_correct]
        return sorted(wrong, key=lambda answer: -answer.probability)


@frozen_dataclass
class TopAccuracy:
    """What is known of a network on labelled images where only its most probable classes were kept.

    Attributes:
        model: name of the network.
        data: name of the data set.
        split: train, val, test or all.
        split_source: where the split comes from, as text.
        unreadable: number of images that could not be read.
        k: number of classes that were kept.
        top1, topk: share of the images whose class is the most probable one, or among the k most probable.
    """

    model: str
    data: str
    split: str
    split_source: str
    unreadable: int
    k: int
    top1: Accuracy
    topk: Accuracy


@frozen_dataclass
class Change:
    """An image that only one of two networks gets right.

    Attributes:
        path: relative to the data's root.
        label: name of its class.
        old, new: names of the classes that each network predicts.
        old_probability, new_probability: their probabilities.
    """

    path: str
    label: str
    old: str
    old_probability: float
    new: str
    new_probability: float


@frozen_dataclass
class Comparison:
    """Two networks on the same images.

    Attributes:
        new, old: the evaluation of each.
        difference: difference of their top-1 accuracies, new minus old.
        both_correct, neither_correct: images that both, or neither, get right.
        gained: images that only the new network gets right, the most confident first.
        lost: images that only the old network gets right.
        p_value: of McNemar's exact test: the probability of a split into gained and lost at least this uneven if both networks
            were equally accurate.
    """

    new: Evaluation
    old: Evaluation
    difference: Estimate
    both_correct: int
    neither_correct: int
    gained: tuple[Change, ...]
    lost: tuple[Change, ...]
    p_value: float
