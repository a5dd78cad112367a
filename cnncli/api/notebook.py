"""What a notebook shows: a table of predictions with thumbnails, and long work as a bar with the training curves."""

import base64
import html
import importlib
import sys
import time
from collections.abc import Sequence
from typing import Any

from cnncli.api.reports import ImagesDone, Report
from cnncli.images.decode import thumbnail
from cnncli.records.predictions import Prediction, Record, Score, Unreadable
from cnncli.records.report import TrainingSummary
from cnncli.records.training import TrainingProgress
from cnncli.text import counted, percent, printable

_BOX = (96, 96)
"""Largest (width, height) of a thumbnail in pixels."""

_BAR = 120
"""Width in pixels of the bar of a probability of 1."""

_EVERY = 0.25
"""Seconds between two updates of a bar."""


def is_notebook() -> bool:
    """Whether this Python is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None


def records_html(records: Sequence[Record], *, has_more: bool) -> str:
    """A table with a row for each record: thumbnail, path, classes with their probabilities."""
    rows = "".join(f"<tr>{_cells(record)}</tr>" for record in records)
    more = f"<p>the first {counted(len(records), 'image')}; there are more</p>" if has_more else ""
    return f"<table><thead><tr><th></th><th>image</th><th>prediction</th></tr></thead><tbody>{rows}</tbody></table>{more}"


def _cells(record: Record) -> str:
    path = f"<td style='text-align:left'>{_text(record.path)}</td>"
    if isinstance(record, Unreadable):
        return f"<td></td>{path}<td style='text-align:left'>cannot be read: {_text(record.reason)}</td>"
    picture = thumbnail(record.source, _BOX)
    image = (
        f"<img alt='' src='data:image/png;base64,{base64.b64encode(picture).decode()}'>" if picture else ""
    )
    return f"<td>{image}</td>{path}<td style='text-align:left'>{_answers(record)}</td>"


def _answers(record: Prediction) -> str:
    if not record.tasks:
        return _scores(record.scores)
    return "".join(f"<div><b>{_text(task.name)}</b>{_scores(task.scores)}</div>" for task in record.tasks)


def _scores(scores: Sequence[Score]) -> str:
    return "".join(
        f"<div><span style='display:inline-block;width:{_BAR}px'><span style='display:inline-block;height:.7em;"
        f"width:{score.probability * _BAR:.0f}px;background:#0072b2'></span></span> {percent(score.probability)} "
        f"{_text(score.label)}</div>"
        for score in scores
    )


def _text(text: str) -> str:
    return html.escape(printable(text))


class Display:
    """Shows reports below a cell: the last message, a bar, the training curves."""

    def __init__(self) -> None:
        display: Any = importlib.import_module("IPython.display")
        self._html = display.HTML
        self._handle = display.display(display.HTML(""), display_id=True)
        self._message = self._bar = self._curves = ""
        self._epochs, self._shown = 0, 0.0

    def __call__(self, report: Report) -> None:
        """Show a report; of those that follow each other quickly, not every one."""
        is_due = time.monotonic() - self._shown >= _EVERY
        match report:
            case str():
                self._message, self._bar, is_due = report, "", True
            case ImagesDone(done, total):
                self._bar = _progress(done, total, str(report))
                is_due |= done == total
            case TrainingProgress():
                self._bar = _progress(report.images, report.total, str(report))
                if len(report.history) != self._epochs:
                    self._epochs, self._curves, is_due = len(report.history), _curves(report), True
        if is_due:
            self._shown = time.monotonic()
            self._handle.update(self._html(f"<div>{_text(self._message)}</div>{self._bar}{self._curves}"))


def _progress(done: int, total: int, text: str) -> str:
    return f"<div><progress value='{done}' max='{total}'></progress> {_text(text)}</div>"


def _curves(report: TrainingProgress) -> str:
    from cnncli.render.curves import curves_png

    return _picture(
        curves_png(TrainingSummary(report.history, None, (), None, "")), "training curves", "100%"
    )


def _picture(png: bytes, description: str, width: str = "auto") -> str:
    data = base64.b64encode(png).decode()
    return f"<img alt='{description}' style='max-width:{width}' src='data:image/png;base64,{data}'>"
