"""What an evaluation found: text for a person, JSON for a program."""

import json
from collections.abc import Sequence
from typing import Any

from cnncli.records.evaluation import (
    Accuracy,
    Answer,
    Average,
    Change,
    Comparison,
    Coverage,
    Estimate,
    Evaluation,
)
from cnncli.render.columns import Column, rows
from cnncli.text import counted, is_percent_encoded, path_text, printable

_MOST_CLASSES = 30
"""Classes that a table shows; of more it shows those that are told worst."""

_MATRIX = 10
"""Classes up to which the confusion matrix is shown."""

_MISTAKES, _MISTAKES_IN_JSON, _CHANGES = 5, 50, 20

_LONGEST = 32
"""Characters of a class's name in a table."""

_NAME = 20
"""Characters of a network's name that heads a column."""


def evaluated_text(found: Evaluation, width: int | None) -> str:
    """Figures, classes, confusions, mistakes.

    Args:
        found: what there is to tell.
        width: of the terminal; None where there is none.
    """
    lines = [*_figures(found), "", *_classes(found, width)]
    if len(found.classes) <= _MATRIX:
        lines += ["", *_matrix(found)]
    if mistakes := found.mistakes():
        lines += [
            "",
            f"most confident of {counted(len(mistakes), 'mistake')}",
            *_mistakes(found, mistakes, width),
        ]
    return "\n".join(lines) + "\n"


def _figures(found: Evaluation) -> list[str]:
    left_out = f", {len(found.unreadable):,} could not be read" if found.unreadable else ""
    lines = [
        f"model        {printable(found.model)}",
        f"data         {printable(found.data)}: {counted(len(found.answers), 'image')}, {found.split}, {printable(found.split_source)}{left_out}",
        f"top-1        {_accuracy(found.top1)}",
    ]
    if len(found.class_names) > 5:  # noqa: PLR2004 - of five classes one is always among the first five
        lines.append(f"top-5        {_accuracy(found.top5)}")
    macro, weighted = found.macro, found.weighted
    lines += [
        f"mean F1      {_estimate(macro.f1)}, weighted by images {_percent(weighted.f1.value)}",
        f"calibration  expected error {_percent(found.calibration_error)}, loss {found.loss:.4f}",
    ]
    return lines + ([f"threshold    {_sure(found)}"] if found.sure else [])


def _sure(found: Evaluation) -> str:
    sure = found.sure
    if not sure:
        return ""
    right = f", {_percent(sure.right / sure.images)} of these right" if sure.images else ""
    return f"{sure.threshold:g} leaves {_percent(sure.images / len(found.answers))} of the images answered{right}"


def _classes(found: Evaluation, width: int | None) -> list[str]:
    scores = list(found.classes)
    cut = len(scores) - _MOST_CLASSES
    if cut > 0:
        scores = sorted(scores, key=lambda score: (not score.support, score.f1, -score.support))[
            :_MOST_CLASSES
        ]
    averages: list[tuple[str, Average]] = [
        ("mean of classes", found.macro),
        ("weighted by images", found.weighted),
    ]
    images = f"{len(found.answers):,}"

    def cells(what: str) -> list[str]:
        return [_percent(getattr(score, what)) for score in scores] + [
            _percent(getattr(average, what).value) for _, average in averages
        ]

    names = [_name(found, score.index) for score in scores] + [name for name, _ in averages]
    lines = rows(
        [
            Column("class", names, importance=9),
            Column("precision", cells("precision"), is_number=True, importance=5),
            Column("recall", cells("recall"), is_number=True, importance=6),
            Column("F1", cells("f1"), is_number=True, importance=7),
            Column(
                "images",
                [f"{score.support:,}" for score in scores] + [images] * 2,
                is_number=True,
                importance=8,
            ),
            Column(
                "taken for it", [f"{score.predicted:,}" for score in scores] + [images] * 2, is_number=True
            ),
        ],
        width,
    )
    if cut > 0:
        lines.append(f"(the {_MOST_CLASSES} with the lowest F1 of {len(found.classes):,})")
    return lines


