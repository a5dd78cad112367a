"""What is asked of a training, and what came of it."""

import enum
from dataclasses import dataclass

from cnncli.records.evaluation import Accuracy


class Tune(enum.StrEnum):
    """Which part of a network learns."""

    AUTO = "auto"
    """None of it first, as `features`; then all of it, as `full`, where there is time for that. The better one stays."""

    FEATURES = "features"
    """None of it: a classifier is fitted to its embeddings."""

    HEAD = "head"
    """A new last layer."""

    LAST = "last"
    """The last stages, and a new last layer."""

    FULL = "full"
    """Everything, from the weights that it has."""

    SCRATCH = "scratch"
    """Everything, from random weights."""


class Schedule(enum.StrEnum):
    """How the learning rate changes while a network is trained."""

    COSINE = "cosine"
    """Falls as half a wave of the cosine (Loshchilov and Hutter, 2016)."""

    STEP = "step"
    """Falls by a factor, every so many epochs."""

    ONE_CYCLE = "onecycle"
    """Rises from a 25th for three tenths of the time and falls to nothing, each as half a wave (Smith, 2018)."""

    CONSTANT = "constant"


class Amp(enum.StrEnum):
    """Arithmetic of the forward pass; weights and their updates are fp32 always."""

    AUTO = "auto"
    """bf16 where a measurement finds it faster, else fp32."""

    OFF = "off"
    BF16 = "bf16"
    FP16 = "fp16"


class Layout(enum.StrEnum):
    """How images and feature maps lie in memory."""

    AUTO = "auto"
    """The faster of the two, by a measurement."""

    NCHW = "nchw"
    CHANNELS_LAST = "channels-last"


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
class ClassifierScore:
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
class Epoch:
    """What came of seeing every training image once.

    Attributes:
        number: from 1.
        lr: the learning rate at its end.
        train_loss: mean over the images as they were seen, changed at random, by the network as it was then.
        train_top1: share of them named right; of mixed images, by what they show most of.
        val_loss: mean cross-entropy over the validation images.
        val_top1: share of them named right.
        seconds: of training and validation.
        images_per_second: of training alone.
    """

    number: int
    lr: float
    train_loss: float
    train_top1: float
    val_loss: float
    val_top1: float
    seconds: float
    images_per_second: float


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Where a training stands.

    Attributes:
        epoch, epochs: the present one, from 1, and how many there will be.
        images, total: of this epoch that are done, and how many it has.
        loss: mean over them.
        top1: share of them named right.
        images_per_second: of late.
        seconds_left: of the whole training, as far as that can be known.
    """

    epoch: int
    epochs: int
    images: int
    total: int
    loss: float
    top1: float
    images_per_second: float
    seconds_left: float


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
        tune: how the network in the run was taught.
        class_names: in the order of the logits.
        images: of each split that could be read: train, val, test.
        trials: the classifiers that were tried, in the order in which they were; none where no features were looked at.
        chosen: which of them the run holds, or began with; None likewise.
        epochs: of training the network itself; none where only a classifier was fitted.
        best_epoch: the number of the one whose weights the run holds; None likewise.
        why: this is what the run holds, in words.
        train: of a classifier on features, on the images that it learned from; None where views of them were seen.
        val: on those that it did not.
        val_loss: mean cross-entropy on the same.
        test, test_loss: on the test split; None where there is none.
        steps: where the time went.
        unreadable: images that were left out, as paths relative to the data's root.
        remarks: whatever else was left out or may surprise.
    """

    folder: str
    model: str
    tune: Tune
    class_names: tuple[str, ...]
    images: tuple[int, int, int]
    trials: tuple[ClassifierScore, ...]
    chosen: ClassifierScore | None
    epochs: tuple[Epoch, ...]
    best_epoch: int | None
    why: str
    train: Accuracy | None
    val: Accuracy
    val_loss: float
    test: Accuracy | None
    test_loss: float | None
    steps: tuple[Step, ...]
    unreadable: tuple[str, ...]
    remarks: tuple[str, ...]
