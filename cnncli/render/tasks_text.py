"""One evaluation of a network with tasks as text: metrics, classes and mistakes of each task."""

from collections.abc import Mapping, Sequence

from cnncli.records.evaluation import Average, Evaluation
from cnncli.records.task_evaluation import (
    LabelMetrics,
    LabelMistake,
    LabelScore,
    TaskEvaluation,
    TasksEvaluation,
)
from cnncli.records.tasks import Task
from cnncli.render.columns import Column, rows
from cnncli.render.evaluation_text import (
    MATRIX,
    MISTAKES,
    MOST_CLASSES,
    accuracy_text,
    data_line,
    estimate_text,
    matrix_lines,
    metric_lines,
    others_lines,
    shorten,
)
from cnncli.text import counted, percent, printable


def tasks_text(evaluation: TasksEvaluation, width: int | None) -> str:
    """Everything that `cnncli evaluate` prints for one network with tasks.

    Args:
        evaluation: the metrics.
        width: width of the terminal in characters; None for no limit.
    """
    lines = [
        f"model        {printable(evaluation.model)}",
        data_line(evaluation, evaluation.images, len(evaluation.unreadable)),
    ]
    lines += others_lines(evaluation.others)
    if len(evaluation.tasks) > 1 and evaluation.exact_match:
        lines.append(f"all tasks    {accuracy_text(evaluation.exact_match)}")
    for item in evaluation.tasks:
        lines += [*([""] if len(evaluation.tasks) > 1 else []), task_line(item), *_task_lines(item, width)]
    return "\n".join(lines) + "\n"


def task_line(item: TaskEvaluation) -> str:
    """The name of a task, its kind, and its number of images."""
    unknown = f", unknown of {item.unknown:,} more" if item.unknown else ""
    return f"task         {printable(item.task.name)}: {item.task.kind.text}, {counted(item.images, 'image')}{unknown}"


def _task_lines(item: TaskEvaluation, width: int | None) -> list[str]:
    if isinstance(item.metrics, Evaluation):
        return metric_lines(item.metrics, width)
    return label_lines(item.task, item.metrics, width)


def label_lines(task: Task, metrics: LabelMetrics, width: int | None) -> list[str]:
    """Metrics, classes, confused classes and mistakes of a task with several answers."""
    lines = [*_summary(metrics), "", *_class_table(task, metrics, width)]
    if confused := _confused(metrics):
        names = [shorten(name) for name in task.class_names]
        lines += ["", *matrix_lines("true \\ false alarm", names, confused, width)]
    for name, mistakes, count in _mistakes(metrics):
        if mistakes:
            lines += ["", f"worst of {counted(count, name)}", *_mistake_table(task, mistakes, width)]
    return lines


def _summary(metrics: LabelMetrics) -> list[str]:
    area = metrics.mean_average_precision
    remark = occurrence_remark(metrics)
    return [
        f"mAP          {estimate_text(area) if area else 'no image has a label'}",
        *([f"{'':12} {remark}"] if remark and area else []),
        f"micro F1     {estimate_text(metrics.micro.f1)}",
        f"macro F1     {estimate_text(metrics.macro.f1)}",
        f"sample F1    {estimate_text(metrics.sample_f1)}",
        f"exact match  {accuracy_text(metrics.exact_match)}",
        f"Hamming loss {estimate_text(metrics.hamming_loss)}",
        f"calibration  expected calibration error {percent(metrics.calibration_error)}, loss {metrics.loss:.4f}",
    ]


def occurrence_remark(metrics: LabelMetrics) -> str:
    """Which classes means are over; empty where all of them have images."""
    count, total = sum(score.support > 0 for score in metrics.classes), len(metrics.classes)
    return f"mean of the {count:,} of {total:,} classes that have images" if count < total else ""


def _class_table(task: Task, metrics: LabelMetrics, width: int | None) -> list[str]:
    scores = list(metrics.classes)
    hidden = len(scores) - MOST_CLASSES
    if hidden > 0:
        scores = sorted(scores, key=lambda score: (not score.support, score.f1, -score.support))[
            :MOST_CLASSES
        ]
    lines = rows(_class_columns(task, metrics, scores), width)
    if hidden > 0:
        lines.append(f"(the {MOST_CLASSES} of {len(metrics.classes):,} classes with the lowest F1)")
    return lines


def _class_columns(task: Task, metrics: LabelMetrics, scores: Sequence[LabelScore]) -> list[Column]:
    averages: list[tuple[str, Average]] = [("micro avg", metrics.micro), ("macro avg", metrics.macro)]
    areas = [score.average_precision for score in scores]
    totals = {
        name: sum(getattr(score, name) for score in metrics.classes) for name in ("support", "predicted")
    }

    def shares(metric: str) -> list[str]:
        return [percent(getattr(score, metric)) for score in scores] + [
            percent(getattr(average, metric).value) for _, average in averages
        ]

    def counts(name: str) -> list[str]:
        return [f"{getattr(score, name):,}" for score in scores] + [f"{totals[name]:,}"] * len(averages)

    return [
        Column(
            "class",
            [shorten(task.class_names[score.index]) for score in scores] + [name for name, _ in averages],
            importance=9,
        ),
        Column(
            "AP",
            [percent(area.value) if area else "" for area in (*areas, None, metrics.mean_average_precision)],
            is_number=True,
            importance=8,
        ),
        Column("precision", shares("precision"), is_number=True, importance=4),
        Column("recall", shares("recall"), is_number=True, importance=5),
        Column("F1", shares("f1"), is_number=True, importance=7),
        Column("images", counts("support"), is_number=True, importance=6),
        Column("predicted", counts("predicted"), is_number=True, importance=1),
        Column(
            "threshold",
            [percent(score.threshold) for score in scores] + ["", ""],
            is_number=True,
            importance=3,
        ),
    ]


def _confused(metrics: LabelMetrics) -> Mapping[tuple[int, int], int]:
    """How often images of a class have a second one predicted that they lack; empty where classes are too many for a matrix."""
    if len(metrics.classes) > MATRIX:
        return {}
    return {(pair.first, pair.second): pair.confused for pair in metrics.pairs if pair.confused}


_ClassMistake = tuple[LabelScore, LabelMistake]


def _mistakes(metrics: LabelMetrics) -> list[tuple[str, list[_ClassMistake], int]]:
    """Misses and false alarms of all classes: their name, the worst ones, and how many there are."""
    misses = [(score, mistake) for score in metrics.classes for mistake in score.misses]
    alarms = [(score, mistake) for score in metrics.classes for mistake in score.false_alarms]
    return [
        (
            "missed label",
            sorted(misses, key=lambda pair: pair[1].probability)[:MISTAKES],
            sum(score.support - score.correct for score in metrics.classes),
        ),
        (
            "false alarm",
            sorted(alarms, key=lambda pair: -pair[1].probability)[:MISTAKES],
            sum(score.predicted - score.correct for score in metrics.classes),
        ),
    ]


def _mistake_table(task: Task, mistakes: Sequence[_ClassMistake], width: int | None) -> list[str]:
    return rows(
        [
            Column("image", [printable(mistake.path) for _, mistake in mistakes], importance=9),
            Column("class", [shorten(task.class_names[score.index]) for score, _ in mistakes], importance=8),
            Column("probability", [percent(mistake.probability) for _, mistake in mistakes], is_number=True),
            Column("threshold", [percent(score.threshold) for score, _ in mistakes], is_number=True),
        ],
        width,
    )
