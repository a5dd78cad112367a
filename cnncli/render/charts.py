"""Charts of a report: SVG in the text colour of the page, so that they suit its dark mode as well.

The reliability diagram is that of DeGroot and Fienberg (1983), as Guo et al. (2017) draw it.
"""

import io
import re
from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from cnncli.records.evaluation import CalibrationBin, Coverage
from cnncli.records.report import TrainingSummary
from cnncli.render.curves import BLUE, GREY, ORANGE, curve_figures, set_title
from cnncli.text import percent, short

_TALL = 0.08
"""Smallest height of a bar that its number fits into."""

_INK, _PAPER = "#010203", "#fefdfc"
"""Colours of text, and of text on a bar."""

_PAGE_COLOURS = {
    _INK: "currentColor",
    _PAPER: "var(--paper)",
    BLUE: "var(--accent)",
    ORANGE: "var(--second)",
    GREY: "var(--faint)",
}
"""What the colours become in a page, which has brighter ones on a dark background."""

_STYLE: Any = {  # rc_context has a type of its own for names
    "svg.fonttype": "none",
    "svg.hashsalt": "cnncli",
    "font.family": "sans-serif",
    "savefig.transparent": True,
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor", "xtick.color", "ytick.color"),
        _INK,
    ),
}


def reliability_svg(bins: Sequence[CalibrationBin], error: float) -> str:
    """A reliability diagram.

    Args:
        bins: bins of predictions by probability.
        error: expected calibration error, from 0 to 1.
    """
    with rc_context(_STYLE):
        return _svg(_reliability(bins, error), "reliability diagram")


def reliability_png(bins: Sequence[CalibrationBin], error: float) -> bytes:
    """A reliability diagram as a PNG; arguments as for `reliability_svg`."""
    picture = io.BytesIO()
    _reliability(bins, error).savefig(picture, format="png", dpi=120)
    return picture.getvalue()


def coverage_svg(points: Sequence[Coverage], images: int) -> str:
    """Coverage and accuracy by confidence threshold.

    Args:
        points: coverage, in the order of thresholds.
        images: number of all images.
    """
    with rc_context(_STYLE):
        figure, axes = _axes()
        points = [point for point in points if point.images]
        thresholds = [point.threshold for point in points]
        axes.plot(thresholds, [point.images / images for point in points], "--", color=BLUE, label="coverage")
        accuracies = [point.correct / point.images for point in points]
        axes.plot(thresholds, accuracies, color=ORANGE, label="accuracy")
        axes.set_xlabel("confidence threshold")
        set_title(axes, "coverage and accuracy")
        return _svg(figure, "coverage and accuracy by confidence threshold")


def curve_svgs(training: TrainingSummary) -> list[str]:
    """The training curves, one element each."""
    with rc_context(_STYLE):
        return [_svg(figure, figure.axes[0].get_title()) for figure in curve_figures(training)]


def _reliability(bins: Sequence[CalibrationBin], error: float) -> Figure:
    figure, axes = _axes()
    axes.plot([0, 1], [0, 1], ":", color=GREY, label="perfect calibration")
    filled = [bin_ for bin_ in bins if bin_.images]
    centres = [(bin_.low + bin_.high) / 2 for bin_ in filled]
    axes.bar(
        centres,
        [bin_.accuracy for bin_ in filled],
        width=0.9 / len(bins),
        color=BLUE,
        alpha=0.8,
        label="accuracy",
    )
    axes.plot(
        [bin_.confidence for bin_ in filled],
        [bin_.accuracy for bin_ in filled],
        "o",
        color=ORANGE,
        markersize=4,
        label="mean probability",
    )
    for centre, bin_ in zip(centres, filled, strict=True):
        colour = _PAPER if bin_.accuracy > _TALL else _INK
        axes.text(centre, 0.02, short(bin_.images), ha="center", fontsize=7, color=colour)
    axes.set_xlabel("predicted probability")
    set_title(axes, f"reliability diagram (ECE {percent(error)})")
    return figure


def _axes() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.6, 3.8))
    figure.subplots_adjust(left=0.12, right=0.95, bottom=0.13, top=0.86)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    for side in (axes.xaxis, axes.yaxis):
        side.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure, axes


def _svg(figure: Figure, title: str) -> str:
    """An SVG element for a page, with a title for screen readers."""
    picture = io.StringIO()
    figure.savefig(picture, format="svg", metadata={"Date": None, "Creator": None})
    text = picture.getvalue()
    element = text[text.index("<svg") :]
    for colour, page_colour in _PAGE_COLOURS.items():
        element = element.replace(colour, page_colour)
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    return element.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)
