"""Where the figures of `cnncli evaluate` go: standard output, and a folder with a report."""

import enum
import io
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cnncli.cli import options
from cnncli.cli.console import Console, terminal_width, write_data
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import OutputError, UsageError
from cnncli.files.output_path import is_inside
from cnncli.records.data import DataPath

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cnncli.evaluation.evaluate import EvaluationPlan
    from cnncli.evaluation.tasks.evaluate import TasksPlan
    from cnncli.evaluation.tasks.figures import EvaluatedTasks
    from cnncli.files.csv_tables import Table
    from cnncli.records.evaluation import Comparison, Evaluation
    from cnncli.records.task_evaluation import TasksComparison, TasksEvaluation


class EvaluationFormat(enum.StrEnum):
    """Output formats of `evaluate`."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@frozen_dataclass
class Destination:
    """Where figures go.

    Attributes:
        format: of standard output.
        output: folder to write to; None for none.
        overwrite: replace an earlier evaluation there.
    """

    format: EvaluationFormat
    output: Path | None
    overwrite: bool

    def require_outside(self, data: DataPath) -> None:
        """Check that the folder is not inside the data."""
        if self.output and is_inside(self.output, data):
            raise OutputError(
                f"--output {self.output} is inside the data folder", "choose a folder outside it"
            )

    def require_effect(self, **options: object) -> None:
        """Check that options which the table of classes does not depend on have an effect.

        Raises:
            UsageError: one of them is set, and that table is all that is written.
        """
        names = [name for name, value in options.items() if value is not None]
        if names and self.format is EvaluationFormat.CSV and not self.output:
            raise UsageError(f"--{names[0]} has no effect with -f csv", "use -f table, -f json or --output")

    def write(self, plan: "EvaluationPlan", evaluations: "Sequence[Evaluation]", console: Console) -> None:
        """Write an evaluation, or a comparison of two.

        Raises:
            OutputError: it cannot be written.
            typer.Exit: some images could not be read.
        """
        from cnncli.evaluation import output as outputs
        from cnncli.evaluation.comparison import compare

        comparison = compare(*evaluations) if len(evaluations) > 1 else None
        write_data(_text(evaluations[0], comparison, self.format), is_last=not self.output)
        if self.output:
            result = _text(evaluations[0], comparison, EvaluationFormat.JSON)
            outputs.write(self.output, result, plan, evaluations[0], comparison, overwrite=self.overwrite)
            self._report_saved([("confusion_matrix.png", len(evaluations[0].classes))], console)
        if evaluations[0].unreadable:
            raise typer.Exit(options.UNREADABLE_INPUTS)

    def write_tasks(self, plan: "TasksPlan", evaluated: "Sequence[EvaluatedTasks]", console: Console) -> None:
        """Write an evaluation of a network with tasks, or a comparison of two.

        Raises:
            OutputError: it cannot be written.
            typer.Exit: some images could not be read.
        """
        from cnncli.evaluation.tasks import output as outputs
        from cnncli.evaluation.tasks.comparison import compare_tasks

        evaluation = evaluated[0].evaluation
        comparison = compare_tasks(evaluated[0], evaluated[1], plan.data) if len(evaluated) > 1 else None
        write_data(_tasks_text(evaluation, comparison, self.format), is_last=not self.output)
        if self.output:
            result = _tasks_text(evaluation, comparison, EvaluationFormat.JSON)
            outputs.write(self.output, result, plan, evaluated, comparison, overwrite=self.overwrite)
            self._report_saved(outputs.matrix_sizes(evaluation), console)
        if evaluation.unreadable:
            raise typer.Exit(options.UNREADABLE_INPUTS)

    def _report_saved(self, matrices: "Iterable[tuple[str, int]]", console: Console) -> None:
        """Say where the report is, and which pictures of matrices show only some of so many classes."""
        from cnncli.render.worst_classes import part_text

        console.notice(f"saved {self.output and self.output / 'report.html'}")
        for name, classes in matrices:
            if part := part_text(classes):
                console.notice(f"{name} shows {part}")


def _text(evaluation: "Evaluation", comparison: "Comparison | None", format_: EvaluationFormat) -> str:
    """The comparison if there is one, else the evaluation."""
    if format_ is EvaluationFormat.JSON:
        from cnncli.render.evaluation_json import comparison_json, evaluation_json

        return comparison_json(comparison) if comparison else evaluation_json(evaluation)
    if format_ is EvaluationFormat.CSV:
        from cnncli.evaluation import tables

        return _csv(tables.changes(comparison) if comparison else tables.classes(evaluation))
    from cnncli.render.comparison_text import comparison_text
    from cnncli.render.evaluation_text import evaluation_text

    width = terminal_width()
    return comparison_text(comparison, width) if comparison else evaluation_text(evaluation, width)


def _tasks_text(
    evaluation: "TasksEvaluation", comparison: "TasksComparison | None", format_: EvaluationFormat
) -> str:
    """The comparison of networks with tasks if there is one, else the evaluation."""
    if format_ is EvaluationFormat.JSON:
        from cnncli.render.tasks_json import tasks_comparison_json, tasks_json

        return tasks_comparison_json(comparison) if comparison else tasks_json(evaluation)
    if format_ is EvaluationFormat.CSV:
        from cnncli.evaluation.tasks import tables

        return _csv(tables.changes(comparison) if comparison else tables.all_classes(evaluation))
    from cnncli.render.tasks_comparison_text import tasks_comparison_text
    from cnncli.render.tasks_text import tasks_text

    width = terminal_width()
    return tasks_comparison_text(comparison, width) if comparison else tasks_text(evaluation, width)


def _csv(table: "Table") -> str:
    stream = io.StringIO()
    table.write(stream)
    return stream.getvalue()
