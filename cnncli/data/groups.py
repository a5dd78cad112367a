"""Groups of images that have more in common than their class, such as a camera or a day: never in two splits.

Otherwise a network is evaluated on what it has seen, and seems better than it is.
"""

import dataclasses
import os
import re
from collections import defaultdict
from collections.abc import Iterator

from cnncli.errors import DataError
from cnncli.records.data import DataFinding, DataSet, FindingKind, Split
from cnncli.records.list_columns import ListColumns
from cnncli.text import counted


def with_groups(data: DataSet, columns: ListColumns) -> DataSet:
    """The data set with the groups that a column or its paths say, and a remark on images without one.

    Args:
        data: as read from disk, with the groups that a column says.
        columns: where groups come from. A `group_by` is searched in each path relative to the root, with slashes: what its
            parentheses hold names the group, or all that it matches if it has none.

    Raises:
        DataError: no image has a group.
    """
    if columns.group_by:
        expression = re.compile(columns.group_by)
        samples = (
            dataclasses.replace(sample, group=_group_in(data.relative(sample.path), expression))
            for sample in data.samples
        )
        data = dataclasses.replace(data, samples=tuple(samples))
    without = [data.relative(sample.path) for sample in data.samples if not sample.group]
    if len(without) == len(data.samples):
        raise _no_groups_error(data, columns, without[0])
    if not without:
        return data
    remark = f"{counted(len(without), 'image')} without a group, e.g. {without[0]}"
    return dataclasses.replace(data, remarks=(*data.remarks, remark))


def _no_groups_error(data: DataSet, columns: ListColumns, first: str) -> DataError:
    if columns.group:
        return DataError(f"no image of {data.title} has a group: the column {columns.group!r} is empty")
    return DataError(
        f"--group-by {columns.group_by!r} is found in no path of {data.title}, e.g. not in {first}",
        "write a regular expression for a part of the path, such as '(cam[0-9]+)'",
    )


def _group_in(path: str, expression: re.Pattern[str]) -> str:
    """The group in a path; empty if it has none."""
    match = expression.search(path.replace(os.sep, "/"))
    return "/".join(part or "" for part in match.groups() or (match[0],)) if match else ""


def divided_groups(data: DataSet) -> dict[str, list[Split]]:
    """The groups that are in several splits, and these splits."""
    splits: dict[str, set[Split]] = defaultdict(set)
    for sample in data.samples:
        if sample.group and sample.split:
            splits[sample.group].add(sample.split)
    return {
        group: [split for split in Split if split in present]
        for group, present in splits.items()
        if len(present) > 1
    }


def group_findings(data: DataSet) -> Iterator[DataFinding]:
    """The groups that are in several splits."""
    if divided := divided_groups(data):
        message = f"{counted(len(divided), 'group')} in several splits: test or validation accuracy would be too high"
        examples = tuple((f"{group}: {', '.join(splits)}",) for group, splits in divided.items())
        yield DataFinding(FindingKind.LEAKAGE, True, message, examples)


def require_undivided(data: DataSet) -> None:
    """Raise DataError if a group is in several splits."""
    if divided := divided_groups(data):
        group, splits = next(iter(divided.items()))
        raise DataError(
            f"{data.title} has images of the group {group!r} in {' and '.join(splits)}",
            "move them, or remove the splits, so that finetune makes them; `cnncli check` with the same option lists all such groups",
        )
