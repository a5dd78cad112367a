"""Labels that are probably wrong, as text, JSON and a picture."""

from collections.abc import Callable
from typing import Any

from cnncli.records.curation import LabelErrors
from cnncli.records.predictions import ImageSource, Prediction, Score, TrueClasses
from cnncli.render.columns import Column, rows
from cnncli.text import counted, path_text, percent

MOST_ROWS = 20
"""Suggestions in the text."""


def label_errors_lines(found: LabelErrors, width: int | None) -> list[str]:
    """How many labels are probably wrong, and the most suspicious of them."""
    suggestions = found.suggestions[:MOST_ROWS]
    count = counted(len(found.suggestions), "suggestion")
    lines = [
        f"label errors: about {found.estimate:,} of {found.images:,}, by confident learning; {count}",
        *found.remarks,
    ]
    if suggestions:
        lines += ["", *rows(_columns(found), width)]
    if len(found.suggestions) > len(suggestions):
        lines.append(f"(the first {len(suggestions)}; -o FILE.csv has all)")
    return lines


def _columns(found: LabelErrors) -> list[Column]:
    suggestions = found.suggestions[:MOST_ROWS]
    return [
        Column("image", [item.path for item in suggestions], importance=9, is_path=True),
        Column("label", [item.label for item in suggestions], importance=8),
        Column("score", [percent(item.score) for item in suggestions], is_number=True, importance=6),
        Column("suggested", [item.suggested for item in suggestions], importance=7),
    ]


def label_errors_json(found: LabelErrors) -> dict[str, Any]:
    """Everything, as a part of a JSON document."""
    return {
        "model": path_text(found.model),
        "images": found.images,
        "estimate": found.estimate,
        "remarks": list(map(path_text, found.remarks)),
        "suggestions": [
            {
                "path": path_text(item.path),
                "label": path_text(item.label),
                "suggested": path_text(item.suggested),
                "score": item.score,
                "suggested_score": item.suggested_score,
            }
            for item in found.suggestions
        ],
    }


def label_errors_sheet(found: LabelErrors, thumbnail: Callable[[ImageSource], bytes | None]) -> bytes:
    """A PNG of the most suspicious images, each with the suggested class above its own, which is framed."""
    from cnncli.render.sheet import LIMIT, Card, sheet_png  # only here: plain checks draw nothing

    cards = []
    for item in found.suggestions[:LIMIT]:
        scores = (Score(0, item.suggested, item.suggested_score), Score(1, item.label, item.score))
        truth = TrueClasses((frozenset({1}),), item.label)
        cards.append(Card(Prediction(item.source, scores), thumbnail(item.source), truth))
    return sheet_png(cards)
