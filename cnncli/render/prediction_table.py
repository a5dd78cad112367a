"""Predictions as a table on a terminal: one row per class, with a bar for its probability; several tasks one below the other.

Rows are written as they come, so the layout depends on the terminal's width, the labels of all classes and the first path.
"""

from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from cnncli.dataclass import frozen_dataclass
from cnncli.records.predictions import NO_CLASS, UNKNOWN, Prediction, Record, RecordLayout, Score, Unreadable
from cnncli.records.tasks import AnswerKind, Task, has_several, kinds_of
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
_DOUBT = "yellow"
"""The style of a row without an answer."""
_EIGHTHS = " ▏▎▍▌▋▊▉"


@frozen_dataclass
class _Columns:
    image: int
    task: int
    label: int
    bar: int


@frozen_dataclass
class _Row:
    """A class of a prediction.

    Attributes:
        task: name of its task in the first row of each of several tasks; else empty.
        label: of the class.
        probability: of the class; None where no class reaches its threshold.
        label_style, bar_style: as Rich names them.
    """

    task: str
    label: str
    probability: float | None
    label_style: str
    bar_style: str


class PredictionTable:
    """Records as the rows of a table as wide as the terminal."""

    def __init__(self, console: Console, layout: RecordLayout) -> None:
        """Lay out the columns.

        Args:
            console: gives width, colours and encoding.
            layout: of the records.
        """
        self._console = console
        self._width = min(console.width, _WIDEST)
        self._tasks = layout.tasks
        self._widest_label = _widest((*layout.labels, UNKNOWN))
        self._widest_task = _widest(task.name for task in layout.tasks) if has_several(layout.tasks) else 0
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
            self._layout = self._fit_columns(cell_len(name))
            header = self._header()
        return header + self._rows(record, name)

    @property
    def _columns(self) -> _Columns:
        return self._layout or self._fit_columns(0)

    def _fit_columns(self, path: int) -> _Columns:
        return _columns(self._width, self._widest_label, self._widest_task, path)

    def _header(self) -> str:
        """The titles; none where there is no room for columns."""
        columns = self._columns
        if not columns.image:
            return ""
        task = fit("task", columns.task) + " " * _GAP if columns.task else ""
        head = (
            f"{fit('image', columns.image)}{' ' * _GAP}{task}{fit('label', columns.label)}{' ' * _GAP}"
            f"{'probability'.rjust(columns.bar + 1 + _PERCENT)}"
        )
        return self._text(Text(head, "bold underline"))

    def _rows(self, record: Record, name: str) -> str:
        if isinstance(record, Unreadable):
            return self._message(name, f"cannot be read: {record.reason}")
        if record.reason:
            return self._message(name, f"{UNKNOWN}: {record.reason}")
        rows = _rows(record, self._tasks)
        lines = self._side_by_side(name, rows) if self._columns.image else self._stack_labels(name, rows)
        is_single = not self._tasks and len(record.scores) == 1
        return "".join(map(self._text, lines)) + ("" if is_single else "\n")

    def end(self) -> str:
        """Nothing."""
        return ""

    def _message(self, name: str, text: str) -> str:
        """A record without an answer, and why."""
        indent = self._columns.image + _GAP
        message = Text(printable(text), _DOUBT)
        lines = message.wrap(self._console, max(self._width - indent, 1))
        head = fit_path(name, self._columns.image or self._width)
        if self._columns.image:
            rows = [Text(head + " " * _GAP), *[Text(" " * indent)] * (len(lines) - 1)]
            return "".join(self._text(row + line) for row, line in zip(rows, lines, strict=True)) + "\n"
        return (
            self._text(Text(head)) + "".join(self._text(Text(" " * indent) + line) for line in lines) + "\n"
        )

    def _side_by_side(self, name: str, rows: Sequence[_Row]) -> list[Text]:
        columns = self._columns
        return [
            Text.assemble(
                fit_path(name, columns.image) if number == 0 else " " * columns.image,
                " " * _GAP,
                fit(row.task, columns.task) + " " * _GAP if columns.task else "",
                (fit(row.label, columns.label), row.label_style),
                " " * _GAP,
                (self._bar(row.probability or 0), row.bar_style),
                (_percent(row), row.label_style),
            )
            for number, row in enumerate(rows)
        ]

    def _stack_labels(self, name: str, rows: Sequence[_Row]) -> list[Text]:
        indent = _GAP * 2 if self._widest_task else _GAP
        width = max(self._width - indent - _PERCENT - 1, 1)
        lines = [Text(fit_path(name, self._width))]
        for row in rows:
            if row.task:
                lines.append(Text(fit(f"{' ' * _GAP}{row.task}", self._width)))
            lines.append(Text(f"{' ' * indent}{fit(row.label, width)}{_percent(row)}", row.label_style))
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


def _columns(width: int, widest_label: int, widest_task: int, path: int) -> _Columns:
    """The widths of the columns; what short labels leave is for longer paths.

    Args:
        width: of the terminal.
        widest_label: width of the widest label.
        widest_task: width of the widest name of several tasks; 0 where there are not several.
        path: width of the first path.
    """
    if width < _NARROW:
        return _Columns(0, 0, 0, 0)
    bar = width // 5
    names = width - bar - _PERCENT - 1 - 2 * _GAP
    task = min(widest_task, names // 4)
    names -= task + _GAP if task else 0
    usual = names * 9 // 20
    label = min(widest_label, names - usual)
    image = min(names - label, max(usual, path + _SLACK))
    return _Columns(image, task, max(label, names - usual - max(image - usual, 0)), bar)


def _widest(names: Iterable[str]) -> int:
    return max(cell_len(printable(name)) for name in names)


def _rows(prediction: Prediction, tasks: Sequence[Task]) -> list[_Row]:
    """The classes that are shown of an image, of one task after the other."""
    names = [printable(task.name) for task in tasks] if has_several(tasks) else [""]
    blocks = zip(names, kinds_of(tasks), prediction.scores_by_task, strict=True)
    return [row for name, kind, scores in blocks for row in _block(name, kind, scores)]


def _block(task: str, kind: AnswerKind, scores: Sequence[Score]) -> Iterator[_Row]:
    """The classes of a task that reach the threshold; if none does, the first, whose label is `unknown`, or no class."""
    if not scores:
        yield _Row(task, NO_CLASS, None, _DOUBT, _DOUBT)
    above = [score for score in scores if score.index is not None]
    for rank, score in enumerate(above or scores[:1]):
        is_answer = rank == 0 or kind is AnswerKind.SEVERAL
        styles = (_DOUBT, _DOUBT) if not above else ("bold", "green") if is_answer else ("dim", "dim")
        yield _Row("" if rank else task, printable(score.label), score.probability, *styles)


def _percent(row: _Row) -> str:
    text = "" if row.probability is None else percent(row.probability)
    return f" {text:>{_PERCENT}}"
