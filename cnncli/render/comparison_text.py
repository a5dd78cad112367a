"""Two evaluations side by side as text, and the images that only one network gets right."""

from collections.abc import Sequence

from cnncli.records.evaluation import Change, Comparison, Estimate, Evaluation
from cnncli.render.columns import Column, rows
from cnncli.render.evaluation_text import (
    evaluation_data_line,
    has_top5,
    macro_remark,
    shorten,
    threshold_text,
)
from cnncli.text import counted, percent, printable

CHANGES = 20
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
    names = titles(new.model, old.model)
    lines = [
        *legend(new.model, old.model),
        evaluation_data_line(new),
        "",
        *metric_table(evaluation_metrics(new, old), names),
        *([f"macro F1: {remark}"] if (remark := macro_remark(new)) else []),
        "",
        difference_line(comparison.difference, "top-1"),
        *agreement_lines(comparison.p_value, comparison.both_correct, comparison.neither_correct),
    ]
    if new.at_threshold:
        lines.append(f"threshold    {names[0]} {threshold_text(new)}; {names[1]} {threshold_text(old)}")
    for name, changes in zip(names, (comparison.gained, comparison.lost), strict=True):
        title = f"only {name} is correct: {counted(len(changes), 'image')}"
        lines += ["", title, *_change_table(changes, names, width)]
    return "\n".join(lines) + "\n"


Metrics = Sequence[tuple[str, float, float]]
"""Names of metrics with their values for the new and the old network."""


def evaluation_metrics(new: Evaluation, old: Evaluation) -> Metrics:
    """The metrics of networks with one right class per image."""
    return [
        ("top-1", new.top1.share, old.top1.share),
        *([("top-5", new.top5.share, old.top5.share)] if has_top5(new) else []),
        ("macro F1", new.macro.f1.value, old.macro.f1.value),
        ("calibration error", new.calibration_error, old.calibration_error),
    ]


def metric_table(metrics: Metrics, names: tuple[str, str]) -> list[str]:
    """The metrics of the networks with these names side by side, and their differences."""
    return rows(
        [
            Column("", [name for name, *_ in metrics]),
            Column(names[0], [percent(value) for _, value, _ in metrics], is_number=True),
            Column(names[1], [percent(value) for _, _, value in metrics], is_number=True),
            Column("", [_points(value - other) for _, value, other in metrics], is_number=True),
        ]
    )


def difference_line(difference: Estimate, metric: str) -> str:
    """The difference of a metric with its confidence interval."""
    interval = f"95 % CI {_points(difference.low)} to {_points(difference.high)}"
    return f"difference   {_points(difference.value)} of {metric} ({interval})"


def agreement_lines(p_value: float, both: int, neither: int) -> list[str]:
    """McNemar's test, and on how many images both networks, or neither, are right."""
    verdict = "significant" if p_value < _SIGNIFICANT else "not significant"
    return [
        f"McNemar      p = {p_value:.3g}, {verdict}",
        f"correct      both {counted(both, 'image')}, neither {neither:,}",
    ]


def titles(new: str, old: str) -> tuple[str, str]:
    """Column titles of the new and the old network: their names, if they are short and differ."""
    fits = all(len(name) <= _LONGEST_TITLE and printable(name) == name for name in (new, old))
    return (new, old) if fits and new != old else ("new", "old")


def legend(new: str, old: str) -> list[str]:
    """Which network is called new, and which old, where columns are titled so."""
    if titles(new, old) == (new, old):
        return []
    return [f"new          {printable(new)}", f"old          {printable(old)}"]


def _change_table(changes: Sequence[Change], names: tuple[str, str], width: int | None) -> list[str]:
    if not changes:
        return []
    hidden, changes = len(changes) - CHANGES, changes[:CHANGES]
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
    return lines + hidden_lines(hidden)


def hidden_lines(hidden: int) -> list[str]:
    """How many changes were left out, and where they are."""
    return [f"and {hidden:,} more, with -f json or --output"] if hidden > 0 else []


def _points(share: float) -> str:
    return f"{100 * share:+.1f} points"
