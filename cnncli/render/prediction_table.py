"""Predictions as a table on a terminal: one row per class, with a bar for its probability.

Rows are written as they come, so the layout depends on the terminal's width and on the labels of all classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from cnncli.records.predictions import UNKNOWN, Prediction, Record, Score, Unreadable
from cnncli.render.columns import fit, fit_path
from cnncli.text import printable

_GAP = 2
_PERCENT = 6
"""Width of `100.0%`."""
_NARROW = 56
"""Terminal width below which the image's name gets a line of its own and bars are omitted."""
_WIDEST = 140
"""Largest width of the table."""
_WIDEST_PATH = 60
"""Width of the paths beyond which they are far from their labels."""
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
        widest = max(cell_len(printable(label)) for label in (*labels, UNKNOWN))
        self._columns = _columns(self._width, widest)
        self._is_plain = not (console.encoding or "").lower().startswith("utf")

    def begin(self) -> str:
        """The header; none where there is no room for columns."""
        columns = self._columns
        if not columns.image:
            return ""
        head = (
            f"{fit('image', columns.image)}{' ' * _GAP}{fit('label', columns.label)}{' ' * _GAP}"
            f"{'probability'.rjust(columns.bar + 1 + _PERCENT)}"
        )
        return self._text(Text(head, "bold underline"))

    def record(self, record: Record) -> str:
        """The image's name, its classes, and an empty line where there are several."""
        name = printable(record.path)
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


def _columns(width: int, widest_label: int) -> _Columns:
    """The widths of the columns; what short labels leave is for the paths, up to a limit."""
    if width < _NARROW:
        return _Columns(0, 0, 0)
    bar = width // 5
    names = width - bar - _PERCENT - 1 - 2 * _GAP
    label = min(widest_label, names - names * 9 // 20)
    image = min(names - label, max(names * 9 // 20, _WIDEST_PATH))
    return _Columns(image, label, bar)


def _scores_above_threshold(prediction: Prediction) -> list[Score]:
    """The scores that reach the threshold; if none does, the first, whose label is `unknown`."""
    above = [score for score in prediction.scores if score.index is not None]
    return above or list(prediction.scores[:1])


def _percent(score: Score) -> str:
    return f" {score.probability:{_PERCENT}.1%}"


def _label_style(rank: int, score: Score) -> str:
    if score.label == UNKNOWN and score.index is None:
        return "yellow"
    return "bold" if rank == 0 else "dim"


def _bar_style(rank: int, score: Score) -> str:
    if score.index is None:
        return "yellow"
    return "green" if rank == 0 else "dim"
