"""Training curves and the learning rate range test, as pictures."""

import io
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from cnncli.records.report import TrainingSummary
from cnncli.records.training import kept_epoch

_CURVES = 3
"""Loss, accuracy, learning rate."""

_WIDTH = 4.2
"""Width of each, in inches."""

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#777777"
"""From the palette of Okabe and Ito, which is safe for colour-blind people."""


def curves_png(training: TrainingSummary) -> bytes:
    """Loss, accuracy and learning rate by epoch, side by side in a PNG."""
    figure, axes = _axes(_CURVES, _WIDTH * _CURVES)
    _draw_curves(axes, training)
    return _png(figure)


def curve_figures(training: TrainingSummary) -> list[Figure]:
    """The curves of `curves_png` as one figure each, which a page can stack."""
    figures, axes = zip(*(_axes(1, _WIDTH) for _ in range(_CURVES)), strict=True)
    _draw_curves([panel for (panel,) in axes], training)
    return list(figures)


def _draw_curves(axes: Sequence[Axes], training: TrainingSummary) -> None:
    loss, top1, rate = axes
    history, keep = training.epochs, training.keep
    epochs = [epoch.number for epoch in history]
    marker = "o" if len(epochs) == 1 else None
    for panel, train, val in (
        (loss, [epoch.train_loss for epoch in history], [epoch.val_loss for epoch in history]),
        (top1, [epoch.train_top1 for epoch in history], [epoch.val_top1 for epoch in history]),
    ):
        panel.plot(epochs, train, color=BLUE, label="train", marker=marker)
        panel.plot(epochs, val, color=ORANGE, label="val", marker=marker)
    if kept := kept_epoch(history, keep):
        top1.plot(kept.number, kept.val_top1, "o", color=ORANGE, label=f"{keep}: epoch {kept.number}")
    if training.feature_accuracy is not None:
        top1.axhline(training.feature_accuracy, color=GREY, linestyle="--", label="features only")
    rate.plot(epochs, [epoch.lr for epoch in history], color=GREY, marker=marker)
    top1.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    rate.ticklabel_format(axis="y", scilimits=(-2, 3))
    for panel, title in ((loss, "loss"), (top1, "accuracy"), (rate, "learning rate")):
        set_title(panel, title)
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))


def set_title(axes: Axes, title: str) -> None:
    """Write the title, and below it a legend of all labelled lines: above the axes, where it hides none of them."""
    axes.set_title(title, y=1.08)
    entries = len(axes.get_legend_handles_labels()[0])
    if entries:
        axes.legend(
            loc="lower center",
            bbox_to_anchor=(0.5, 0.98),
            ncols=entries,
            fontsize="small",
            frameon=False,
            handlelength=1.2,
            columnspacing=1.0,
        )


def lr_range_png(rates: Sequence[float], losses: Sequence[float], lr: float) -> bytes:
    """A PNG of a learning rate range test: the loss by learning rate, and the learning rate that was chosen."""
    figure, (axes,) = _axes(1, 1.4 * _WIDTH)
    axes.plot(rates, losses, color=BLUE)
    axes.axvline(lr, color=ORANGE, linestyle="--", label=f"chosen: {lr:.1e}")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    set_title(axes, "learning rate range test (smoothed loss)")
    return _png(figure)


def _axes(count: int, width: float) -> tuple[Figure, list[Axes]]:
    """A figure with axes side by side; its width in inches."""
    figure = Figure(figsize=(width, 3.8))
    # Margins in inches. A layout engine would draw everything twice to find them.
    figure.subplots_adjust(
        left=0.6 / width, right=1 - 0.15 / width, bottom=0.14, top=0.85, wspace=0.8 / (width / count - 0.8)
    )
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(1, count, column + 1) for column in range(count)]
    for panel in axes:
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Figure) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    return picture.getvalue()
