"""Training curves and the learning rate range test, as pictures."""

import io
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from cnncli.records.training import Epoch, best_epoch

_TRAIN, _VAL, _GREY = "#0072b2", "#d55e00", "#777777"
"""From the palette of Okabe and Ito, which is safe for colour-blind people."""


def curves_png(history: Sequence[Epoch], feature_accuracy: float | None) -> bytes:
    """A PNG of `curves`."""
    return _png(curves(history, feature_accuracy))


def curves(history: Sequence[Epoch], feature_accuracy: float | None) -> Figure:
    """Loss, accuracy and learning rate by epoch.

    Args:
        history: the epochs.
        feature_accuracy: validation accuracy of a classifier on features, drawn as a baseline; None for no line.
    """
    figure, (loss, top1, rate) = _axes(3)
    epochs = [epoch.number for epoch in history]
    marker = "o" if len(epochs) == 1 else None
    for axes, train, val in (
        (loss, [epoch.train_loss for epoch in history], [epoch.val_loss for epoch in history]),
        (top1, [epoch.train_top1 for epoch in history], [epoch.val_top1 for epoch in history]),
    ):
        axes.plot(epochs, train, color=_TRAIN, label="train", marker=marker)
        axes.plot(epochs, val, color=_VAL, label="val", marker=marker)
    if best := best_epoch(history):
        top1.plot(best.number, best.val_top1, "o", color=_VAL, label=f"best: epoch {best.number}")
    if feature_accuracy is not None:
        top1.axhline(feature_accuracy, color=_GREY, linestyle="--", label="classifier on features")
    rate.plot(epochs, [epoch.lr for epoch in history], color=_GREY, marker=marker)
    top1.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    rate.ticklabel_format(axis="y", scilimits=(-2, 3))
    for axes, title in ((loss, "loss"), (top1, "accuracy"), (rate, "learning rate")):
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    loss.legend()
    top1.legend()
    return figure


def lr_range_png(rates: Sequence[float], losses: Sequence[float], lr: float) -> bytes:
    """A PNG of a learning rate range test: the loss by learning rate, and the learning rate that was chosen."""
    figure, (axes,) = _axes(1)
    axes.plot(rates, losses, color=_TRAIN)
    axes.axvline(lr, color=_VAL, linestyle="--", label=f"chosen: {lr:.1e}")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_title("learning rate range test (smoothed loss)")
    axes.legend()
    return _png(figure)


def _axes(count: int) -> tuple[Figure, list[Axes]]:
    width = 4.2 * count + 1.5 * (count == 1)
    figure = Figure(figsize=(width, 3.6))
    # Margins in inches. A layout engine would draw everything twice to find them.
    figure.subplots_adjust(
        left=0.6 / width, right=1 - 0.15 / width, bottom=0.15, top=0.9, wspace=0.8 / (width / count - 0.8)
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
