"""The tables of an evaluation, from its records."""

from collections.abc import Iterator, Sequence

from cnncli.files.tables import Table
from cnncli.records.evaluation import Answer, Change, Comparison, Evaluation
from cnncli.records.predictions import Unreadable
from cnncli.text import path_text


def predictions(
    answers: Sequence[Answer], class_names: Sequence[str], name: str = "predictions.csv"
) -> Table:
    """What was said of each image."""
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
    """What could not be read and why; no table where there is nothing to tell."""
    if records:
        rows = [(record.path, record.reason) for record in records]
        yield Table("unreadable.csv", ("path", "reason"), rows)


def classes(found: Evaluation) -> Table:
    """Every class that occurs, and their averages."""
    rows: list[tuple[str | int, ...]] = [
        (
            "class",
            found.class_names[score.index],
            *map(_rounded, (score.precision, score.recall, score.f1)),
            score.support,
            score.predicted,
        )
        for score in found.classes
    ]
    images = len(found.answers)
    for name, average in (("macro", found.macro), ("weighted", found.weighted)):
        values = (average.precision.value, average.recall.value, average.f1.value)
        rows.append(("average", name, *map(_rounded, values), images, images))
    return Table("classes.csv", ("kind", "name", "precision", "recall", "f1", "support", "predicted"), rows)


def confusions(found: Evaluation) -> Table:
    """Who was taken for whom, how often; cells that are empty are left out."""
    rows = [
        (found.class_names[cell.actual], found.class_names[cell.predicted], cell.images)
        for cell in found.confusions
    ]
    return Table("confusion_matrix.csv", ("label", "predicted", "images"), rows)


def calibration(found: Evaluation) -> Table:
    """Said and true probabilities, bin by bin."""
    rows = [
        (
            _rounded(bin_.low),
            _rounded(bin_.high),
            bin_.images,
            _rounded(bin_.confidence),
            _rounded(bin_.accuracy),
        )
        for bin_ in found.bins
    ]
    return Table("calibration.csv", ("low", "high", "images", "confidence", "accuracy"), rows)


def coverage(found: Evaluation) -> Table:
    """What is left, and how much of it is right, by growing threshold."""
    rows = [
        (
            f"{point.threshold:.2f}",
            point.images,
            point.right,
            _rounded(point.images / len(found.answers)),
            _rounded(point.right / point.images) if point.images else "",
        )
        for point in found.coverage
    ]
    return Table("coverage.csv", ("threshold", "images", "right", "coverage", "accuracy"), rows)


def changes(compared: Comparison) -> Table:
    """The images that one network names right and the other does not."""

    def row(what: str, change: Change) -> tuple[str, ...]:
        old, new = f"{change.old_probability:.6f}", f"{change.new_probability:.6f}"
        return (path_text(change.path), what, change.label, change.old, old, change.new, new)

    rows = [
        *(row("gained", change) for change in compared.gained),
        *(row("lost", change) for change in compared.lost),
    ]
    header = ("path", "change", "label", "old", "old_probability", "new", "new_probability")
    return Table("changes.csv", header, rows)


def _rounded(number: float) -> str:
    return f"{number:.6f}"
