"""Where the figures of `cnncli evaluate` go: standard output, and a folder with a report."""

import enum
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cnncli.cli import options
from cnncli.cli.console import Console, terminal_width, write_data
from cnncli.errors import OutputError
from cnncli.files.output_path import is_inside
from cnncli.records.data import DataPath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnncli.evaluation.evaluate import EvaluationPlan
    from cnncli.records.evaluation import Comparison, Evaluation


class EvaluationFormat(enum.StrEnum):
    """Output formats of `evaluate`."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
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
            console.notice(f"saved {self.output / 'report.html'}")
            from cnncli.render.worst_classes import part_text

            if part := part_text(len(evaluations[0].classes)):
                console.notice(f"confusion_matrix.png shows {part}")
        if evaluations[0].unreadable:
            raise typer.Exit(options.UNREADABLE_INPUTS)


def _text(evaluation: "Evaluation", comparison: "Comparison | None", format_: EvaluationFormat) -> str:
    """The comparison if there is one, else the evaluation."""
    if format_ is EvaluationFormat.JSON:
        from cnncli.render.evaluation_json import comparison_json, evaluation_json

        return comparison_json(comparison) if comparison else evaluation_json(evaluation)
    if format_ is EvaluationFormat.CSV:
        from cnncli.evaluation import tables

        stream = io.StringIO()
        (tables.changes(comparison) if comparison else tables.classes(evaluation)).write(stream)
        return stream.getvalue()
    from cnncli.render.comparison_text import comparison_text
    from cnncli.render.evaluation_text import evaluation_text

    width = terminal_width()
    return comparison_text(comparison, width) if comparison else evaluation_text(evaluation, width)
