"""Choices, progress and results of fine-tuning."""

import dataclasses
import enum
from collections.abc import Sequence
from typing import Any

from cnncli.dataclass import frozen_dataclass
from cnncli.records.evaluation import Accuracy, Estimate, FoldScore
from cnncli.text import percent


class Tune(enum.StrEnum):
    """What is trained."""

    AUTO = "auto"
    """First `features`, then the upper half of the stages if there is time; the better one is kept."""

    FEATURES = "features"
    """A classifier on the network's embeddings; the network stays as it is."""

    HEAD = "head"
    """A new last layer."""

    LAST = "last"
    """The last stages and a new last layer."""

    FULL = "full"
    """The whole network, from its pretrained weights."""

    SCRATCH = "scratch"
    """The whole network, from random weights."""


class Schedule(enum.StrEnum):
    """Learning rate schedules."""

    COSINE = "cosine"
    """Cosine annealing (Loshchilov and Hutter, 2016)."""

    STEP = "step"
    """Decays by a factor every few epochs."""

    ONE_CYCLE = "onecycle"
    """Rises from 1/25 for three tenths of the time, then falls to zero, both along a cosine (Smith, 2018)."""

    CONSTANT = "constant"


class Amp(enum.StrEnum):
    """Precision of the forward pass; weights and their updates are always fp32."""

    AUTO = "auto"
    """bf16 if measured to be faster, else fp32."""

    OFF = "off"
    BF16 = "bf16"
    FP16 = "fp16"


class Layout(enum.StrEnum):
    """Memory layout of images and feature maps."""

    AUTO = "auto"
    """The faster of the two, as measured."""

    NCHW = "nchw"
    CHANNELS_LAST = "channels-last"


class Keep(enum.StrEnum):
    """Which epoch's weights a run keeps."""

    BEST = "best"
    """The best on the validation images."""

    LAST = "last"

    @property
    def reason(self) -> str:
        """Why an epoch is kept, to complete "epoch 3 was …"."""
        return "the best on val" if self is Keep.BEST else "the last"


class Initialization(enum.StrEnum):
    """Distribution of random weights."""

    DEFAULT = "default"
    """That of the network's library."""

    GLOROT = "glorot"
    """Uniform within sqrt(6 / (fan_in + fan_out)), and biases of 0 (Glorot and Bengio, 2010): Keras's default."""


class RecipeName(enum.StrEnum):
    """Named sets of defaults of the training options."""

    KERAS = "keras"


class ClassifierName(enum.StrEnum):
    """Classifiers on embeddings."""

    AUTO = "auto"
    """Compares all others, and keeps the first that is as good as the best."""

    LOGISTIC = "logistic"
    SVM = "svm"
    KNN = "knn"
    CENTROID = "centroid"


class ClassWeights(enum.StrEnum):
    """Class weights of the loss."""

    NONE = "none"
    """All images count alike."""

    BALANCED = "balanced"
    """Inversely proportional to class frequencies: all classes count alike."""


@frozen_dataclass
class ClassifierScore:
    """The accuracy of a classifier on features.

    Attributes:
        name: name of the classifier.
        parameter: hyperparameter chosen by cross-validation, e.g. `C = 0.01` or `k = 5`; empty where there is none.
        cv_accuracy: accuracy in cross-validation on the training images; None where there are too few.
        cv_standard_error: its standard error over the folds; None likewise.
        train: accuracy on the training images.
        val: accuracy on the validation images.
        seconds: time for cross-validation and fit.
        val_balanced: mean over classes of the accuracy on their validation images; None where classes are not weighted.
    """

    name: ClassifierName
    parameter: str
    cv_accuracy: float | None
    cv_standard_error: float | None
    train: Accuracy
    val: Accuracy
    seconds: float
    val_balanced: float | None = None

    @property
    def selection_score(self) -> float:
        """What classifier and trained network are compared by."""
        return self.val.share if self.val_balanced is None else self.val_balanced


@frozen_dataclass
class TaskClassifier:
    """A classifier on features for one task.

    Attributes:
        task: name of the task.
        name, parameter: as of a `ClassifierScore`.
        cv_score: accuracy in cross-validation, or mean average precision where several classes can be right; None where there are
            too few images.
        cv_standard_error: its standard error over the folds; None likewise.
        val_score: the same on the validation images; None where these cannot tell.
        seconds: time for cross-validation and fit.
        is_chosen: whether the run holds it or started with it.
    """

    task: str
    name: ClassifierName
    parameter: str
    cv_score: float | None
    cv_standard_error: float | None
    val_score: float | None
    seconds: float
    is_chosen: bool


@frozen_dataclass
class TaskScore:
    """How good a network is at a task.

    Attributes:
        task: name of the task.
        images: images whose labels of it are known.
        accuracy: of a task with one right class; None for others.
        mean_average_precision: of a task with several right classes (mAP); None for others, and where no image has a label.
        micro_f1: F1 of all decisions of such a task, one per image and class; None for others.
    """

    task: str
    images: int
    accuracy: Accuracy | None
    mean_average_precision: Estimate | None
    micro_f1: Estimate | None


