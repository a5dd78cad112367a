"""The file of suggested labels, which `check --label-errors` writes, a person reviews, and `relabel` reads.

    path, label, suggested, score

Paths are relative to the root of the data; the score is the probability of the present label.
"""

from cnncli.files.csv_tables import Table
from cnncli.records.curation import LabelErrors

COLUMNS = ("path", "label", "suggested", "score")


def issues_table(found: LabelErrors, name: str) -> Table:
    """The suggestions as a file of that name."""
    cells = [(item.path, item.label, item.suggested, f"{item.score:.6f}") for item in found.suggestions]
    return Table(name, COLUMNS, cells)
