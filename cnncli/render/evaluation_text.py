"""One evaluation as text: metrics, classes, confusion matrix, mistakes."""

from collections.abc import Mapping, Sequence

from rich.cells import cell_len

from cnncli.records.evaluation import (
    Accuracy,
    Answer,
    Average,
    ClassScore,
    Estimate,
    Evaluation,
    OthersEvaluation,
    TopAccuracy,
)
from cnncli.records.task_evaluation import TasksEvaluation
from cnncli.render.columns import Column, rows
from cnncli.text import counted, percent, printable

MOST_CLASSES = 30
"""Largest number of classes in the table; if there are more, those with the lowest F1 are shown."""

MATRIX = 10
"""Largest number of classes for which the confusion matrix is shown."""

MISTAKES = 5
"""Number of mistakes that are listed, the worst first."""

_LONGEST = 32
"""Largest number of characters of a class name in a table."""


def evaluation_text(evaluation: Evaluation, width: int | None) -> str:
    """Everything that `cnncli evaluate` prints for one network.

    Args:
        evaluation: the metrics.
        width: width of the terminal in characters; None for no limit.
    """
    lines = [
        f"model        {printable(evaluation.model)}",
        evaluation_data_line(evaluation),
        *metric_lines(evaluation, width),
    ]
    return "\n".join(lines) + "\n"


def others_lines(others: OthersEvaluation | None) -> list[str]:
    """How well the images are told apart from others; nothing where there are none."""
    if others is None:
        return []
    return [
        f"others       AUROC {percent(others.auroc)} against {counted(others.rejected.images, 'image')} of {printable(others.folder)}",
        f"{'':12} --unfamiliar {others.share:g} keeps {_interval_text(others.kept)} of known images",
        f"{'':12} and rejects {_interval_text(others.rejected)} of the others",
    ]


def _interval_text(accuracy: Accuracy) -> str:
    return estimate_text(Estimate(accuracy.share, accuracy.low, accuracy.high))


def metric_lines(evaluation: Evaluation, width: int | None) -> list[str]:
    """Metrics, classes, confusion matrix and mistakes."""
    lines = [*_summary(evaluation), "", *_class_table(evaluation, width)]
    if len(evaluation.classes) <= MATRIX:
        names = [class_name(evaluation, score.index) for score in evaluation.classes]
        lines += ["", *matrix_lines("true \\ predicted", names, _cells(evaluation), width)]
    if mistakes := evaluation.mistakes():
        title = f"most confident of {counted(len(mistakes), 'mistake')}"
        lines += ["", title, *_mistake_table(evaluation, mistakes[:MISTAKES], width)]
    return lines


def evaluation_data_line(evaluation: Evaluation) -> str:
    """Data set, number of images, split and where the split comes from."""
    return data_line(evaluation, len(evaluation.answers), len(evaluation.unreadable))


def data_line(result: Evaluation | TopAccuracy | TasksEvaluation, images: int, unreadable: int) -> str:
    """Data set, number of images, split and where the split comes from; what was read, and what could not be."""
    failures = f", {unreadable:,} could not be read" if unreadable else ""
    source = printable(result.split_source)
    return f"data         {printable(result.data)}: {counted(images, 'image')}, {result.split} ({source}){failures}"


def top_accuracy_text(result: TopAccuracy) -> str:
    """What `cnncli evaluate` prints where only the most probable classes are known."""
    lines = [
        f"model        {printable(result.model)}",
        data_line(result, result.top1.images, result.unreadable),
        f"top-1        {accuracy_text(result.top1)}",
        *([f"{f'top-{result.k}':12} {accuracy_text(result.topk)}"] if result.k > 1 else []),
    ]
    return "\n".join(lines) + "\n"


def has_top5(evaluation: Evaluation) -> bool:
    """Whether top-5 accuracy says something: with up to five classes, it is always 100 %."""
    return len(evaluation.class_names) > 5  # noqa: PLR2004


def _summary(evaluation: Evaluation) -> list[str]:
    lines = [f"top-1        {accuracy_text(evaluation.top1)}"]
    if has_top5(evaluation):
        lines.append(f"top-5        {accuracy_text(evaluation.top5)}")
    macro, weighted = evaluation.macro, evaluation.weighted
    calibration_error = percent(evaluation.calibration_error)
    lines += [
        f"macro F1     {estimate_text(macro.f1)}, weighted F1 {percent(weighted.f1.value)}",
        *([f"{'':12} {remark}"] if (remark := macro_remark(evaluation)) else []),
        f"calibration  expected calibration error {calibration_error}, loss {evaluation.loss:.4f}",
    ]
    lines += [f"threshold    {threshold_text(evaluation)}"] if evaluation.at_threshold else []
    return lines + others_lines(evaluation.others)


def macro_remark(evaluation: Evaluation) -> str:
    """Which classes macro averages are over; empty where all of them have images."""
    count, total = sum(score.support > 0 for score in evaluation.classes), len(evaluation.class_names)
    return f"mean of the {count:,} of {total:,} classes that have images" if count < total else ""


