"""Records as text: tsv for pipelines, csv for tables, JSON for programs.

A renderer gives the text before the records, the text of each record, and the text after them. The text of a record is complete
in itself, so that it can be written and flushed at once.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cnncli.records.predictions import OK, UNREADABLE, Prediction, Record, Score, Unreadable
from cnncli.text import csv_row, is_percent_encoded, path_text, tsv_text

CSV_HEADER = ("path", "status", "rank", "index", "label", "probability", "reason")
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


@dataclass(frozen=True, slots=True)
class Tsv:
    """Path, label and probability of the most probable class; without a header, for cut, sort and awk."""

    def begin(self) -> str:
        """Nothing."""
        return ""

    def record(self, record: Record) -> str:
        """One line."""
        path = tsv_text(path_text(record.path))
        if isinstance(record, Unreadable):
            return f"{path}\t{NO_LABEL}\t\n"
        best = record.scores[0]
        return f"{path}\t{tsv_text(best.label)}\t{probability_text(best)}\n"

    def end(self) -> str:
        """Nothing."""
        return ""


@dataclass(frozen=True, slots=True)
class Csv:
    """A header, then one row per rank; quoted as in RFC 4180, with plain line feeds."""

    def begin(self) -> str:
        """The header."""
        return _csv_text(CSV_HEADER)

    def record(self, record: Record) -> str:
        """One row per rank."""
        return "".join(_csv_text(row) for row in rows(record))

    def end(self) -> str:
        """Nothing."""
        return ""


CsvRow = tuple[str, str, int | None, int | None, str | None, float | None, str | None]
"""The values under `CSV_HEADER`."""


def rows(record: Record) -> list[CsvRow]:
    """A record as rows under `CSV_HEADER`: one per rank, or a single one with the reason."""
    path = path_text(record.path)
    if isinstance(record, Unreadable):
        return [(path, UNREADABLE, None, None, None, None, record.reason)]
    return [
        (path, OK, rank, score.index, score.label, round(score.probability, 6), None)
        for rank, score in enumerate(record.scores, start=1)
    ]


def _csv_text(row: Sequence[str | int | float | None]) -> str:
    return csv_row([f"{value:.6f}" if isinstance(value, float) else value for value in row])


@dataclass(frozen=True, slots=True)
class JsonLines:
    """One JSON object per line."""

    def begin(self) -> str:
        """Nothing."""
        return ""

    def record(self, record: Record) -> str:
        """One line."""
        return json.dumps(json_object(record), ensure_ascii=False, allow_nan=False) + "\n"

    def end(self) -> str:
        """Nothing."""
        return ""


class Json:
    """One JSON list of all records, written record by record."""

    def __init__(self) -> None:
        self._separator = "[\n"

    def begin(self) -> str:
        """Nothing: the opening bracket comes with the first record, or at the end."""
        return ""

    def record(self, record: Record) -> str:
        """The separator and the object."""
        separator, self._separator = self._separator, ",\n"
        return separator + json.dumps(json_object(record), ensure_ascii=False, allow_nan=False)

    def end(self) -> str:
        """The closing bracket; an empty list where there was no record."""
        return "[]\n" if self._separator == "[\n" else "\n]\n"


JsonObject = dict[str, "str | list[dict[str, str | int | float | None]]"]


def json_object(record: Record) -> JsonObject:
    """A record as a JSON object."""
    path = record.path
    document: JsonObject = {"path": path_text(path)}
    if is_percent_encoded(path):
        document["path_encoding"] = "percent"
    if isinstance(record, Unreadable):
        return document | {"status": UNREADABLE, "reason": record.reason}
    return document | {"status": OK, "predictions": _json_scores(record)}


def _json_scores(prediction: Prediction) -> list[dict[str, str | int | float | None]]:
    return [
        {"rank": rank, "index": score.index, "label": score.label, "probability": round(score.probability, 6)}
        for rank, score in enumerate(prediction.scores, start=1)
    ]
