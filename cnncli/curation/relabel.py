"""Applying reviewed labels: to a labelled folder by moving images to other class folders, to a list by writing a new one."""

import csv
import itertools
import os
from collections.abc import Sequence
from pathlib import Path, PurePath

from cnncli.curation.issues import Issue
from cnncli.data.lists import write_relabelled
from cnncli.errors import DataError, InputError, OutputError, UsageError
from cnncli.files.moves import Move, MoveLog, new_log, read_moves
from cnncli.files.whole import whole_file
from cnncli.images.path_list import is_table
from cnncli.records.curation import LabelChange
from cnncli.records.data import DataSet, Sample
from cnncli.records.list_columns import ListColumns
from cnncli.text import (
    SEPARATORS,
    counted,
    is_url,
    nfc,
    original_text,
    os_reason,
    path_text,
    quote,
    shortlist,
)


def has_changeable_labels(data: str) -> bool:
    """Whether labels are the names of folders, or in a list that can be written anew, on this machine."""
    return not is_url(data) and (
        Path(data).is_dir() or (is_table(data) and Path(data).suffix.lower() in SEPARATORS)
    )


def is_list(data: str) -> bool:
    """Whether labels are in a list that can be written anew, and not the names of folders; of no data, `read` says so.

    Raises:
        UsageError: they are in neither.
    """
    is_missing = not is_url(data) and not Path(data).exists()
    if is_missing or has_changeable_labels(data):
        return Path(data).is_file()
    raise UsageError(
        f"the labels of {data} cannot be changed",
        "relabel takes a labelled folder, or a list (.csv, .tsv), on this machine",
    )


def plan_changes(issues: Sequence[Issue], file: Path, data: DataSet, name: str) -> list[LabelChange]:
    """The labels that a reviewed file changes in a data set.

    Args:
        issues: what the file says.
        file: its name, for messages.
        data: with exactly one label per image.
        name: of the data set, for messages.

    Raises:
        DataError: the file belongs to other data, or to what they were before.
    """
    if data.tasks:
        raise DataError(
            f"{name} has tasks or several labels per image",
            "name one column of labels with --label-column",
        )
    samples = {path_text(data.relative(sample.path)): sample for sample in data.samples}
    missing = [issue.path for issue in issues if issue.path not in samples]
    if missing:
        raise _missing_error(missing, file, data, name)
    changes = [
        LabelChange(samples[issue.path].source, issue.path, issue.label, issue.suggested) for issue in issues
    ]
    for change in changes:
        label = data.class_names[samples[change.path].label]
        if label != change.label:
            raise DataError(
                f"{change.path} has the label {label!r} in {name}, and {change.label!r} in {file}",
                "the labels have changed since: look for label errors once more",
            )
    if unknown := sorted({change.suggested for change in changes} - {*data.class_names}):
        raise DataError(
            f"{file} suggests {shortlist(unknown)}, which {name} does not have",
            f"its classes are {shortlist(data.class_names)}",
        )
    return changes


def _missing_error(missing: Sequence[str], file: Path, data: DataSet, name: str) -> DataError:
    images = counted(len(missing), "image")
    message = f"{file} lists {images} that {name} does not have, such as {missing[0]}"
    place = _absolute(Path(data.root, original_text(missing[0])))
    for log in sorted(file.parent.glob("moves*.jsonl")):
        if place in {move.source for move in read_moves(log)}:
            return DataError(
                f"{message}: it was moved", f"to move it back: cnncli relabel --undo {quote(log)}"
            )
    return DataError(message, "give the data that it was written for")


def _absolute(path: Path) -> str:
    """A path as the log of moves has it."""
    return os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118 - a string


# ---- folders


def plan_moves(changes: Sequence[LabelChange], data: DataSet) -> list[LabelChange]:
    """The changes with the places that images are moved to: the same path below another class folder.

    Where a name is taken, the image gets a number. Nothing is moved yet.
    """
    samples = {sample.path: sample for sample in data.samples}
    folders = _class_folders(data)
    planned: list[LabelChange] = []
    taken: set[str] = set()
    for change in changes:
        sample = samples[change.source.path]
        own = _class_folder(data, sample)
        place = (sample.split, data.class_names.index(change.suggested))
        other = folders.get(place) or own.parent / folders[None, place[1]].name
        inside = PurePath(data.relative(sample.path)).relative_to(own)
        target = _free_path(data.root, other / inside, taken)
        planned.append(LabelChange(change.source, change.path, change.label, change.suggested, str(target)))
    return planned


def _class_folders(data: DataSet) -> dict[tuple[object, int], PurePath]:
    """The folder of each class in each split, and under None in any, relative to the root."""
    folders: dict[tuple[object, int], PurePath] = {}
    for sample in data.samples:
        for split in {sample.split, None}:
            if (split, sample.label) not in folders:
                folders[split, sample.label] = _class_folder(data, sample)
    return folders


def _class_folder(data: DataSet, sample: Sample) -> PurePath:
    """The folder of an image's class, which may be in one of a split, relative to the root."""
    path, name = PurePath(data.relative(sample.path)), data.class_names[sample.label]
    parts = path.parts[:-1]
    start = 1 if sample.split else 0
    depth = next(place for place in range(start, len(parts)) if path_text(nfc(parts[place])) == name)
    return PurePath(*parts[: depth + 1])


def _free_path(root: str, path: PurePath, taken: set[str]) -> PurePath:
    """The path, or one with a number, that no file has and no other image gets."""
    for number in itertools.count(1):
        candidate = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        key = str(candidate).casefold()
        if key not in taken and not os.path.lexists(Path(root, candidate)):
            taken.add(key)
            return candidate
    raise AssertionError  # pragma: no cover - there are always more numbers


def move_images(changes: Sequence[LabelChange], data: DataSet, folder: Path) -> Path:
    """Move images to their new class folders; the log, which is written first, can undo that.

    Args:
        changes: with their targets.
        data: the labelled folder.
        folder: where the log is written.

    Returns:
        The log.

    Raises:
        OutputError: a file cannot be moved, or the log cannot be written; the log has what was moved so far.
    """
    log = new_log(folder)
    try:
        with MoveLog(log) as moves:
            plans = []
            for change in changes:
                target = Path(data.root, change.target)
                target.parent.mkdir(parents=True, exist_ok=True)
                plans.append(Move.plan(Path(change.source.path), target))
            moves.move(plans)
    except OutputError as error:
        hint = (
            f"to move back what was moved: cnncli relabel --undo {quote(log)}" if log.exists() else error.hint
        )
        raise OutputError(error.message, hint) from error
    except OSError as error:
        raise OutputError(f"cannot move {error.filename}: {os_reason(error)}") from error
    return log


# ---- lists


def write_list(
    changes: Sequence[LabelChange], file: Path, columns: ListColumns, output: Path, *, overwrite: bool
) -> None:
    """Write a list with the changed labels.

    Args:
        changes: of the list.
        file: the list.
        columns: of the list.
        output: the list to write.
        overwrite: whether an existing file is replaced.

    Raises:
        InputError: the list can no longer be read.
        OutputError: it cannot be written.
    """
    labels = {os.path.abspath(change.source.path): change.suggested for change in changes}  # noqa: PTH100 - a string
    try:
        with whole_file(output, overwrite=overwrite) as draft:
            write_relabelled(file, columns, labels, draft)
    except (csv.Error, ValueError) as error:
        raise InputError(f"the list {file} has changed: {error}") from error
    except OSError as error:
        raise OutputError(f"cannot write {output}: {os_reason(error)}") from error
