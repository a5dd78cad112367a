"""Charts: nothing hides anything, and a page's colours."""

import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from cnncli.records.evaluation import CalibrationBin
from cnncli.records.report import TrainingSummary
from cnncli.records.training import Epoch, Keep
from cnncli.render.charts import curve_svgs, reliability_svg
from cnncli.render.confusion import confusion_png
from cnncli.render.curves import curve_figures

HISTORY = tuple(Epoch(n, 1e-3, 1 / n, 1 - 1 / n, 1.2 / n, 1 - 1.1 / (n + 1), 2.0, 50.0) for n in range(1, 40))
TRAINING = TrainingSummary(HISTORY, 0.9, (), None, "it is the best")


@pytest.mark.parametrize("figure", curve_figures(TRAINING)[:2])
def test_the_legend_hides_no_curve(figure: Figure) -> None:
    axes = figure.axes[0]
    legend = axes.get_legend()
    assert legend
    box = legend.get_window_extent()
    assert box.y0 > axes.bbox.y1
    assert box.y1 < axes.title.get_window_extent().y0
    assert 0 < box.x0 < box.x1 < figure.bbox.x1


@pytest.mark.parametrize(("keep", "label"), [(Keep.BEST, "best: epoch 1"), (Keep.LAST, "last: epoch 2")])
def test_the_curves_mark_the_epoch_that_is_kept(keep: Keep, label: str) -> None:
    falling = (replace(HISTORY[1], number=1), replace(HISTORY[0], number=2))
    accuracy = curve_figures(replace(TRAINING, epochs=falling, keep=keep))[1].axes[0]
    assert label in accuracy.get_legend_handles_labels()[1]


def test_charts_use_the_colours_of_the_page() -> None:
    """Which are brighter on a dark background."""
    bins = [CalibrationBin(0.0, 0.5, 3, 0.4, 0.5), CalibrationBin(0.5, 1.0, 4, 0.8, 0.75)]
    for chart in (reliability_svg(bins, 0.1), *curve_svgs(TRAINING)):
        assert "var(--" in chart
        assert not any(colour in chart for colour in ("#0072b2", "#d55e00", "#777777", "#ffffff"))


def test_the_reliability_diagram_explains_its_marks() -> None:
    chart = reliability_svg([CalibrationBin(0.5, 1.0, 1234, 0.8, 0.75)], 0.1)
    for text in ("perfect calibration", "accuracy", "mean probability", "1.23K"):
        assert f">{text}</text>" in chart


@pytest.mark.parametrize(
    "names", [["a", "b"], ["a name that is longer than any label $x^2$", "b"], [str(n) for n in range(30)]]
)
def test_the_names_of_a_confusion_matrix_fit_the_picture(names: list[str]) -> None:
    """Its edges are white: nothing is cut off."""
    content = confusion_png(np.eye(len(names), dtype=np.intp), names)
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("L"))
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert edge.min() == 255
