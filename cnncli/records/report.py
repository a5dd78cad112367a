"""Contents of a report on a network: how accurate it is, where it fails, how it was trained."""

from collections.abc import Mapping

from cnncli.dataclass import frozen_dataclass
from cnncli.records.data import DataFinding, Split
from cnncli.records.evaluation import Comparison, Evaluation, FoldScore
from cnncli.records.task_evaluation import TasksComparison, TasksEvaluation
from cnncli.records.training import ClassifierScore, Epoch, Keep

Facts = tuple[tuple[str, str], ...]
"""Names and values, in order."""


Evaluated = Evaluation | TasksEvaluation
"""The evaluation of a network, which may have tasks."""


@frozen_dataclass
class DataFacts:
    """Facts about the images of a data set.

    Attributes:
        class_names: the data's class names; with those of their tasks, if there are several.
        counts: number of readable images of each class, by split (None where the data has no splits).
        images: number of readable images, by split; an image may have several classes.
        findings: problems, and what was left out.
    """

    class_names: tuple[str, ...]
    counts: Mapping[Split | None, tuple[int, ...]]
    images: Mapping[Split | None, int]
    findings: tuple[DataFinding, ...]


@frozen_dataclass
class TrainingSummary:
    """How a network was trained.

    Attributes:
        epochs: epochs of training; empty if only a classifier was fitted.
        feature_accuracy: validation accuracy of a classifier on features; None where there was none, or with tasks.
        classifiers: the classifiers on features that were compared.
        classifier: the best of them, if several were compared.
        reason: why this network was chosen, as text.
        keep: which epoch's weights the run holds.
        folds: the scores of classifiers on features in each fold of `--folds`; empty where there are none.
    """

    epochs: tuple[Epoch, ...]
    feature_accuracy: float | None
    classifiers: tuple[ClassifierScore, ...]
    classifier: ClassifierScore | None
    reason: str
    keep: Keep = Keep.BEST
    folds: tuple[FoldScore, ...] = ()


@frozen_dataclass
class Report:
    """Everything that a report shows.

    Attributes:
        title: title of the page.
        facts: model and data in a few lines.
        evaluation: evaluation of the network, which may have tasks.
        test: the same on the test split, where `evaluation` is on the validation split; else None.
        data: images of each class, and problems.
        training: how it was trained; None in an evaluation.
        comparison: comparison with another network; None where there is none.
        settings: values of the options.
        versions: package versions.
        pictures: small JPEGs of some images, by path.
    """

    title: str
    facts: Facts
    evaluation: Evaluated
    test: Evaluated | None
    data: DataFacts
    training: TrainingSummary | None
    comparison: Comparison | TasksComparison | None
    settings: Facts
    versions: Facts
    pictures: Mapping[str, bytes]