def _matrix(found: Evaluation) -> list[str]:
    places = [score.index for score in found.classes]
    counts = {(cell.actual, cell.predicted): cell.images for cell in found.confusions}
    columns = [Column("is \\ taken for", [_name(found, index) for index in places])]
    columns += [
        Column(
            _name(found, column),
            [f"{counts[row, column]:,}" if (row, column) in counts else "·" for row in places],
            is_number=True,
        )
        for column in places
    ]
    return rows(columns)


def _mistakes(found: Evaluation, mistakes: Sequence[Answer], width: int | None) -> list[str]:
    worst = mistakes[:_MISTAKES]
    return rows(
        [
            Column("image", [printable(answer.path) for answer in worst], importance=9),
            Column("is", [_name(found, answer.label) for answer in worst], importance=8),
            Column("taken for", [_name(found, answer.predicted) for answer in worst], importance=7),
            Column("probability", [_percent(answer.probability) for answer in worst], is_number=True),
        ],
        width,
    )


def compared_text(found: Comparison, width: int | None) -> str:
    """Two networks side by side, and the images that make the difference."""
    new, old = found.new, found.old
    names = _names(found)
    figures = [
        ("top-1", new.top1.share, old.top1.share),
        ("top-5", new.top5.share, old.top5.share),
        ("mean F1", new.macro.f1.value, old.macro.f1.value),
        ("calibration error", new.calibration_error, old.calibration_error),
    ]
    low, high = _points(found.difference.low), _points(found.difference.high)
    told = "a difference that chance hardly explains" if found.p_value < 0.05 else "may well be chance"  # noqa: PLR2004
    lines = [
        *([] if names == (new.model, old.model) else _legend(found)),
        f"data         {printable(new.data)}: {counted(len(new.answers), 'image')}, {new.split}, {printable(new.split_source)}",
        "",
        *rows(
            [
                Column("", [name for name, *_ in figures]),
                Column(names[0], [_percent(value) for _, value, _ in figures], is_number=True),
                Column(names[1], [_percent(value) for _, _, value in figures], is_number=True),
                Column("", [_points(value - other) for _, value, other in figures], is_number=True),
            ]
        ),
        "",
        f"difference   {_points(found.difference.value)} of top-1 (95 % interval {low} to {high})",
        f"McNemar      p = {found.p_value:.3g}, {told}",
        f"both right   {counted(found.both, 'image')}; neither {found.neither:,}",
        *([f"threshold    {names[0]}: {_sure(new)}; {names[1]}: {_sure(old)}"] if new.sure else []),
    ]
    for name, changes in zip(names, (found.gained, found.lost), strict=True):
        title = f"only {name} is right: {counted(len(changes), 'image')}"
        lines += ["", title, *_changes(changes, names, width)]
    return "\n".join(lines) + "\n"


def _names(found: Comparison) -> tuple[str, str]:
    """What heads the columns of the new and of the old network: their names, if they are short and differ."""
    names = found.new.model, found.old.model
    fit = all(len(name) <= _NAME and printable(name) == name for name in names) and names[0] != names[1]
    return names if fit else ("new", "old")


def _legend(found: Comparison) -> list[str]:
    return [f"new          {printable(found.new.model)}", f"old          {printable(found.old.model)}"]


def _changes(changes: Sequence[Change], names: tuple[str, str], width: int | None) -> list[str]:
    if not changes:
        return []
    rest = len(changes) - _CHANGES
    changes = changes[:_CHANGES]
    lines = rows(
        [
            Column("image", [printable(change.path) for change in changes], importance=9),
            Column("is", [_short(change.label) for change in changes], importance=8),
            Column(
                names[0],
                [f"{_short(change.new)} {_percent(change.new_probability)}" for change in changes],
                importance=7,
            ),
            Column(
                names[1],
                [f"{_short(change.old)} {_percent(change.old_probability)}" for change in changes],
                importance=6,
            ),
        ],
        width,
    )
    return lines + ([f"and {rest:,} more, with -f json or --output"] if rest > 0 else [])


