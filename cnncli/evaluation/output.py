"""A folder with everything that an evaluation found.

evaluation.json     what `--format json` prints
report.html         all of it to look at, in one file
predictions.csv     every image: what it is, what it was taken for (predictions_old.csv: by the older network)
classes.csv         precision, recall and F1 of each class and on average
confusion_matrix.csv, confusion_matrix.png
calibration.csv, reliability.png
coverage.csv        images answered and right ones among them, by threshold
changes.csv         of two networks: the images that one names right and the other does not
unreadable.csv      path, reason: where some images could not be read
"""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cnncli.errors import OutputError
from cnncli.evaluation import tables
from cnncli.evaluation.evaluate import Asked, report
from cnncli.evaluation.reporting import REPORT, write_report
from cnncli.files.tables import Table, write_tables
from cnncli.files.whole import replace, whole_folder
from cnncli.records.evaluation import Comparison, Evaluation

RESULT = "evaluation.json"

_OURS = frozenset(
    {RESULT, REPORT, "predictions.csv", "predictions_old.csv", "classes.csv", "confusion_matrix.csv"}
    | {
        "confusion_matrix.png",
        "calibration.csv",
        "reliability.png",
        "coverage.csv",
        "changes.csv",
        "unreadable.csv",
    }
)


def require_place(folder: Path, *, overwrite: bool) -> Path:
    """See that results can be written to a folder, before anything is computed.

    Returns:
        The folder itself, if a link leads to it.

    Raises:
        OutputError: it already exists, holds something else, or cannot be written.
    """
    folder = folder.resolve()
    try:
        there = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is a file", "--output names a folder")
        if folder == Path.cwd():
            raise OutputError(
                "an evaluation cannot take the place of the folder that it is started in",
                "name another with --output",
            )
        if foreign := [name for name in there if name not in _OURS]:
            raise OutputError(
                f"{folder} holds more than an evaluation, as {foreign[0]}", "--output names another folder"
            )
        if there and not overwrite:
            raise OutputError(f"{folder} already exists", "--overwrite replaces an earlier evaluation")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write to {folder}: {error.strerror}", "--output names another folder"
        ) from error
    return folder


@contextlib.contextmanager
def _written(folder: Path) -> Iterator[Path]:
    """A draft that becomes the folder when the block ends well, and else vanishes; an earlier one leaves last.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        with whole_folder(folder, replace) as draft:
            yield draft
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from error


def write(folder: Path, result: str, question: Asked, found: Evaluation, compared: Comparison | None) -> None:
    """Everything to a folder that `require_place` has seen.

    Args:
        folder: to write.
        result: the evaluation, or the comparison, as JSON.
        question: what was asked.
        found: of the network, or of the newer one.
        compared: both; None where there is one.

    Raises:
        OutputError: it cannot be written.
    """
    from cnncli.render.charts import reliability_png

    pictures = {
        "reliability.png": reliability_png(found.bins, found.calibration_error),
        **_matrix_picture(found),
    }
    with _written(folder) as draft:
        (draft / RESULT).write_text(result, encoding="utf-8")
        write_tables(draft, _tables(found, compared))
        for name, content in pictures.items():
            (draft / name).write_bytes(content)
        write_report(draft, report(question, found, compared))


def _tables(found: Evaluation, compared: Comparison | None) -> Iterator[Table]:
    yield tables.predictions(found.answers, found.class_names)
    yield tables.classes(found)
    yield tables.confusions(found)
    yield tables.calibration(found)
    yield tables.coverage(found)
    yield from tables.unreadable(found.unreadable)
    if compared:
        yield tables.changes(compared)
        yield tables.predictions(compared.old.answers, compared.old.class_names, "predictions_old.csv")


def _matrix_picture(found: Evaluation) -> dict[str, bytes]:
    """The confusion matrix of the classes that occur as a picture, where these are few enough to see something."""
    from cnncli.render.confusion import MOST_NAMED, confusion_png

    indices = [score.index for score in found.classes]
    if len(indices) > MOST_NAMED:
        return {}
    place = {index: number for number, index in enumerate(indices)}
    counts = np.zeros((len(indices), len(indices)), np.intp)
    for cell in found.confusions:
        counts[place[cell.actual], place[cell.predicted]] = cell.images
    return {"confusion_matrix.png": confusion_png(counts, [found.class_names[index] for index in indices])}
