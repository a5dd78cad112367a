"""A report as one self-contained HTML file, safe for any names of classes and files.

Jinja escapes every name; the script gets its data as JSON that cannot contain tags, and turns it into text, never markup.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from cnncli import __version__
from cnncli.records.evaluation import Answer, ConfusionCell, Evaluation
from cnncli.records.report import Report
from cnncli.render.evaluation_text import macro_remark
from cnncli.render.worst_classes import worst_classes
from cnncli.text import counted, percent, printable

if TYPE_CHECKING:
    from jinja2 import Environment

GALLERY = 24
"""Number of worst mistakes shown with their predictions."""

PICTURED_CHANGES = 12
"""Number of images shown that only one of two networks gets right, for each of them."""

LISTED, _LISTED_IN_TOTAL = 60, 20_000
"""Largest number of images listed per cell of the matrix, and in total."""

_SHOWN = 200
"""Rows shown of a long table; the CSV files beside the report are complete."""

_PAIRS = 30
"""Number of most frequent confusions shown."""


@dataclass(frozen=True, slots=True)
class _Network:
    """What the page shows of one network.

    Attributes:
        label: its name, unique on the page; empty where it is the only one.
        names: names of the classes.
        mistakes: the most confident ones.
        macro_remark: which classes the macro average is over; empty for all.
        matrix: indices of the classes in the confusion matrix.
        pairs: the largest cells off the diagonal.
        reliability, coverage: charts as SVG elements.
    """

    label: str
    evaluation: Evaluation
    names: list[str]
    mistakes: Sequence[Answer]
    mistake_count: int
    macro_remark: str
    matrix: list[int]
    pairs: list[ConfusionCell]
    reliability: str
    coverage: str


def report_html(report: Report) -> str:
    """A report as an HTML page."""
    from cnncli.render.charts import curve_svgs  # matplotlib, half a second

    pictures = {path: _data_url(content) for path, content in report.pictures.items()}
    networks = _networks(report)
    training = report.training
    return (
        _environment()
        .from_string(_resource("report.html.j2"))
        .render(
            report=report,
            version=__version__,
            networks=networks,
            has_mistakes=any(network.mistakes for network in networks),
            pictures=pictures,
            pictured_changes=PICTURED_CHANGES,
            matrices=_matrices(networks, pictures),
            curves=curve_svgs(training) if training and training.epochs else (),
            css=_resource("report.css"),
            script=_resource("report.js"),
            shown=_SHOWN,
        )
    )


def _networks(report: Report) -> list[_Network]:
    """The network of the report, or the new and the old one of a comparison."""
    if not report.comparison:
        return [_network("", report.evaluation)]
    new, old = report.comparison.new, report.comparison.old
    labels = (
        (new.model, old.model) if new.model != old.model else (f"{new.model} (new)", f"{old.model} (old)")
    )
    return [_network(label, evaluation) for label, evaluation in zip(labels, (new, old), strict=True)]


def _network(label: str, evaluation: Evaluation) -> _Network:
    from cnncli.render.charts import coverage_svg, reliability_svg

    mistakes = evaluation.mistakes()
    return _Network(
        label=printable(label),
        evaluation=evaluation,
        names=[printable(name) for name in evaluation.class_names],
        mistakes=mistakes[:GALLERY],
        mistake_count=len(mistakes),
        macro_remark=macro_remark(evaluation),
        matrix=matrix_classes(evaluation),
        pairs=_pairs(evaluation.confusion_cells),
        reliability=reliability_svg(evaluation.bins, evaluation.calibration_error),
        coverage=coverage_svg(evaluation.coverage, len(evaluation.answers)),
    )


def _environment() -> "Environment":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters |= {
        "counted": counted,
        "percent": lambda share: percent(share).replace(" ", "\u00a0"),
        "points": lambda share: f"{100 * share:+.1f}\u00a0points",
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
    mistakes = dict.fromkeys((score.index for score in evaluation.classes), 0)
    for cell in evaluation.confusion_cells:
        if cell.actual != cell.predicted:
            mistakes[cell.actual] += cell.images
            mistakes[cell.predicted] += cell.images
    return worst_classes(mistakes)


def _matrices(networks: Sequence[_Network], pictures: Mapping[str, str]) -> str:
    """The matrices as JSON for the script, which cannot end the element that it is in."""
    documents = [_matrix(number, network, pictures) for number, network in enumerate(networks)]
    text = json.dumps(documents, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _matrix(number: int, network: _Network, pictures: Mapping[str, str]) -> dict[str, Any]:
    """A confusion matrix: class names, file of all predictions, cells [true, predicted, images, listed images]."""
    position = {index: number for number, index in enumerate(network.matrix)}
    sources = dict(pictures) | {
        answer.path: f"#m{number}-{place}"
        for place, answer in enumerate(network.mistakes)
        if answer.path in pictures
    }
    listed: dict[tuple[int, int], list[Any]] = {}
    remaining = _LISTED_IN_TOTAL
    for answer in sorted(
        network.evaluation.answers,
        key=lambda answer: (answer.is_correct, answer.path not in pictures, -answer.probability),
    ):
        cell = listed.setdefault((answer.label, answer.predicted), [])
        if len(cell) < LISTED and remaining:
            remaining -= 1
            cell.append([printable(answer.path), round(answer.probability, 4), sources.get(answer.path)])
    return {
        "names": [network.names[index] for index in network.matrix],
        "file": "predictions_old.csv" if number else "predictions.csv",
        "cells": [
            [
                position[cell.actual],
                position[cell.predicted],
                cell.images,
                listed.get((cell.actual, cell.predicted), []),
            ]
            for cell in network.evaluation.confusion_cells
            if cell.actual in position and cell.predicted in position
        ],
    }
