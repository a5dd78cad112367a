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
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from cnncli.errors import OutputError
from cnncli.evaluation.reporting import REPORT
from cnncli.records.evaluation import Evaluation
from cnncli.render.tables import Table, write_tables

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


def require_place(folder: Path, *, overwrite: bool) -> None:
    """See that results can be written to a folder, before anything is computed.

    Raises:
        OutputError: it is there already, holds something else, or cannot be written.
    """
    try:
        there = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
        if foreign := [name for name in there if name not in _OURS]:
            raise OutputError(
                f"{folder} holds more than an evaluation, as {foreign[0]}", "--output names another folder"
            )
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is a file", "--output names a folder")
        if there and not overwrite:
            raise OutputError(f"{folder} is there already", "--overwrite replaces an earlier evaluation")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write to {folder}: {error.strerror}", "--output names another folder"
        ) from error


@contextlib.contextmanager
def written(folder: Path) -> Iterator[Path]:
    """A draft that becomes the folder when the block ends well, and else vanishes.

    Raises:
        OutputError: it cannot be written.
    """
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.draft")
    try:
        draft.mkdir()
        yield draft
        shutil.rmtree(folder, ignore_errors=True)  # an earlier evaluation: `require_place` has looked
        draft.rename(folder)
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def fill(draft: Path, result: str, tables: Iterable[Table], pictures: Mapping[str, bytes]) -> None:
    """Everything but the report.

    Raises:
        OSError: it cannot be written.
    """
    (draft / RESULT).write_text(result, encoding="utf-8")
    write_tables(draft, tables)
    for name, content in pictures.items():
        (draft / name).write_bytes(content)


def matrix_picture(found: Evaluation) -> dict[str, bytes]:
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
