"""The folder that `cnncli evaluate --output` writes for networks with tasks.

evaluation.json     what `--format json` prints
report.html         everything in one file, to read
predictions.csv     every image: its labels, what is predicted, all probabilities (predictions_old.csv: by the old network)
classes.csv         metrics of each class and on average; like the following tables with a column `task`
co_occurrence.csv, co_occurrence.png          pairs of classes, of tasks with several answers
confusion_matrix.csv, confusion_matrix.png    and coverage.csv, of tasks with one right class
calibration.csv, reliability.png
changes.csv         of two networks: the images of which only one gets a task right
unreadable.csv      path, reason: only where some images could not be read

Pictures of several tasks have the name of their task: `reliability_tags.png`; its number, if the name is unfit for a file.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from cnncli.evaluation import output
from cnncli.evaluation.reporting import REPORT, report, report_page
from cnncli.evaluation.tables import unreadable
from cnncli.evaluation.tasks import tables
from cnncli.evaluation.tasks.evaluate import TasksPlan
from cnncli.evaluation.tasks.figures import EvaluatedTasks
from cnncli.files.csv_tables import Table
from cnncli.records.data import DataSet
from cnncli.records.evaluation import Evaluation
from cnncli.records.task_evaluation import TaskEvaluation, TasksComparison, TasksEvaluation

_FILE_NAME = re.compile(r"[\w-]{1,40}", re.ASCII)


def write(
    folder: Path,
    result: str,
    plan: TasksPlan,
    evaluated: Sequence[EvaluatedTasks],
    comparison: TasksComparison | None,
    *,
    overwrite: bool,
) -> None:
    """Write everything to a folder that `require_output_folder` has checked.

    Args:
        folder: the folder.
        result: the evaluation, or the comparison, as JSON.
        plan: what was evaluated.
        evaluated: evaluation of the network, or of the new and of the old one.
        comparison: comparison of two networks; None if there is only one.
        overwrite: whether an earlier evaluation is replaced.

    Raises:
        OutputError: it cannot be written.
    """
    evaluation = evaluated[0].evaluation
    contents = {
        output.RESULT: result.encode(),
        **pictures(evaluation),
        REPORT: report_page(report(plan, evaluation, comparison)),
    }
    output.write_folder(folder, contents, _tables(plan.data, evaluated, comparison), overwrite=overwrite)


def _tables(
    data: DataSet, evaluated: Sequence[EvaluatedTasks], comparison: TasksComparison | None
) -> Iterator[Table]:
    for item, name in zip(evaluated, ("predictions.csv", "predictions_old.csv"), strict=False):
        yield tables.predictions(item.tasks, data, item.scored, name)
    evaluation = evaluated[0].evaluation
    yield from tables.join_tables(
        (item.task.name, table) for item in evaluation.tasks for table in tables.task_tables(item)
    )
    yield from unreadable(evaluation.unreadable)
    if comparison:
        yield tables.changes(comparison)


def pictures(evaluation: TasksEvaluation) -> dict[str, bytes]:
    """The pictures of each task, by the name of their file."""
    return {
        f"{stem}{suffix}": content
        for item, suffix in _suffixes(evaluation)
        for stem, content in _pictures(item).items()
    }


def matrix_sizes(evaluation: TasksEvaluation) -> Iterator[tuple[str, int]]:
    """The pictures of matrices, and how many classes each has."""
    for item, suffix in _suffixes(evaluation):
        stem = "confusion_matrix" if isinstance(item.metrics, Evaluation) else output.CO_OCCURRENCE
        yield f"{stem}{suffix}", len(item.metrics.classes)


def _suffixes(evaluation: TasksEvaluation) -> Iterator[tuple[TaskEvaluation, str]]:
    """Each task, and how the names of its pictures end."""
    for number, item in enumerate(evaluation.tasks, start=1):
        word = item.task.name if _FILE_NAME.fullmatch(item.task.name) else str(number)
        yield item, f"_{word}.png" if len(evaluation.tasks) > 1 else ".png"


def _pictures(item: TaskEvaluation) -> dict[str, bytes]:
    """The pictures of a task, by the name of their file without its ending."""
    from cnncli.render.charts import reliability_png
    from cnncli.render.co_occurrence import co_occurrence_png

    metrics = item.metrics
    if isinstance(metrics, Evaluation):
        return {Path(name).stem: content for name, content in output.pictures(metrics).items()}
    return {
        "reliability": reliability_png(metrics.bins, metrics.calibration_error),
        output.CO_OCCURRENCE: co_occurrence_png(metrics, item.task.class_names),
    }
