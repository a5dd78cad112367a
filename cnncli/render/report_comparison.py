"""The part of a report on two networks: their difference, and the images that only one of them gets right."""

from collections.abc import Iterator, Sequence

from cnncli.dataclass import frozen_dataclass
from cnncli.records.evaluation import Change, Comparison, Estimate, Evaluation
from cnncli.records.task_evaluation import AnswerChange, TaskComparison, TasksComparison
from cnncli.records.tasks import LABEL_SEPARATOR
from cnncli.text import percent, printable

PICTURED_CHANGES = 12
"""Number of images shown that only one of two networks gets right, for each of them."""


@frozen_dataclass
class ChangedImage:
    """An image that only one of two networks gets right: its path, its class or classes, and what each network predicts."""

    path: str
    label: str
    new: str
    old: str


@frozen_dataclass
class ComparisonView:
    """What the page shows of two networks' answers to one task, or to all tasks.

    Attributes:
        label: name of the task, if there are several.
        metric: name of the metric that is compared.
        values: the metric of the new and of the old network.
        difference: new minus old; None where there is no metric.
        p_value: of McNemar's exact test on how many images each gets right.
        both, neither: images that both, or neither, get right.
        sides: images that only the new, and only the old, network gets right; empty where they are not shown.
        correct: what the images are called that a network gets right.
        tested: words that say what the test is on.
    """

    label: str
    metric: str
    values: tuple[float, float]
    difference: Estimate | None
    p_value: float
    both: int
    neither: int
    sides: tuple[Sequence[ChangedImage], ...]
    correct: str = "exactly right"
    tested: str = " on exact matches"


def comparison_views(comparison: Comparison | TasksComparison) -> list[ComparisonView]:
    """The comparison of each task."""
    if isinstance(comparison, TasksComparison):
        return [*_all_tasks(comparison), *(_task(item, comparison) for item in comparison.tasks)]
    new, old = comparison.new, comparison.old
    sides = (comparison.gained, comparison.lost)
    return [
        ComparisonView(
            "",
            "Top-1 accuracy",
            (new.top1.share, old.top1.share),
            comparison.difference,
            comparison.p_value,
            comparison.both_correct,
            comparison.neither_correct,
            tuple([_changed(change) for change in side] for side in sides),
            correct="correct",
            tested="",
        )
    ]


def _all_tasks(comparison: TasksComparison) -> Iterator[ComparisonView]:
    """How often all of several tasks are right."""
    new, old, agreement = comparison.new.exact_match, comparison.old.exact_match, comparison.agreement
    if len(comparison.tasks) > 1 and new and old and agreement:
        yield ComparisonView(
            "all tasks",
            "Exact match",
            (new.share, old.share),
            agreement.difference,
            agreement.p_value,
            agreement.both,
            agreement.neither,
            (),
        )


def _task(item: TaskComparison, comparison: TasksComparison) -> ComparisonView:
    agreement = item.agreement
    return ComparisonView(
        item.new.task.name if len(comparison.tasks) > 1 else "",
        "Top-1 accuracy" if isinstance(item.new.metrics, Evaluation) else "Mean average precision",
        (item.new.score, item.old.score),
        item.difference,
        agreement.p_value,
        agreement.both,
        agreement.neither,
        tuple([_changed(change) for change in side] for side in (item.gained, item.lost)),
    )


def _changed(change: Change | AnswerChange) -> ChangedImage:
    if isinstance(change, AnswerChange):
        label, new, old = map(_names, (change.label, change.new, change.old))
        return ChangedImage(change.path, label, new, old)
    new = f"{change.new} ({_share(change.new_probability)})"
    old = f"{change.old} ({_share(change.old_probability)})"
    return ChangedImage(change.path, change.label, new, old)


def _names(names: Sequence[str]) -> str:
    return printable(LABEL_SEPARATOR.join(names)) or "none"


def _share(probability: float) -> str:
    """A percentage that stays on one line."""
    return percent(probability).replace(" ", "\u00a0")
