"""Records as text: tsv for pipelines, csv for tables, JSON for programs.

A renderer gives the text before the records, the text of each record, and the text after them. The text of a record is complete
in itself, so that it can be written and flushed at once.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, astuple, fields
from typing import Protocol

from cnncli.dataclass import frozen_dataclass
from cnncli.records.predictions import OK, UNREADABLE, Exif, Record, Score, Unreadable
from cnncli.records.tasks import LABEL_SEPARATOR, AnswerKind, Task, has_several, kinds_of
from cnncli.text import csv_row, is_percent_encoded, path_text, tsv_text

CSV_HEADER = ("path", "status", "rank", "index", "label", "probability", "reason")
TASKS_HEADER = (*CSV_HEADER[:2], "task", *CSV_HEADER[2:])
"""The header where a network has several tasks."""

EXIF_HEADER = tuple(field.name for field in fields(Exif))
"""The columns that follow where there is EXIF."""

NO_LABEL = "-"
"""The label in the tsv line of an unreadable image."""


class Renderer(Protocol):
    """Turns records into text, one after the other."""

    def begin(self) -> str:
        """The text before the first record."""

    def record(self, record: Record) -> str:
        """The text of a record, with its line end."""

    def end(self) -> str:
        """The text after the last record."""


def probability_text(score: Score) -> str:
    """Six decimals; never an exponent, which `sort -n` misreads."""
    return f"{score.probability:.6f}"


@frozen_dataclass
class Tsv:
    """Path, label and probability of the most probable class, for each of several tasks; without a header, for cut and awk."""

    tasks: tuple[Task, ...] = ()

    def begin(self) -> str:
        """Nothing."""
        return ""

    def record(self, record: Record) -> str:
        """One line."""
        kinds = kinds_of(self.tasks)
        if isinstance(record, Unreadable):
            cells = [NO_LABEL, ""] * len(kinds)
        else:
            pairs = zip(record.scores_by_task, kinds, strict=True)
            cells = [cell for scores, kind in pairs for cell in _tsv_cells(scores, kind)]
        return "\t".join([tsv_text(path_text(record.path)), *cells]) + "\n"

    def end(self) -> str:
        """Nothing."""
        return ""


def _tsv_cells(scores: Sequence[Score], kind: AnswerKind) -> tuple[str, str]:
    """The label and the probability of a task; of all answers where several can be right, both empty where none is."""
    if kind is AnswerKind.ONE:
        return tsv_text(scores[0].label), probability_text(scores[0])
    labels = LABEL_SEPARATOR.join(tsv_text(score.label) for score in scores)
    return labels, LABEL_SEPARATOR.join(map(probability_text, scores))


@frozen_dataclass
class Csv:
    """A header, then one row per rank; quoted as in RFC 4180, with plain line feeds."""

    tasks: tuple[Task, ...] = ()
    has_exif: bool = False

    def begin(self) -> str:
        """The header."""
        return _csv_text(csv_header(self.tasks, has_exif=self.has_exif))

    def record(self, record: Record) -> str:
        """One row per rank, of each task."""
        return "".join(_csv_text(row) for row in rows(record, self.tasks, has_exif=self.has_exif))

    def end(self) -> str:
        """Nothing."""
        return ""


CsvRow = tuple[str | int | float | None, ...]
"""The values under `csv_header`."""


def csv_header(tasks: Sequence[Task], *, has_exif: bool = False) -> tuple[str, ...]:
    """The names of the columns: one more where a network has several tasks."""
    return (TASKS_HEADER if has_several(tasks) else CSV_HEADER) + (EXIF_HEADER if has_exif else ())


def rows(record: Record, tasks: Sequence[Task], *, has_exif: bool = False) -> list[CsvRow]:
    """A record as rows under `csv_header`: one per rank of each task, or a single one with the reason."""
    exif = astuple(_exif(record)) if has_exif else ()
    return [(*row, *exif) for row in _rows(record, tasks)]


def _exif(record: Record) -> Exif:
    return Exif() if isinstance(record, Unreadable) else record.exif or Exif()


def _rows(record: Record, tasks: Sequence[Task]) -> list[CsvRow]:
    path = path_text(record.path)
    if isinstance(record, Unreadable):
        names = [None] if has_several(tasks) else []
        return [(path, UNREADABLE, *names, None, None, None, None, record.reason)]
    if not record.tasks:
        return [(path, OK, *cells, record.reason) for cells in _ranked(record.scores)]
    return [
        (path, OK, task.name, *cells, record.reason)
        for task in record.tasks
        for cells in _ranked(task.scores)
    ]


def _ranked(scores: Sequence[Score]) -> list[CsvRow]:
    """Rank, index, label and probability of each score; a rank of 0 without the others where there is none."""
    return [
        (rank, score.index, score.label, round(score.probability, 6))
        for rank, score in enumerate(scores, start=1)
    ] or [(0, None, None, None)]


def _csv_text(row: Sequence[str | int | float | None]) -> str:
    return csv_row([f"{value:.6f}" if isinstance(value, float) else value for value in row])


@frozen_dataclass
class JsonLines:
    """One JSON object per line."""

    has_exif: bool = False

    def begin(self) -> str:
        """Nothing."""
        return ""

    def record(self, record: Record) -> str:
        """One line."""
        return _json_text(record, has_exif=self.has_exif) + "\n"

    def end(self) -> str:
        """Nothing."""
        return ""


class Json:
    """One JSON list of all records, written record by record."""

    def __init__(self, *, has_exif: bool = False) -> None:
        """A list without records yet; `has_exif` as in a `RecordLayout`."""
        self._has_exif = has_exif
        self._separator = "[\n"

    def begin(self) -> str:
        """Nothing: the opening bracket comes with the first record, or at the end."""
        return ""

    def record(self, record: Record) -> str:
        """The separator and the object."""
        separator, self._separator = self._separator, ",\n"
        return separator + _json_text(record, has_exif=self._has_exif)

    def end(self) -> str:
        """The closing bracket; an empty list where there was no record."""
        return "[]\n" if self._separator == "[\n" else "\n]\n"


def _json_text(record: Record, *, has_exif: bool) -> str:
    document = json_object(record) | (asdict(_exif(record)) if has_exif else {})
    return json.dumps(document, ensure_ascii=False, allow_nan=False)


JsonScores = list[dict[str, str | int | float | None]]
JsonObject = dict[str, str | JsonScores | dict[str, JsonScores]]


def json_object(record: Record) -> JsonObject:
    """A record as a JSON object."""
    path = record.path
    document: JsonObject = {"path": path_text(path)}
    if is_percent_encoded(path):
        document["path_encoding"] = "percent"
    if isinstance(record, Unreadable):
        return document | {"status": UNREADABLE, "reason": record.reason}
    document |= {"status": OK} | ({"reason": record.reason} if record.reason else {})
    if record.tasks:
        return document | {"tasks": {task.name: _json_scores(task.scores) for task in record.tasks}}
    return document | {"predictions": _json_scores(record.scores)}


def _json_scores(scores: Sequence[Score]) -> JsonScores:
    return [
        {"rank": rank, "index": score.index, "label": score.label, "probability": round(score.probability, 6)}
        for rank, score in enumerate(scores, start=1)
    ]
