"""Labels that are changed, as text and as JSON."""

import json
from collections.abc import Sequence
from pathlib import Path

from cnncli.records.curation import LabelChange
from cnncli.render.columns import Column, rows
from cnncli.text import path_text


def label_changes_text(changes: Sequence[LabelChange], width: int | None) -> str:
    """A row for each image."""
    if not changes:
        return ""
    columns = [
        Column("image", [change.path for change in changes], importance=9, is_path=True),
        Column("label", [change.label for change in changes], importance=7),
        Column("new label", [change.suggested for change in changes], importance=8),
    ]
    if any(change.target for change in changes):
        columns.append(Column("moved to", [change.target for change in changes], importance=6, is_path=True))
    return "\n".join(rows(columns, width)) + "\n"


def label_changes_json(changes: Sequence[LabelChange], written: Path | None) -> str:
    """Everything, as one object.

    Args:
        changes: the images.
        written: the new list, or the log of the moves; None where nothing was changed.
    """
    document = {
        "applied": written is not None,
        "written": path_text(str(written)) if written else None,
        "changes": [
            {
                "path": change.path,
                "label": change.label,
                "suggested": change.suggested,
                "target": path_text(change.target) or None,
            }
            for change in changes
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
