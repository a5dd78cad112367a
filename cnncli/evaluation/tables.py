"""The CSV tables of an evaluation."""

from collections.abc import Iterator, Sequence

from cnncli.files.csv_tables import Table
from cnncli.records.evaluation import Answer, CalibrationBin, Change, Comparison, Evaluation
from cnncli.records.predictions import Unreadable
from cnncli.text import path_text


def predictions(
    answers: Sequence[Answer], class_names: Sequence[str], name: str = "predictions.csv"
) -> Table:
    """One row per image: label, prediction, probabilities, rank of the label."""
    rows = [
        (
            answer.path,
            answer.split,
            class_names[answer.label],
            class_names[answer.predicted],
            f"{answer.probability:.9g}",
            f"{answer.label_probability:.9g}",
            answer.ranked.index(answer.label) + 1 if answer.label in answer.ranked else "",
            answer.label,
            answer.predicted,
        )
        for answer in answers
    ]
    header = ("path", "split", "label", "predicted", "probability", "label_probability", "rank")
    indices = ("label_index", "predicted_index")  # two classes of a network may have one name
    return Table(name, (*header, *indices), rows)


def unreadable(records: Sequence[Unreadable]) -> Iterator[Table]:
    """Images that could not be read and why; no table where there are none."""
    if records:
        rows = [(record.path, record.reason) for record in records]
        yield Table("unreadable.csv", ("path", "reason"), rows)


def classes(result: Evaluation) -> Table:
    """One row per class that occurs, and their averages."""
    rows: list[tuple[str | int, ...]] = [
        (
            "class",
            result.class_names[score.index],
            *map(decimals, (score.precision, score.recall, score.f1)),
            score.support,
            score.predicted,
        )
        for score in result.classes
    ]
    images = len(result.answers)
    for name, average in (("macro", result.macro), ("weighted", result.weighted)):
        values = (average.precision.value, average.recall.value, average.f1.value)
        rows.append(("average", name, *map(decimals, values), images, images))
    return Table("classes.csv", ("kind", "name", "precision", "recall", "f1", "support", "predicted"), rows)


def confusion_matrix(result: Evaluation) -> Table:
    """One row per cell of the confusion matrix that is not empty."""
    rows = [
        (result.class_names[cell.actual], result.class_names[cell.predicted], cell.images)
        for cell in result.confusion_cells
    ]
    return Table("confusion_matrix.csv", ("label", "predicted", "images"), rows)


def calibration(bins: Sequence[CalibrationBin]) -> Table:
    """One row per bin: mean confidence and accuracy."""
    rows = [
        (
            decimals(bin_.low),
            decimals(bin_.high),
            bin_.images,
            decimals(bin_.confidence),
            decimals(bin_.accuracy),
        )
        for bin_ in bins
    ]
    return Table("calibration.csv", ("low", "high", "images", "confidence", "accuracy"), rows)


def coverage(result: Evaluation) -> Table:
    """Coverage and accuracy, one row per confidence threshold."""
    rows = [
        (
            f"{point.threshold:.2f}",
            point.images,
            point.correct,
            decimals(point.images / len(result.answers)),
            decimals(point.correct / point.images) if point.images else "",
        )
        for point in result.coverage
    ]
    return Table("coverage.csv", ("threshold", "images", "correct", "coverage", "accuracy"), rows)


def changes(comparison: Comparison) -> Table:
    """One row per image that only one of two networks gets right."""

    def row(kind: str, change: Change) -> tuple[str, ...]:
        old, new = f"{change.old_probability:.6f}", f"{change.new_probability:.6f}"
        return (path_text(change.path), kind, change.label, change.old, old, change.new, new)

    rows = [
        *(row("gained", change) for change in comparison.gained),
        *(row("lost", change) for change in comparison.lost),
    ]
    header = ("path", "change", "label", "old", "old_probability", "new", "new_probability")
    return Table("changes.csv", header, rows)


def decimals(number: float) -> str:
    """A number as tables have it."""
    return f"{number:.6f}"
