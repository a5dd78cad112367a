"""A report as one HTML file: nothing is loaded from anywhere, whatever classes and files are called.

Jinja escapes every name; what the script needs travels as JSON in which no tag can begin, and becomes text, never markup.
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
"""Worst mistakes that are shown with all that was said of them."""

_MATRIX = 60
"""Classes up to which the matrix has all; of more it shows those with the most mistakes."""

LISTED, _ALL_LISTED = 60, 20_000
"""Images that are told of for a cell, and altogether."""

_SHOWN = 200
"""Lines of a list; the tables beside the report have all."""

_PAIRS = 30


def report_html(report: Report) -> str:
    """The page."""
    from cnncli.render.charts import coverage_svg, curves_svg, reliability_svg  # matplotlib, half a second

    found = report.evaluation
    names = [printable(name) for name in found.class_names]
    mistakes = found.mistakes()
    gallery = mistakes[:GALLERY]
    matrix = matrix_classes(found)
    pictures = {path: _data_url(content) for path, content in report.pictures.items()}
    taught = report.taught
    return (
        _environment()
        .from_string(_resource("report.html.j2"))
        .render(
            report=report,
            version=__version__,
            names=names,
            mistakes=gallery,
            wrong=len(mistakes),
            pictures={answer.path: pictures.get(answer.path) for answer in gallery},
            matrix_names=matrix,
            names_there=len(found.classes),
            pairs=_pairs(found.confusion_cells),
            cells=_cells(found, matrix, names, gallery, pictures),
            reliability=reliability_svg(found.bins, found.calibration_error),
            coverage=coverage_svg(found.coverage, len(found.answers)),
            curves=curves_svg(taught.epochs, taught.features) if taught and taught.epochs else "",
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


def _pairs(confusion_cells: Sequence[ConfusionCell]) -> list[ConfusionCell]:
    """Cells off the diagonal, the largest first."""
    wrong = [cell for cell in confusion_cells if cell.actual != cell.predicted]
    return sorted(wrong, key=lambda cell: -cell.images)[:_PAIRS]


def matrix_classes(found: Evaluation) -> list[int]:
    """Classes of the matrix: all that occur, or those that have most to do with mistakes."""
    occurring = [score.index for score in found.classes]
    if len(occurring) <= _MATRIX:
        return occurring
    mistakes = dict.fromkeys(occurring, 0)
    for cell in found.confusion_cells:
        if cell.actual != cell.predicted:
            mistakes[cell.actual] += cell.images
            mistakes[cell.predicted] += cell.images
    return sorted(sorted(occurring, key=lambda index: -mistakes[index])[:_MATRIX])


def _cells(
    found: Evaluation,
    matrix: Sequence[int],
    names: Sequence[str],
    gallery: Sequence[Answer],
    pictures: Mapping[str, str],
) -> str:
    """The matrix for the script: names of its classes, and for each cell [actual, predicted, images, shown]."""
    place = {index: number for number, index in enumerate(matrix)}
    known: dict[str, str] = dict(pictures) | {
        answer.path: f"#m{number}" for number, answer in enumerate(gallery) if answer.path in pictures
    }
    told: dict[tuple[int, int], list[Any]] = {}
    room = _ALL_LISTED
    for answer in sorted(
        found.answers,
        key=lambda answer: (answer.is_correct, answer.path not in pictures, -answer.probability),
    ):
        cell = told.setdefault((answer.label, answer.predicted), [])
        if len(cell) < LISTED and room:
            room -= 1
            cell.append([printable(answer.path), round(answer.probability, 4), known.get(answer.path)])
    document = {
        "names": [names[index] for index in matrix],
        "cells": [
            [
                place[cell.actual],
                place[cell.predicted],
                cell.images,
                told.get((cell.actual, cell.predicted), []),
            ]
            for cell in found.confusion_cells
            if cell.actual in place and cell.predicted in place
        ],
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