def threshold_text(evaluation: Evaluation) -> str:
    """Coverage and accuracy at the requested threshold; empty if there is none."""
    point = evaluation.at_threshold
    if not point:
        return ""
    accuracy = f", accuracy {percent(point.correct / point.images)}" if point.images else ""
    return f"{point.threshold:g}: coverage {percent(point.images / len(evaluation.answers))}{accuracy}"


def _class_table(evaluation: Evaluation, width: int | None) -> list[str]:
    scores = list(evaluation.classes)
    hidden = len(scores) - MOST_CLASSES
    if hidden > 0:
        by_f1 = sorted(scores, key=lambda score: (not score.support, score.f1, -score.support))
        scores = by_f1[:MOST_CLASSES]
    lines = rows(_class_columns(evaluation, scores), width)
    if hidden > 0:
        lines.append(f"(the {MOST_CLASSES} of {len(evaluation.classes):,} classes with the lowest F1)")
    return lines


def _class_columns(evaluation: Evaluation, scores: Sequence[ClassScore]) -> list[Column]:
    averages: list[tuple[str, Average]] = [
        ("macro avg", evaluation.macro),
        ("weighted avg", evaluation.weighted),
    ]
    names = [class_name(evaluation, score.index) for score in scores] + [name for name, _ in averages]
    totals = [f"{len(evaluation.answers):,}"] * len(averages)

    def cells(metric: str) -> list[str]:
        return [percent(getattr(score, metric)) for score in scores] + [
            percent(getattr(average, metric).value) for _, average in averages
        ]

    supports = [f"{score.support:,}" for score in scores] + totals
    predicted = [f"{score.predicted:,}" for score in scores] + totals
    return [
        Column("class", names, importance=9),
        Column("precision", cells("precision"), is_number=True, importance=5),
        Column("recall", cells("recall"), is_number=True, importance=6),
        Column("F1", cells("f1"), is_number=True, importance=7),
        Column("images", supports, is_number=True, importance=8),
        Column("predicted", predicted, is_number=True),
    ]


def _cells(evaluation: Evaluation) -> Mapping[tuple[int, int], int]:
    """The confusion matrix by the places of the true and of the predicted class among those that occur."""
    order = {score.index: place for place, score in enumerate(evaluation.classes)}
    return {(order[cell.actual], order[cell.predicted]): cell.images for cell in evaluation.confusion_cells}


def matrix_lines(
    title: str, names: Sequence[str], cells: Mapping[tuple[int, int], int], width: int | None
) -> list[str]:
    """A matrix of images by two classes; where the terminal is too narrow for names above the columns, they are numbered.

    Args:
        title: of the column with the names of the rows.
        names: of the classes.
        cells: number of images by row and column; there are none in others.
        width: of the terminal; None for no limit.
    """
    lines = rows(_matrix_columns(title, names, names, cells))
    if width is None or all(cell_len(line) <= width for line in lines):
        return lines
    numbers = [str(number) for number in range(1, len(names) + 1)]
    numbered = [f"{number:>{len(numbers[-1])}} {name}" for number, name in zip(numbers, names, strict=True)]
    return rows(_matrix_columns(title, numbered, numbers, cells))


def _matrix_columns(
    title: str, names: Sequence[str], titles: Sequence[str], cells: Mapping[tuple[int, int], int]
) -> list[Column]:
    """The columns of a matrix: the names of the rows, then a column for each class."""
    return [
        Column(title, names),
        *(
            Column(
                name,
                [f"{cells[row, column]:,}" if (row, column) in cells else "·" for row in range(len(names))],
                is_number=True,
            )
            for column, name in enumerate(titles)
        ),
    ]


def _mistake_table(evaluation: Evaluation, mistakes: Sequence[Answer], width: int | None) -> list[str]:
    return rows(
        [
            Column("image", [printable(answer.path) for answer in mistakes], importance=9),
            Column("true", [class_name(evaluation, answer.label) for answer in mistakes], importance=8),
            Column(
                "predicted", [class_name(evaluation, answer.predicted) for answer in mistakes], importance=7
            ),
            Column("probability", [percent(answer.probability) for answer in mistakes], is_number=True),
        ],
        width,
    )


def accuracy_text(accuracy: Accuracy) -> str:
    """An accuracy with its confidence interval, in words."""
    interval = f"95 % CI {100 * accuracy.low:.1f} to {100 * accuracy.high:.1f}"
    return f"{percent(accuracy.share)} of {counted(accuracy.images, 'image')} correct ({interval})"


def estimate_text(estimate: Estimate) -> str:
    """A metric with its confidence interval, in words."""
    interval = f"95 % CI {100 * estimate.low:.1f} to {100 * estimate.high:.1f}"
    return f"{percent(estimate.value)} ({interval})"


def class_name(evaluation: Evaluation, index: int) -> str:
    """A class name, shortened to fit into a table."""
    return shorten(evaluation.class_names[index])


def shorten(name: str) -> str:
    """A name, shortened to fit into a table's cell."""
    text = printable(name)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