@frozen_dataclass
class TaskResults:
    """What fine-tuning on tasks achieved.

    Attributes:
        val, test: scores on the validation and on the test split, in the order of the tasks; those without labels are left out.
        classifiers: classifiers on features that were compared, task by task; empty where none were.
    """

    val: tuple[TaskScore, ...]
    test: tuple[TaskScore, ...]
    classifiers: tuple[TaskClassifier, ...] = ()


@frozen_dataclass
class Epoch:
    """Figures of an epoch.

    Attributes:
        number: number of the epoch, from 1.
        lr: learning rate at its end.
        train_loss: mean loss over the augmented training images, each at its own step.
        train_top1: accuracy on them; with mixup or CutMix, against the class with the larger share. With tasks, the mean over the
            images of the share of their tasks, by weight, that are answered correctly.
        val_loss: mean cross-entropy over the validation images.
        val_top1: accuracy on them.
        seconds: duration of training and validation.
        images_per_second: training throughput.
        val_balanced: mean over classes of the accuracy on their validation images; None where classes are not weighted.
        val_scores: of each task the accuracy, balanced where classes are weighted, or the mean average precision where several
            classes can be right, None where no validation image can tell; empty without tasks.
        val_score: their mean, weighted as the tasks' losses; None without tasks.
    """

    number: int
    lr: float
    train_loss: float
    train_top1: float
    val_loss: float
    val_top1: float
    seconds: float
    images_per_second: float
    val_balanced: float | None = None
    val_scores: tuple[float | None, ...] = ()
    val_score: float | None = None

    @property
    def selection_score(self) -> float:
        """What epochs are compared by: the accuracy, balanced where classes are weighted; with tasks, the mean of their scores."""
        scores = (self.val_score, self.val_balanced, self.val_top1)
        return next(score for score in scores if score is not None)

    def values(self) -> dict[str, Any]:
        """The figures by name; those of tasks only where there are some."""
        values = dataclasses.asdict(self)
        if self.val_score is None:
            del values["val_scores"], values["val_score"]
        return values


def best_epoch(history: Sequence[Epoch]) -> Epoch | None:
    """The epoch with the highest score; ties go to the lowest loss, then to the first."""
    return max(history, key=lambda epoch: (epoch.selection_score, -epoch.val_loss), default=None)


def kept_epoch(history: Sequence[Epoch], keep: Keep) -> Epoch | None:
    """The epoch whose weights a run keeps; None before the first."""
    return best_epoch(history) if keep is Keep.BEST else next(reversed(history), None)


@frozen_dataclass
class TrainingProgress:
    """How far training has come.

    Attributes:
        epoch, epochs: current epoch, from 1, and number of epochs.
        images, total: images of this epoch so far, and all images.
        loss: mean loss over them.
        top1: accuracy on them.
        images_per_second: current throughput.
        seconds_left: estimate for all remaining epochs.
        history: the epochs that have been validated.
    """

    epoch: int
    epochs: int
    images: int
    total: int
    loss: float
    top1: float
    images_per_second: float
    seconds_left: float
    history: tuple[Epoch, ...] = ()

    def __str__(self) -> str:
        """`epoch 1 of 4: loss 1.234, 50.0 % correct, 20.1 images per second`."""
        figures = f"loss {self.loss:.3f}, {percent(self.top1)} correct, {self.images_per_second:,.1f} images per second"
        return f"epoch {self.epoch} of {self.epochs}: {figures}"


@frozen_dataclass
class Timing:
    """The time that a step took."""

    step: str
    seconds: float


@frozen_dataclass
class FinetuneResult:
    """The result of fine-tuning.

    Attributes:
        folder: the run, a model folder.
        model: name of the network that it started from.
        tune: how the network in the run was trained.
        class_names: names of the classes, in the order of the logits.
        images: readable images of each split: train, val, test.
        classifiers: classifiers on features that were compared, in the order of fitting; empty where none were.
        classifier: the one that the run holds or started with; None likewise.
        epochs: epochs of training the network; empty if only a classifier was fitted.
        best_epoch: number of the epoch whose weights the run holds; None likewise.
        reason: why the run holds this network, as text.
        train: training accuracy of the classifier on features; None where the run holds a trained network.
        val: validation accuracy; with tasks, the share of images that are right in all of them, None where none has labels of all.
        val_loss: mean cross-entropy on the validation images; with tasks, the weighted sum of theirs.
        test, test_loss: the same on the test split; None where there is none.
        unreadable: images that were left out, as paths relative to the data's root.
        remarks: remarks on the data.
        timings: time that each step of the command took; together, its whole time.
        tasks: what was achieved task by task; None without tasks.
        folds: the scores of classifiers on features in each fold of `--folds`; empty where there are none.
    """

    folder: str
    model: str
    tune: Tune
    class_names: tuple[str, ...]
    images: tuple[int, int, int]
    classifiers: tuple[ClassifierScore, ...]
    classifier: ClassifierScore | None
    epochs: tuple[Epoch, ...]
    best_epoch: int | None
    reason: str
    train: Accuracy | None
    val: Accuracy | None
    val_loss: float
    test: Accuracy | None
    test_loss: float | None
    unreadable: tuple[str, ...]
    remarks: tuple[str, ...]
    timings: tuple[Timing, ...] = ()
    tasks: TaskResults | None = None
    folds: tuple[FoldScore, ...] = ()
