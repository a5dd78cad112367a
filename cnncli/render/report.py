"""A report as one self-contained HTML file, safe for any names of classes and files.

Jinja escapes every name; the script gets its data as JSON that cannot contain tags, and turns it into text, never markup.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from cnncli import __version__
from cnncli.records.evaluation import Answer, ConfusionCell, Evaluation
from cnncli.records.report import Report
from cnncli.text import counted, printable

if TYPE_CHECKING:
    from jinja2 import Environment

GALLERY = 24
"""Number of worst mistakes shown with their predictions."""

_MATRIX = 60
"""Largest number of classes in the matrix; beyond it, those with the most mistakes are shown."""

LISTED, _LISTED_IN_TOTAL = 60, 20_000
"""Largest number of images listed per cell of the matrix, and in total."""

_SHOWN = 200
"""Rows shown of a long table; the CSV files beside the report are complete."""

_PAIRS = 30
"""Number of most frequent confusions shown."""


def report_html(report: Report) -> str:
    """A report as an HTML page."""
    from cnncli.render.charts import coverage_svg, curves_svg, reliability_svg  # matplotlib, half a second

    evaluation = report.evaluation
    names = [printable(name) for name in evaluation.class_names]
    mistakes = evaluation.mistakes()
    gallery = mistakes[:GALLERY]
    matrix = matrix_classes(evaluation)
    pictures = {path: _data_url(content) for path, content in report.pictures.items()}
    training = report.training
    return (
        _environment()
        .from_string(_resource("report.html.j2"))
        .render(
            report=report,
            version=__version__,
            names=names,
            mistakes=gallery,
            mistake_count=len(mistakes),
            pictures={answer.path: pictures.get(answer.path) for answer in gallery},
            matrix_names=matrix,
            occurring_classes=len(evaluation.classes),
            pairs=_pairs(evaluation.confusion_cells),
            cells=_cells(evaluation, matrix, names, gallery, pictures),
            reliability=reliability_svg(evaluation.bins, evaluation.calibration_error),
            coverage=coverage_svg(evaluation.coverage, len(evaluation.answers)),
            curves=curves_svg(training.epochs, training.feature_accuracy)
            if training and training.epochs
            else "",
            css=_resource("report.css"),
            script=_resource("report.js"),
            shown=_SHOWN,
        )
    )


def _environment() -> "Environment":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters |= {
        "counted": counted,
        "percent": lambda share: f"{100 * share:.1f} %",
        "points": lambda share: f"{100 * share:+.1f} points",
        "shown": printable,
        "zip": lambda one, other: list(zip(one, other, strict=True)),
    }
    return environment


def _resource(name: str) -> str:
    return resources.files("cnncli.render").joinpath("html", name).read_text(encoding="utf-8")


def _data_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def _pairs(cells: Sequence[ConfusionCell]) -> list[ConfusionCell]:
    """Off-diagonal cells of the matrix, the largest first."""
    wrong = [cell for cell in cells if cell.actual != cell.predicted]
    return sorted(wrong, key=lambda cell: -cell.images)[:_PAIRS]


def matrix_classes(evaluation: Evaluation) -> list[int]:
    """Classes in the matrix: all that occur, or those with the most mistakes."""
    occurring = [score.index for score in evaluation.classes]
    if len(occurring) <= _MATRIX:
        return occurring
    mistakes = dict.fromkeys(occurring, 0)
    for cell in evaluation.confusion_cells:
        if cell.actual != cell.predicted:
            mistakes[cell.actual] += cell.images
            mistakes[cell.predicted] += cell.images
    return sorted(sorted(occurring, key=lambda index: -mistakes[index])[:_MATRIX])


def _cells(
    evaluation: Evaluation,
    matrix: Sequence[int],
    names: Sequence[str],
    gallery: Sequence[Answer],
    pictures: Mapping[str, str],
) -> str:
    """The matrix as JSON for the script: class names, and per cell [true, predicted, images, listed images]."""
    position = {index: number for number, index in enumerate(matrix)}
    sources: dict[str, str] = dict(pictures) | {
        answer.path: f"#m{number}" for number, answer in enumerate(gallery) if answer.path in pictures
    }
    listed: dict[tuple[int, int], list[Any]] = {}
    remaining = _LISTED_IN_TOTAL
    for answer in sorted(
        evaluation.answers,
        key=lambda answer: (answer.is_correct, answer.path not in pictures, -answer.probability),
    ):
        cell = listed.setdefault((answer.label, answer.predicted), [])
        if len(cell) < LISTED and remaining:
            remaining -= 1
            cell.append([printable(answer.path), round(answer.probability, 4), sources.get(answer.path)])
    document = {
        "names": [names[index] for index in matrix],
        "cells": [
            [
                position[cell.actual],
                position[cell.predicted],
                cell.images,
                listed.get((cell.actual, cell.predicted), []),
            ]
            for cell in evaluation.confusion_cells
            if cell.actual in position and cell.predicted in position
        ],
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
