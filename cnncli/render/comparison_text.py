"""Two evaluations side by side as text, and the images that only one network gets right."""

from collections.abc import Sequence

from cnncli.records.evaluation import Change, Comparison
from cnncli.render.columns import Column, rows
from cnncli.render.evaluation_text import data_line, has_top5, macro_remark, shorten, threshold_text
from cnncli.text import counted, percent, printable

_CHANGES = 20
"""Largest number of images listed for each network."""

_LONGEST_TITLE = 20
"""Largest number of characters of a network's name as a column header."""

_SIGNIFICANT = 0.05
"""p-value below which a difference is called significant."""


def comparison_text(comparison: Comparison, width: int | None) -> str:
    """Everything that `cnncli evaluate` prints for two networks.

    Args:
        comparison: the comparison of both.
        width: width of the terminal in characters; None for no limit.
    """
    new, old = comparison.new, comparison.old
    names = _titles(comparison)
    low, high = _points(comparison.difference.low), _points(comparison.difference.high)
    verdict = "significant" if comparison.p_value < _SIGNIFICANT else "not significant"
    lines = [
        *([] if names == (new.model, old.model) else _legend(comparison)),
        data_line(new),
        "",
        *_metrics(comparison, names),
        *([f"macro F1: {remark}"] if (remark := macro_remark(new)) else []),
        "",
        f"difference   {_points(comparison.difference.value)} of top-1 (95 % CI {low} to {high})",
        f"McNemar      p = {comparison.p_value:.3g}, {verdict}",
        f"correct      both {counted(comparison.both_correct, 'image')}, neither {comparison.neither_correct:,}",
    ]
    if new.at_threshold:
        lines.append(f"threshold    {names[0]} {threshold_text(new)}; {names[1]} {threshold_text(old)}")
    for name, changes in zip(names, (comparison.gained, comparison.lost), strict=True):
        title = f"only {name} is correct: {counted(len(changes), 'image')}"
        lines += ["", title, *_change_table(changes, names, width)]
    return "\n".join(lines) + "\n"


def _metrics(comparison: Comparison, names: tuple[str, str]) -> list[str]:
    new, old = comparison.new, comparison.old
    metrics = [
        ("top-1", new.top1.share, old.top1.share),
        *([("top-5", new.top5.share, old.top5.share)] if has_top5(new) else []),
        ("macro F1", new.macro.f1.value, old.macro.f1.value),
        ("calibration error", new.calibration_error, old.calibration_error),
    ]
    return rows(
        [
            Column("", [name for name, *_ in metrics]),
            Column(names[0], [percent(value) for _, value, _ in metrics], is_number=True),
            Column(names[1], [percent(value) for _, _, value in metrics], is_number=True),
            Column("", [_points(value - other) for _, value, other in metrics], is_number=True),
        ]
    )


def _titles(comparison: Comparison) -> tuple[str, str]:
    """Column titles of the new and the old network: their names, if they are short and differ."""
    names = comparison.new.model, comparison.old.model
    fits = all(len(name) <= _LONGEST_TITLE and printable(name) == name for name in names)
    return names if fits and names[0] != names[1] else ("new", "old")


def _legend(comparison: Comparison) -> list[str]:
    return [
        f"new          {printable(comparison.new.model)}",
        f"old          {printable(comparison.old.model)}",
    ]


def _change_table(changes: Sequence[Change], names: tuple[str, str], width: int | None) -> list[str]:
    if not changes:
        return []
    hidden = len(changes) - _CHANGES
    changes = changes[:_CHANGES]
    new = [f"{shorten(change.new)} ({percent(change.new_probability)})" for change in changes]
    old = [f"{shorten(change.old)} ({percent(change.old_probability)})" for change in changes]
    lines = rows(
        [
            Column("image", [printable(change.path) for change in changes], importance=9),
            Column("true", [shorten(change.label) for change in changes], importance=8),
            Column(names[0], new, importance=7),
            Column(names[1], old, importance=6),
        ],
        width,
    )
    return lines + ([f"and {hidden:,} more, with -f json or --output"] if hidden > 0 else [])


def _points(share: float) -> str:
    return f"{100 * share:+.1f} points"
