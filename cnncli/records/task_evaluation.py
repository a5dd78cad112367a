"""How good a network with tasks is: one set of metrics per task, and the images that it gets right as a whole."""

from cnncli.dataclass import frozen_dataclass
from cnncli.records.evaluation import (
    Accuracy,
    Average,
    CalibrationBin,
    Estimate,
    Evaluation,
    OthersEvaluation,
)
from cnncli.records.predictions import Unreadable
from cnncli.records.tasks import Task


@frozen_dataclass
class LabelMistake:
    """An image that a class was missed on, or wrongly found on.

    Attributes:
        path: relative to the data's root.
        probability: that of the class.
    """

    path: str
    probability: float


@frozen_dataclass
class LabelScore:
    """Metrics of one class of a task with several answers.

    Attributes:
        index: index of the class within its task.
        threshold: the probability from which it is predicted.
        average_precision: area under its precision-recall curve; None where no image has the class.
        precision: share of the images with this prediction that have the class.
        recall: share of the images of the class that have this prediction.
        f1: harmonic mean of precision and recall.
        support: images of this class.
        predicted: images with this prediction.
        correct: images of the class that have this prediction.
        calibration_error: mean difference between its probability and how often the class is there.
        misses: images of the class without this prediction, the least probable first; only the worst.
        false_alarms: images with this prediction that are not of the class, the most probable first; only the worst.
    """

    index: int
    threshold: float
    average_precision: Estimate | None
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int
    correct: int
    calibration_error: float
    misses: tuple[LabelMistake, ...]
    false_alarms: tuple[LabelMistake, ...]


@frozen_dataclass
class ClassPair:
    """Two classes of a task on the same images; pairs that never occur are left out.

    Attributes:
        first, second: indices of the classes.
        labelled: images that have both.
        predicted: images on which both are predicted.
        confused: images of the first class, but not of the second, on which the second is predicted.
    """

    first: int
    second: int
    labelled: int
    predicted: int
    confused: int


@frozen_dataclass
class LabelMetrics:
    """Metrics of a task with several answers; means over classes are over those that have images.

    Attributes:
        images: images whose labels are known.
        classes: scores of all K classes, in order.
        mean_average_precision: mean of the classes' average precision (mAP); None where no image has a label.
        micro: precision, recall and F1 of all decisions together, one per image and class.
        macro: their mean over the classes.
        sample_f1: mean of each image's F1; that of an image without labels and predictions is 1.
        exact_match: share of the images with exactly the right classes.
        hamming_loss: share of all decisions that are wrong.
        loss: mean binary cross-entropy of all decisions.
        calibration_error: mean of the classes' calibration errors.
        bins: calibration of all decisions together.
        pairs: how often two classes are on an image together.
    """

    images: int
    classes: tuple[LabelScore, ...]
    mean_average_precision: Estimate | None
    micro: Average
    macro: Average
    sample_f1: Estimate
    exact_match: Accuracy
    hamming_loss: Estimate
    loss: float
    calibration_error: float
    bins: tuple[CalibrationBin, ...]
    pairs: tuple[ClassPair, ...]


@frozen_dataclass
class TaskEvaluation:
    """Metrics of a network's answers to one task.

    Attributes:
        task: the task; its classes are those that can be predicted, its thresholds those that were applied.
        metrics: `Evaluation` where exactly one class is right, `LabelMetrics` where several can be.
        unknown: images that were left out because their labels of this task are unknown.
    """

    task: Task
    metrics: Evaluation | LabelMetrics
    unknown: int

    @property
    def images(self) -> int:
        """Images whose labels are known."""
        return self.metrics.images if isinstance(self.metrics, LabelMetrics) else len(self.metrics.answers)

    @property
    def score(self) -> float:
        """The one figure that networks are chosen by: top-1 accuracy, or mean average precision."""
        if isinstance(self.metrics, Evaluation):
            return self.metrics.top1.share
        average = self.metrics.mean_average_precision
        return average.value if average else 0.0


@frozen_dataclass
class TasksEvaluation:
    """Metrics of a network with tasks on labelled images.

    Attributes:
        model: name of the network, or of the networks of an ensemble.
        data: name of the data set.
        split: train, val, test or all.
        split_source: where the split comes from, as text.
        images: images that could be read.
        tasks: one for each task that has labels, in order.
        exact_match: share of the images that are right in all these tasks, among those whose labels are all known; None where
            there are no such images.
        unreadable: images that could not be read.
        remarks: what was left out or is unexpected, one line each.
        others: how well the network tells these images from others; None if there are none.
    """

    model: str
    data: str
    split: str
    split_source: str
    images: int
    tasks: tuple[TaskEvaluation, ...]
    exact_match: Accuracy | None
    unreadable: tuple[Unreadable, ...]
    remarks: tuple[str, ...] = ()
    others: OthersEvaluation | None = None


@frozen_dataclass
class AnswerChange:
    """An image of which only one of two networks gets a task right.

    Attributes:
        path: relative to the data's root.
        label: names of its classes.
        old, new: names of the classes that each network predicts.
    """

    path: str
    label: tuple[str, ...]
    old: tuple[str, ...]
    new: tuple[str, ...]


@frozen_dataclass
class Agreement:
    """On how many images two networks are exactly right.

    Attributes:
        both, neither: images that both, or neither, get right.
        gained: images that only the new network gets right.
        lost: images that only the old one gets right.
        difference: difference of the shares of images that they get right, new minus old.
        p_value: of McNemar's exact test, as in `Comparison`.
    """

    both: int
    neither: int
    gained: int
    lost: int
    difference: Estimate
    p_value: float


@frozen_dataclass
class TaskComparison:
    """Two networks' answers to one task, on the same images.

    Attributes:
        new, old: the evaluation of each.
        difference: difference of their scores, top-1 accuracy or mean average precision, new minus old; None where no image has
            a label.
        agreement: on how many images their answers are exactly right.
        gained: images that only the new network gets right, in the order of the data.
        lost: images that only the old network gets right.
    """

    new: TaskEvaluation
    old: TaskEvaluation
    difference: Estimate | None
    agreement: Agreement
    gained: tuple[AnswerChange, ...]
    lost: tuple[AnswerChange, ...]


@frozen_dataclass
class TasksComparison:
    """Two networks with tasks on the same images.

    Attributes:
        new, old: the evaluation of each.
        tasks: the comparison for each task.
        agreement: on how many images they are right in all tasks; None where no image has all labels.
    """

    new: TasksEvaluation
    old: TasksEvaluation
    tasks: tuple[TaskComparison, ...]
    agreement: Agreement | None
