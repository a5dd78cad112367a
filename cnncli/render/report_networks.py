"""The part of a report on networks that tell apart classes of which exactly one is right."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cnncli.dataclass import frozen_dataclass
from cnncli.records.evaluation import Answer, ConfusionCell, Evaluation
from cnncli.render.evaluation_text import macro_remark
from cnncli.render.worst_classes import worst_classes
from cnncli.text import printable

GALLERY = 24
"""Number of worst mistakes shown with their predictions."""

LISTED, _LISTED_IN_TOTAL = 60, 20_000
"""Largest number of images listed per cell of the matrix, and in total."""

_PAIRS = 30
"""Number of most frequent confusions shown."""


@frozen_dataclass
class Network:
    """What the page shows of one network, or of one of its tasks, with one right class per image.

    Attributes:
        label: its name, and that of its task, unique on the page; empty where it is the only one.
        file: the CSV file with all its predictions.
        note: how many images its task has, if it has tasks.
        evaluation: its evaluation.
        test: the same on the test split; None if the page has none.
        names: names of the classes.
        mistakes: the most confident ones.
        macro_remark: which classes the macro average is over; empty for all.
        matrix: indices of the classes in the confusion matrix.
        pairs: the largest cells off the diagonal.
        reliability, coverage: charts as SVG elements.
    """

    label: str
    file: str
    note: str
    evaluation: Evaluation
    test: Evaluation | None
    names: list[str]
    mistakes: Sequence[Answer]
    mistake_count: int
    macro_remark: str
    matrix: list[int]
    pairs: list[ConfusionCell]
    reliability: str
    coverage: str


def network_view(
    label: str, file: str, note: str, evaluation: Evaluation, test: Evaluation | None
) -> Network:
    """What the page shows of one network, or of one of its tasks; arguments as its attributes."""
    from cnncli.render.charts import coverage_svg, reliability_svg

    mistakes = evaluation.mistakes()
    return Network(
        label=printable(label),
        file=file,
        note=note,
        evaluation=evaluation,
        test=test,
        names=[printable(name) for name in evaluation.class_names],
        mistakes=mistakes[:GALLERY],
        mistake_count=len(mistakes),
        macro_remark=macro_remark(evaluation),
        matrix=matrix_classes(evaluation),
        pairs=_pairs(evaluation.confusion_cells),
        reliability=reliability_svg(evaluation.bins, evaluation.calibration_error),
        coverage=coverage_svg(evaluation.coverage, len(evaluation.answers)),
    )


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


def matrices(networks: Sequence[Network], pictures: Mapping[str, str]) -> str:
    """The matrices as JSON for the script, which cannot end the element that it is in."""
    documents = [_matrix(number, network, pictures) for number, network in enumerate(networks)]
    text = json.dumps(documents, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _matrix(number: int, network: Network, pictures: Mapping[str, str]) -> dict[str, Any]:
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
        "file": network.file,
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
