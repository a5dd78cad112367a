"""What a report shows of a network: how good it is, where it fails, how it was trained."""

from collections.abc import Mapping
from dataclasses import dataclass

from cnncli.records.data import DataFinding, Split
from cnncli.records.evaluation import Comparison, Evaluation
from cnncli.records.training import ClassifierScore, Epoch

Facts = tuple[tuple[str, str], ...]
"""Names and values, in order."""


@dataclass(frozen=True, slots=True)
class DataFacts:
    """Images of a data set, as far as the work has seen them.

    Attributes:
        class_names: of the data.
        counts: images of each class that could be read, by split (None where the data does not say).
        findings: what is wrong, or was left out.
    """

    class_names: tuple[str, ...]
    counts: Mapping[Split | None, tuple[int, ...]]
    findings: tuple[DataFinding, ...]


@dataclass(frozen=True, slots=True)
class TrainingSummary:
    """How a network was trained.

    Attributes:
        epochs: of training it; empty where only a classifier was fitted.
        feature_accuracy: validation accuracy of a classifier on features; None where there was none.
        classifiers: classifiers on features that were compared.
        classifier: the one of them that was kept.
        reason: why this network was kept, in words.
    """

    epochs: tuple[Epoch, ...]
    feature_accuracy: float | None
    classifiers: tuple[ClassifierScore, ...]
    classifier: ClassifierScore | None
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a report shows.

    Attributes:
        title: of the page.
        facts: model and data in a few lines.
        evaluation: how good the network is.
        test: the same on the test split, where `evaluation` is on the validation split; else None.
        data: images of each class, and problems.
        training: how it was trained; None in an evaluation.
        comparison: with another network; None where there is none.
        settings: values of the options.
        versions: package versions.
        pictures: small JPEGs of some images, by path.
    """

    title: str
    facts: Facts
    evaluation: Evaluation
    test: Evaluation | None
    data: DataFacts
    training: TrainingSummary | None
    comparison: Comparison | None
    settings: Facts
    versions: Facts
    pictures: Mapping[str, bytes]
