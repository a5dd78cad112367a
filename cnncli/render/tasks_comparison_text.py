"""Two evaluations of networks with tasks side by side as text, and the images that only one of them gets right."""

from collections.abc import Sequence

from cnncli.records.evaluation import Evaluation
from cnncli.records.task_evaluation import AnswerChange, LabelMetrics, TaskComparison, TasksComparison
from cnncli.records.tasks import LABEL_SEPARATOR
from cnncli.render.columns import Column, rows
from cnncli.render.comparison_text import (
    CHANGES,
    Metrics,
    agreement_lines,
    difference_line,
    evaluation_metrics,
    hidden_lines,
    legend,
    metric_table,
    titles,
)
from cnncli.render.evaluation_text import data_line, shorten
from cnncli.render.tasks_text import task_line
from cnncli.text import counted, printable


def tasks_comparison_text(comparison: TasksComparison, width: int | None) -> str:
    """Everything that `cnncli evaluate` prints for two networks with tasks.

    Args:
        comparison: the comparison of both.
        width: width of the terminal in characters; None for no limit.
    """
    new, old = comparison.new, comparison.old
    names = titles(new.model, old.model)
    lines = [
        *legend(new.model, old.model),
        data_line(new, new.images, len(new.unreadable)),
    ]
    if len(comparison.tasks) > 1:
        lines += ["", *_all_tasks(comparison, names)]
    for item in comparison.tasks:
        lines += ["", task_line(item.new), "", *_task_lines(item, names, width)]
    return "\n".join(lines) + "\n"


def _all_tasks(comparison: TasksComparison, names: tuple[str, str]) -> list[str]:
    """How often all tasks are right."""
    new, old, agreement = comparison.new.exact_match, comparison.old.exact_match, comparison.agreement
    if not (new and old and agreement):
        return ["no image has labels of all tasks"]
    return [
        f"all tasks, {counted(new.images, 'image')}",
        *metric_table([("exact match", new.share, old.share)], names),
        difference_line(agreement.difference, "exact match"),
        *agreement_lines(agreement.p_value, agreement.both, agreement.neither),
    ]


def _task_lines(item: TaskComparison, names: tuple[str, str], width: int | None) -> list[str]:
    """The comparison of one task."""
    agreement, metrics = item.agreement, _metrics(item)
    lines = [
        *metric_table(metrics, names),
        "",
        *([difference_line(item.difference, metrics[0][0])] if item.difference else []),
        *agreement_lines(agreement.p_value, agreement.both, agreement.neither),
    ]
    for name, changes in zip(names, (item.gained, item.lost), strict=True):
        title = f"only {name} is exactly right: {counted(len(changes), 'image')}"
        lines += ["", title, *_change_table(changes, names, width)]
    return lines


def _metrics(item: TaskComparison) -> Metrics:
    """The metrics of a task, the one that networks are chosen by first."""
    new, old = item.new.metrics, item.old.metrics
    if isinstance(new, Evaluation) and isinstance(old, Evaluation):
        return evaluation_metrics(new, old)
    if isinstance(new, LabelMetrics) and isinstance(old, LabelMetrics):
        return [
            ("mAP", item.new.score, item.old.score),
            ("micro F1", new.micro.f1.value, old.micro.f1.value),
            ("macro F1", new.macro.f1.value, old.macro.f1.value),
            ("exact match", new.exact_match.share, old.exact_match.share),
            ("calibration error", new.calibration_error, old.calibration_error),
        ]
    raise TypeError(f"task {item.new.task.name!r} has different kinds of metrics")


def _change_table(changes: Sequence[AnswerChange], names: tuple[str, str], width: int | None) -> list[str]:
    if not changes:
        return []
    shown = changes[:CHANGES]
    lines = rows(
        [
            Column("image", [printable(change.path) for change in shown], importance=9),
            Column("true", [_labels(change.label) for change in shown], importance=8),
            Column(names[0], [_labels(change.new) for change in shown], importance=7),
            Column(names[1], [_labels(change.old) for change in shown], importance=6),
        ],
        width,
    )
    return lines + hidden_lines(len(changes) - len(shown))


def _labels(names: Sequence[str]) -> str:
    """Class names in one cell."""
    return shorten(LABEL_SEPARATOR.join(names)) or "-"
