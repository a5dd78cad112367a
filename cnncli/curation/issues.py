"""The file of suggested labels, which `check --label-errors` writes, a person reviews, and `relabel` reads.

    path, label, suggested, score

Paths are relative to the root of the data; the score is the probability of the present label, and only for people.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import InputError
from cnncli.files.csv_tables import Table
from cnncli.records.curation import LabelErrors
from cnncli.regular_file import bounded_lines, open_regular
from cnncli.text import os_reason, text_stream

COLUMNS = ("path", "label", "suggested", "score")
_NEEDED = COLUMNS[:3]


@frozen_dataclass
class Issue:
    """A row of a reviewed file: an image, its label and the one that it is to get."""

    path: str
    label: str
    suggested: str


def issues_table(found: LabelErrors, name: str) -> Table:
    """The suggestions as a file of that name."""
    cells = [(item.path, item.label, item.suggested, f"{item.score:.6f}") for item in found.suggestions]
    return Table(name, COLUMNS, cells)


def read_issues(file: Path) -> list[Issue]:
    """The rows of a reviewed file that change a label; those without a suggestion, or with the present label, do not.

    Raises:
        InputError: it cannot be read, or contradicts itself.
    """
    try:
        with text_stream(open_regular(file)) as stream:
            reader = csv.DictReader(bounded_lines(stream), strict=True)
            _require_columns(file, reader.fieldnames or ())
            rows = [_issue(row) for row in reader]
    except OSError as error:
        raise InputError(f"cannot read {file}: {os_reason(error)}") from error
    except (csv.Error, ValueError) as error:
        raise InputError(f"{file} is not valid CSV: {error}") from error
    issues: dict[str, Issue] = {}
    for row in rows:
        if issues.setdefault(row.path, row) != row:
            raise InputError(f"{file} lists {row.path} twice, with other labels", "keep one of the rows")
    return [issue for issue in issues.values() if issue.suggested not in {"", issue.label}]


def _require_columns(file: Path, header: Sequence[str]) -> None:
    if missing := [name for name in _NEEDED if name not in header]:
        raise InputError(
            f"{file} has no column {' and no '.join(map(repr, missing))}",
            "it is a comma-separated file that `cnncli check --label-errors -o` wrote",
        )


def _issue(row: Mapping[str, str | None]) -> Issue:
    return Issue(*((row[name] or "").strip() if name != "path" else row[name] or "" for name in _NEEDED))
