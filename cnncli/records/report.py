"""What a report tells of a network: how good it is, where it fails, what it was made from."""

from collections.abc import Mapping
from dataclasses import dataclass

from cnncli.records.data import DataFinding, Split
from cnncli.records.evaluation import Comparison, Evaluation
from cnncli.records.training import ClassifierScore, Epoch

Facts = tuple[tuple[str, str], ...]
"""Names and values, in an order."""


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
    """How a network was taught.

    Attributes:
        epochs: of training it; none where only a classifier was fitted.
        features: share of validation images that a classifier on features names right; None where there was none.
        trials: classifiers that were compared.
        chosen: the one that was taken, among them.
        why: this is the network that was kept.
    """

    epochs: tuple[Epoch, ...]
    features: float | None
    trials: tuple[ClassifierScore, ...]
    chosen: ClassifierScore | None
    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is told.

    Attributes:
        title: of the page.
        facts: what was asked of what.
        evaluation: how good the network is.
        test: the same on the test split, where another one was chosen by; else None.
        data: what it was asked about, and taught with.
        taught: how; None where that was another time.
        comparison: with another network; None where there is none.
        settings: each under its option's name.
        versions: of the packages that had a hand in it.
        pictures: small JPEGs of some images, by their path.
    """

    title: str
    facts: Facts
    evaluation: Evaluation
    test: Evaluation | None
    data: DataFacts
    taught: TrainingSummary | None
    comparison: Comparison | None
    settings: Facts
    versions: Facts
    pictures: Mapping[str, bytes]
