"""Moves of files that can be undone: a log is written first, and says where each file was.

The log is JSON lines: a header, then one line per file, which is on the disk before the file is moved. So wherever the process
is killed, each file is at one of the two places in its line. A line whose file was not moved does no harm.
"""

import contextlib
import errno
import filecmp
import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import InputError, OutputError
from cnncli.files.drafts import remove_abandoned_drafts
from cnncli.files.schema import schema_problem
from cnncli.files.transfer import move_file, moved_link
from cnncli.regular_file import NotRegularError, irregularity, open_regular
from cnncli.text import os_reason, parse_json

SCHEMA = 1

_CONTENT = "moves"
"""In the header, what the lines are."""

_CLOCK = 2_000_000_000
"""Nanoseconds by which a modification time may differ after a copy: FAT stores even seconds."""


@frozen_dataclass
class Move:
    """A file that is moved; the names in the log.

    Attributes:
        source: absolute path of where it was.
        target: absolute path of where it goes.
        size: in bytes; 0 for a symbolic link.
        modified: modification time in nanoseconds; 0 for a symbolic link.
        link: what it says, if it is a symbolic link.
    """

    source: str
    target: str
    size: int = 0
    modified: int = 0
    link: str | None = None

    @classmethod
    def plan(cls, source: Path, target: Path) -> Self:
        """The move of a file as it is now.

        Raises:
            OSError: there is no such file, or it is neither a regular file nor a symbolic link.
        """
        paths = _absolute(source), _absolute(target)
        status = source.lstat()
        if stat.S_ISLNK(status.st_mode):
            return cls(*paths, link=os.readlink(source))  # noqa: PTH115 - a Path would normalise it
        if reason := irregularity(status):
            raise NotRegularError(errno.EINVAL, reason, str(source))
        return cls(*paths, status.st_size, status.st_mtime_ns)


def _absolute(path: Path) -> str:
    """A path without links among its folders; the file itself may be one."""
    return os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118 - a string


class MoveLog:
    """Moves files, and logs where they were; a context manager. A log without a move is deleted in the end."""

    def __init__(self, path: Path) -> None:
        """Name the log; nothing is written yet."""
        self.path = path
        self.moves = 0

    def __enter__(self) -> Self:
        """Create the log.

        Raises:
            OutputError: it exists, or cannot be written.
        """
        with self._translate_errors():
            self._stream = open_regular(self.path, "xb")
            try:
                self._write([{"schema": SCHEMA, "content": _CONTENT}])
                _sync_folder(self.path.parent)
            except BaseException:
                self._close()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        self._stream.close()
        if not self.moves:
            self.path.unlink()

    def move(self, moves: Sequence[Move]) -> None:
        """Log all of these moves, then move the files.

        Raises:
            OutputError: a file cannot be logged or moved; it is where it was.
        """
        with self._translate_errors():
            self._write([{key: value for key, value in asdict(move).items() if value} for move in moves])
        for move in moves:
            self.moves += 1
            try:
                move_file(Path(move.source), Path(move.target))
            except OSError as error:
                raise OutputError(
                    f"cannot move {move.source} to {move.target}: {os_reason(error)}",
                    "files moved so far stay there; the same command goes on with the others",
                ) from error

    def _write(self, documents: Sequence[object]) -> None:
        self._stream.writelines(json.dumps(document).encode() + b"\n" for document in documents)
        self._stream.flush()
        os.fsync(self._stream.fileno())

    @contextlib.contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"cannot write the log {self.path}: {os_reason(error)}") from error


def _sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can do that."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def new_log(folder: Path) -> Path:
    """The name of a log in a folder that has no other file of this name: `moves.jsonl`, `moves-2.jsonl`."""
    number = 1
    while os.path.lexists(path := folder / f"moves{f'-{number}' if number > 1 else ''}.jsonl"):
        number += 1
    return path


@frozen_dataclass
class UndoSummary:
    """What became of the moves in a log.

    Attributes:
        restored: files that are where they were, by now or already.
        kept: the other moves, with the reason why their files are left alone.
    """

    restored: int
    kept: tuple[tuple[Move, str], ...]


