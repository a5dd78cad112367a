"""The folder that `cnncli evaluate --output` writes for networks without tasks; for others see `tasks/output.py`.

evaluation.json     what `--format json` prints
report.html         everything in one file, to read
predictions.csv     every image: its label and prediction (predictions_old.csv: by the old network)
classes.csv         precision, recall and F1 of each class and on average
confusion_matrix.csv, confusion_matrix.png
calibration.csv, reliability.png
coverage.csv        coverage and accuracy by confidence threshold
changes.csv         of two networks: the images that only one gets right
unreadable.csv      path, reason: only where some images could not be read
"""

import contextlib
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from cnncli.errors import OutputError
from cnncli.evaluation import tables
from cnncli.evaluation.evaluate import EvaluationPlan
from cnncli.evaluation.reporting import REPORT, report, report_page
from cnncli.files.csv_tables import Table, write_tables
from cnncli.files.output_path import require_outside_model_folder
from cnncli.files.whole import rename, replace, restore_former, whole_folder
from cnncli.records.evaluation import Comparison, Evaluation

RESULT = "evaluation.json"

CO_OCCURRENCE = "co_occurrence"
"""Name of a picture and of a table, without the ending."""

_OWN_FILES = frozenset(
    {RESULT, REPORT, "predictions.csv", "predictions_old.csv", "classes.csv", "confusion_matrix.csv"}
    | {
        "confusion_matrix.png",
        "calibration.csv",
        "reliability.png",
        "coverage.csv",
        "changes.csv",
        "unreadable.csv",
        f"{CO_OCCURRENCE}.csv",
        f"{CO_OCCURRENCE}.png",
    }
)

_TASK_PICTURE = re.compile(r"(confusion_matrix|reliability|co_occurrence)_[\w-]+\.png")
"""A picture of one of several tasks."""


def require_output_folder(folder: Path, *, overwrite: bool) -> None:
    """Check that results can be written to a folder, before anything is computed.

    Raises:
        OutputError: it already exists, contains something else, or cannot be written.
    """
    target = folder.resolve()
    require_outside_model_folder(target)
    try:
        restore_former(target)
        names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is a file", "--output must be a folder")
        if target == Path.cwd():
            raise OutputError(
                "an evaluation cannot replace the current folder",
                "choose another with --output",
            )
        _require_own_files(folder, names)
        if names and not overwrite:
            raise OutputError(f"{folder} already exists", "--overwrite replaces an earlier evaluation")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write to {folder}: {error.strerror}", "choose another folder with --output"
        ) from error


def _require_own_files(folder: Path, names: Iterable[str]) -> None:
    """Raise OutputError if a folder contains anything but an evaluation."""
    if foreign := [name for name in names if name not in _OWN_FILES and not _TASK_PICTURE.fullmatch(name)]:
        raise OutputError(
            f"{folder} contains other files, e.g. {foreign[0]}", "choose another folder with --output"
        )


def _replace_own(draft: Path, folder: Path) -> None:
    """Replace an earlier evaluation, unless other files have been added to it while this one was computed."""
    if folder.is_dir():
        _require_own_files(folder, sorted(entry.name for entry in folder.iterdir()))
    replace(draft, folder)


def _rename_to_free_name(draft: Path, folder: Path) -> None:
    """Rename a draft; raise OutputError if the folder has appeared while the evaluation was computed."""
    try:
        rename(draft, folder)
    except OSError as error:
        if not folder.exists():
            raise
        raise OutputError(
            f"{folder} already exists: it appeared while this command was running",
            "choose another folder with --output",
        ) from error


@contextlib.contextmanager
def _open_draft(folder: Path, *, overwrite: bool) -> Iterator[Path]:
    """A draft that becomes the folder if the block succeeds, and is deleted if it fails.

    Raises:
        OutputError: it cannot be written, or the folder exists by now and must not be replaced.
    """
    try:
        with whole_folder(folder.resolve(), _replace_own if overwrite else _rename_to_free_name) as draft:
            yield draft
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from error


def write(
    folder: Path,
    result: str,
    plan: EvaluationPlan,
    evaluation: Evaluation,
    comparison: Comparison | None,
    *,
    overwrite: bool,
) -> None:
    """Write everything to a folder that `require_output_folder` has checked.

    Args:
        folder: the folder.
        result: the evaluation, or the comparison, as JSON.
        plan: what was evaluated.
        evaluation: evaluation of the network, or of the new one.
        comparison: comparison of two networks; None if there is only one.
        overwrite: whether an earlier evaluation is replaced.

    Raises:
        OutputError: it cannot be written.
    """
    contents = {
        RESULT: result.encode(),
        **pictures(evaluation),
        REPORT: report_page(report(plan, evaluation, comparison)),
    }
    write_folder(folder, contents, _tables(evaluation, comparison), overwrite=overwrite)


def write_folder(
    folder: Path, contents: Mapping[str, bytes], tables_: Iterable[Table], *, overwrite: bool
) -> None:
    """Write files to a folder that `require_output_folder` has checked.

    Args:
        folder: the folder.
        contents: of the files, by name.
        tables_: that are written as well.
        overwrite: whether an earlier evaluation is replaced.

    Raises:
        OutputError: it cannot be written.
    """
    with _open_draft(folder, overwrite=overwrite) as draft:
        write_tables(draft, tables_)
        for name, content in contents.items():
            (draft / name).write_bytes(content)


def _tables(evaluation: Evaluation, comparison: Comparison | None) -> Iterator[Table]:
    yield tables.predictions(evaluation.answers, evaluation.class_names)
    yield tables.classes(evaluation)
    yield tables.confusion_matrix(evaluation)
    yield tables.calibration(evaluation.bins)
    yield tables.coverage(evaluation)
    yield from tables.unreadable(evaluation.unreadable)
    if comparison:
        old = comparison.old
        yield tables.changes(comparison)
        yield tables.predictions(old.answers, old.class_names, "predictions_old.csv")


def pictures(evaluation: Evaluation) -> dict[str, bytes]:
    """The reliability diagram, and the confusion matrix of the classes that occur, by the name of their file."""
    from cnncli.render.charts import reliability_png
    from cnncli.render.confusion import confusion_png

    occurring = [score.index for score in evaluation.classes]
    order = {index: number for number, index in enumerate(occurring)}
    counts = np.zeros((len(occurring), len(occurring)), np.intp)
    for cell in evaluation.confusion_cells:
        counts[order[cell.actual], order[cell.predicted]] = cell.images
    names = [evaluation.class_names[index] for index in occurring]
    return {
        "reliability.png": reliability_png(evaluation.bins, evaluation.calibration_error),
        "confusion_matrix.png": confusion_png(counts, names),
    }
