"""Predictions as a table on a terminal: one row per class, with a bar for its probability.

Rows are written as they come, so the layout depends on the terminal's width, the labels of all classes and the first path.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from cnncli.records.predictions import UNKNOWN, Prediction, Record, Score, Unreadable
from cnncli.render.columns import fit, fit_path
from cnncli.text import percent, printable

_GAP = 2
_PERCENT = 7
"""Width of `100.0 %`."""
_NARROW = 56
"""Terminal width below which the image's name gets a line of its own and bars are omitted."""
_WIDEST = 140
"""Largest width of the table."""
_SLACK = 4
"""By how much later paths may be wider than the first."""
_EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True, slots=True)
class _Columns:
    image: int
    label: int
    bar: int


class PredictionTable:
    """Records as the rows of a table as wide as the terminal."""

    def __init__(self, console: Console, labels: Sequence[str]) -> None:
        """Lay out the columns.

        Args:
            console: gives width, colours and encoding.
            labels: of all classes.
        """
        self._console = console
        self._width = min(console.width, _WIDEST)
        self._widest_label = max(cell_len(printable(label)) for label in (*labels, UNKNOWN))
        self._layout: _Columns | None = None
        self._is_plain = not (console.encoding or "").lower().startswith("utf")

    def begin(self) -> str:
        """Nothing yet: the header comes with the first record."""
        return ""

    def record(self, record: Record) -> str:
        """The image's name, its classes, and an empty line where there are several."""
        name = printable(record.path)
        header = ""
        if self._layout is None:
            self._layout = _columns(self._width, self._widest_label, cell_len(name))
            header = self._header()
        return header + self._rows(record, name)

    @property
    def _columns(self) -> _Columns:
        return self._layout or _columns(self._width, self._widest_label, 0)

    def _header(self) -> str:
        """The titles; none where there is no room for columns."""
        columns = self._columns
        if not columns.image:
            return ""
        head = (
            f"{fit('image', columns.image)}{' ' * _GAP}{fit('label', columns.label)}{' ' * _GAP}"
            f"{'probability'.rjust(columns.bar + 1 + _PERCENT)}"
        )
        return self._text(Text(head, "bold underline"))

    def _rows(self, record: Record, name: str) -> str:
        if isinstance(record, Unreadable):
            return self._unreadable(name, record.reason)
        scores = _scores_above_threshold(record)
        rows = (
            self._stack_labels(name, scores) if not self._columns.image else self._side_by_side(name, scores)
        )
        return "".join(map(self._text, rows)) + ("\n" if len(record.scores) > 1 else "")

    def end(self) -> str:
        """Nothing."""
        return ""

    def _unreadable(self, name: str, reason: str) -> str:
        indent = self._columns.image + _GAP
        message = Text(f"cannot be read: {printable(reason)}", "yellow")
        lines = message.wrap(self._console, max(self._width - indent, 1))
        head = fit_path(name, self._columns.image or self._width)
        if self._columns.image:
            rows = [Text(head + " " * _GAP), *[Text(" " * indent)] * (len(lines) - 1)]
            return "".join(self._text(row + line) for row, line in zip(rows, lines, strict=True)) + "\n"
        return (
            self._text(Text(head)) + "".join(self._text(Text(" " * indent) + line) for line in lines) + "\n"
        )

    def _side_by_side(self, name: str, scores: list[Score]) -> list[Text]:
        columns = self._columns
        return [
            Text.assemble(
                fit_path(name, columns.image) if rank == 0 else " " * columns.image,
                " " * _GAP,
                (fit(printable(score.label), columns.label), _label_style(rank, score)),
                " " * _GAP,
                (self._bar(score.probability), _bar_style(rank, score)),
                (_percent(score), _label_style(rank, score)),
            )
            for rank, score in enumerate(scores)
        ]

    def _stack_labels(self, name: str, scores: list[Score]) -> list[Text]:
        width = max(self._width - _GAP - _PERCENT - 1, 1)
        lines = [Text(fit_path(name, self._width))]
        for rank, score in enumerate(scores):
            label = fit(printable(score.label), width)
            lines.append(Text(f"{' ' * _GAP}{label}{_percent(score)}", _label_style(rank, score)))
        return lines

    def _bar(self, probability: float) -> str:
        width = self._columns.bar
        if self._is_plain:
            return ("#" * round(probability * width)).ljust(width)
        eighths = round(probability * width * 8)
        return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).ljust(width)[:width]

    def _text(self, text: Text) -> str:
        with self._console.capture() as capture:
            self._console.print(text, soft_wrap=True, highlight=False)
        return capture.get()


def _columns(width: int, widest_label: int, path: int) -> _Columns:
    """The widths of the columns; what short labels leave is for longer paths.

    Args:
        width: of the terminal.
        widest_label: width of the widest label.
        path: width of the first path.
    """
    if width < _NARROW:
        return _Columns(0, 0, 0)
    bar = width // 5
    names = width - bar - _PERCENT - 1 - 2 * _GAP
    usual = names * 9 // 20
    label = min(widest_label, names - usual)
    image = min(names - label, max(usual, path + _SLACK))
    return _Columns(image, max(label, names - usual - max(image - usual, 0)), bar)


def _scores_above_threshold(prediction: Prediction) -> list[Score]:
    """The scores that reach the threshold; if none does, the first, whose label is `unknown`."""
    above = [score for score in prediction.scores if score.index is not None]
    return above or list(prediction.scores[:1])


def _percent(score: Score) -> str:
    return f" {percent(score.probability):>{_PERCENT}}"


def _label_style(rank: int, score: Score) -> str:
    if score.label == UNKNOWN and score.index is None:
        return "yellow"
    return "bold" if rank == 0 else "dim"


def _bar_style(rank: int, score: Score) -> str:
    if score.index is None:
        return "yellow"
    return "green" if rank == 0 else "dim"