# ---- for programs


def evaluated_json(found: Evaluation) -> str:
    """Everything but the answers themselves, as one object; shares are fractions."""
    return _dumped(_document(found))


def compared_json(found: Comparison) -> str:
    """Both evaluations, and what is between them."""

    def changes(items: Sequence[Change]) -> list[dict[str, Any]]:
        return [
            {
                **_path(change.path),
                "label": change.label,
                "old": change.old,
                "old_probability": change.old_probability,
                "new": change.new,
                "new_probability": change.new_probability,
            }
            for change in items
        ]

    return _dumped(
        {
            "new": _document(found.new),
            "old": _document(found.old),
            "difference": _value(found.difference),
            "mcnemar_p_value": found.p_value,
            "both_right": found.both,
            "neither_right": found.neither,
            "gained": changes(found.gained),
            "lost": changes(found.lost),
        }
    )


def _document(found: Evaluation) -> dict[str, Any]:
    names = found.class_names
    document = {
        "model": path_text(found.model),
        "data": path_text(found.data),
        "split": found.split,
        "split_source": path_text(found.split_source),
        "images": len(found.answers),
        "top1": found.top1.share,
        "top1_interval": [found.top1.low, found.top1.high],
        "top5": found.top5.share,
        "top5_interval": [found.top5.low, found.top5.high],
        "loss": found.loss,
        "calibration_error": found.calibration_error,
        "macro": _average(found.macro),
        "weighted": _average(found.weighted),
        "classes": [
            {
                "name": names[score.index],
                "index": score.index,
                "precision": score.precision,
                "recall": score.recall,
                "f1": score.f1,
                "support": score.support,
                "predicted": score.predicted,
            }
            for score in found.classes
        ],
        "confusion": [
            {"label": names[cell.actual], "predicted": names[cell.predicted], "images": cell.images}
            for cell in found.confusions
        ],
        "calibration": [
            {
                "low": bin_.low,
                "high": bin_.high,
                "images": bin_.images,
                "confidence": bin_.confidence,
                "accuracy": bin_.accuracy,
            }
            for bin_ in found.bins
        ],
        "coverage": [_coverage(point, len(found.answers)) for point in found.coverage],
        "mistakes": [
            {
                **_path(answer.path),
                "label": names[answer.label],
                "predicted": names[answer.predicted],
                "probability": answer.probability,
                "label_probability": answer.label_probability,
            }
            for answer in found.mistakes()[:_MISTAKES_IN_JSON]
        ],
        "unreadable": [{**_path(record.path), "reason": record.reason} for record in found.unreadable],
        "remarks": [path_text(remark) for remark in found.remarks],
    }
    return document | ({"threshold": _coverage(found.sure, len(found.answers))} if found.sure else {})


def _coverage(point: Coverage, images: int) -> dict[str, Any]:
    return {
        "threshold": point.threshold,
        "images": point.images,
        "coverage": point.images / images,
        "accuracy": point.right / point.images if point.images else None,
    }


def _average(average: Average) -> dict[str, Any]:
    return {name: _value(getattr(average, name)) for name in ("precision", "recall", "f1")}


def _value(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _path(path: str) -> dict[str, str]:
    encoded = {"path_encoding": "percent"} if is_percent_encoded(path) else {}
    return {"path": path_text(path)} | encoded


def _dumped(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


# ---- words


def _accuracy(found: Accuracy) -> str:
    return (
        f"{_percent(found.share)} of {counted(found.images, 'image')} right "
        f"(95 % interval {100 * found.low:.1f} to {100 * found.high:.1f})"
    )


def _estimate(found: Estimate) -> str:
    return f"{_percent(found.value)} (95 % interval {100 * found.low:.1f} to {100 * found.high:.1f})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(share: float) -> str:
    return f"{100 * share:+.1f} points"


def _name(found: Evaluation, index: int) -> str:
    return _short(found.class_names[index])


def _short(name: str) -> str:
    shown = printable(name)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