def undo_moves(log: Path, advance: Callable[[], None]) -> UndoSummary:
    """Move files back to where they were; can be repeated after an interrupt.

    Folders that are empty then are deleted, and so is the log if nothing is kept.

    Args:
        log: of the moves.
        advance: called for each file.

    Raises:
        InputError: the log cannot be read or is empty, or none of its files is at either place; nothing has changed.
    """
    moves = list(read_moves(log))
    if not moves:
        raise InputError(f"{log} has no moves", "nothing was moved, or all was moved back already")
    if not any(os.path.lexists(path) for move in moves for path in (move.source, move.target)):
        raise InputError(
            f"no file in {log} is where it says, such as {moves[0].target}",
            "if that folder was renamed or is on a disk that is not connected, change that back first",
        )
    kept: list[tuple[Move, str]] = []
    for move in reversed(moves):
        try:
            reason = _undo(move)
        except OSError as error:
            reason = os_reason(error)
        if reason:
            kept.append((move, reason))
        advance()
    for folder in {Path(path).parent for move in moves for path in (move.source, move.target)}:
        remove_abandoned_drafts(folder)
    for folder in {Path(move.target).parent for move in moves}:
        _delete_if_empty(folder)
    if not kept:
        log.unlink()
        _delete_if_empty(log.parent)
    return UndoSummary(len(moves) - len(kept), tuple(reversed(kept)))


def _delete_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def _undo(move: Move) -> str | None:
    """Move a file back; the reason if it is left alone.

    Raises:
        OSError: it cannot be moved.
    """
    source, target = Path(move.source), Path(move.target)
    if not os.path.lexists(target):
        return None if os.path.lexists(source) else f"it is neither there nor at {target}"
    if _is_reserved(move, source):
        source.unlink()
    if os.path.lexists(source):
        if not (_is_reserved(move, target) or _is_copy(move, source, target)):
            return f"another file has this name; it stays at {target}"
        target.unlink()
        return None
    if not _is_moved_file(move, target):
        return f"{target} has changed since it was moved; it stays there"
    source.parent.mkdir(parents=True, exist_ok=True)
    if move.link is None:
        move_file(target, source)
    else:
        source.symlink_to(move.link)
        target.unlink()
    return None


def _is_reserved(move: Move, path: Path) -> bool:
    """Whether this is the name of a file that was about to be moved there when the process was killed."""
    return move.size > 0 and path.is_file() and path.lstat().st_size == 0


def _is_copy(move: Move, source: Path, target: Path) -> bool:
    """Whether a file has both names because the process was killed before it deleted one of them."""
    if move.link is not None:
        return source.is_symlink() and _is_moved_file(move, target)
    is_regular = all(stat.S_ISREG(path.lstat().st_mode) for path in (source, target))
    return is_regular and (source.samefile(target) or filecmp.cmp(source, target, shallow=False))


def _is_moved_file(move: Move, target: Path) -> bool:
    """Whether a file is the one that was moved, as it was."""
    if move.link is not None:
        link = Path(move.source)
        return target.is_symlink() and os.readlink(target) == moved_link(move.link, link, target)  # noqa: PTH115
    status = target.lstat()
    is_same_size = stat.S_ISREG(status.st_mode) and status.st_size == move.size
    return is_same_size and abs(status.st_mtime_ns - move.modified) <= _CLOCK


def read_moves(log: Path) -> Iterator[Move]:
    """The moves in a log, in order; a last line that is cut off, whose files were not moved, is left out.

    Raises:
        InputError: it cannot be read, or is no such log.
    """
    try:
        with open_regular(log) as stream:
            lines = stream.read().split(b"\n")[:-1]
    except OSError as error:
        raise InputError(f"cannot read the log {log}: {os_reason(error)}") from error
    try:
        header = _object(lines[0])
    except (IndexError, ValueError):
        header = {}
    if header.get("content") != _CONTENT:
        raise InputError(
            f"{log} is not a log of moved files",
            "it is called moves.jsonl; sort writes it into the folder that it fills, relabel beside the reviewed file",
        )
    if problem := schema_problem(header.get("schema"), SCHEMA, "move the files back by hand"):
        raise InputError(f"cannot read {log}: {problem.reason}", problem.hint)
    for number, line in enumerate(lines[1:], start=2):
        try:
            yield _move(line)
        except ValueError as error:
            raise InputError(f"{log} is damaged in line {number:,}", "nothing was moved") from error


_TYPES = {"source": str, "target": str, "size": int, "modified": int, "link": str}


def _move(line: bytes) -> Move:
    """The move in a line.

    Raises:
        ValueError: there is none.
    """
    document = _object(line)
    is_complete = {"source", "target"} <= document.keys()
    if not is_complete or not all(type(value) is _TYPES.get(name) for name, value in document.items()):
        raise ValueError("not a move")
    return Move(**document)


def _object(line: bytes) -> dict[str, Any]:
    """A line as a JSON object.

    Raises:
        ValueError: it is none.
    """
    document = parse_json(line)
    if not isinstance(document, dict):
        raise ValueError("not an object")  # noqa: TRY004 - as for text that is no JSON
    return document
