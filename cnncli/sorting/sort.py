"""Images to folders by their predictions: links to them, copies, or the images themselves."""

import contextlib
import enum
import filecmp
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import OutputError, UsageError
from cnncli.files.drafts import remove_abandoned_drafts
from cnncli.files.lock import FileLock
from cnncli.files.moves import Move, MoveLog, new_log
from cnncli.files.transfer import copy_file, has_two_names, relative_path
from cnncli.images.local_file import LocalFile
from cnncli.images.sources import ImageInput
from cnncli.records.predictions import UNKNOWN, Prediction, Record, RecordLayout, Unreadable
from cnncli.records.tasks import AnswerKind, kinds_of
from cnncli.sorting.names import TargetFolder, folder_names
from cnncli.text import os_reason

_STEP = 1.0
"""Seconds after which the images that were classified are put into their folders; the lines of a log are written at once."""


class Transfer(enum.StrEnum):
    """How an image gets into a folder."""

    LINK = "link"
    """A symbolic link, with a relative path."""

    HARDLINK = "hardlink"
    COPY = "copy"
    MOVE = "move"


@frozen_dataclass
class Placement:
    """Where an image goes.

    Attributes:
        source: the path of the image, as it was given.
        target: in a folder of its class.
        probability: of the class; of the most probable one if none reaches the threshold.
        is_there: whether it was there already.
    """

    source: str
    target: Path
    probability: float
    is_there: bool


class Sorter:
    """Puts images into the folders of their classes; a context manager, which holds a lock."""

    def __init__(self, into: Path, transfer: Transfer, layout: RecordLayout) -> None:
        """Name the folders; nothing is written before the first image.

        Args:
            into: the folder of the folders of the classes.
            transfer: how images get there.
            layout: of the predictions.

        Raises:
            UsageError: the network does not give each image one class.
        """
        if kinds_of(layout.tasks) != [AnswerKind.ONE]:
            tasks = " and ".join(f"{task.name!r} ({task.kind.text})" for task in layout.tasks)
            raise UsageError(
                f"sorting needs a model that gives each image one class, and this one has {tasks}",
                "cnncli predict writes all its answers",
            )
        self.into = into
        self._transfer = transfer
        self._names = folder_names(layout.labels)
        self._folders: dict[str, TargetFolder] = {}
        self._open = contextlib.ExitStack()
        self._log: MoveLog | None = None
        self._is_open = False

    @property
    def log(self) -> Path | None:
        """The log of the images that were moved; None if there are none."""
        return self._log.path if self._log and self._log.moves else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def plan(self, prediction: Prediction) -> Placement:
        """Where an image goes; nothing is written."""
        source, score = prediction.path, prediction.scores[0]
        name = UNKNOWN if score.index is None else self._names[score.label]
        folder = self._folders.get(name)
        if folder is None:
            folder = self._folders[name] = TargetFolder(self.into / name)
        target, is_there = folder.claim(Path(source).name, lambda file: self._is_same(source, file))
        if self._transfer is Transfer.MOVE and is_there:
            is_there = not has_two_names(Path(source), target)  # a move that was killed half-way
        return Placement(source, target, score.probability, is_there)

    def _is_same(self, source: str, target: Path) -> bool:
        """Whether a file is what this transfer makes of an image."""
        if not target.exists():
            return False
        if self._transfer is Transfer.COPY and not target.is_symlink():
            return target.is_file() and filecmp.cmp(source, target, shallow=False)
        return target.is_symlink() == (self._transfer is Transfer.LINK) and target.samefile(source)

    def place(self, placements: Sequence[Placement]) -> None:
        """Put images into their folders.

        Raises:
            OutputError: that fails for one of them, which stays where it was.
        """
        waiting = [placement for placement in placements if not placement.is_there]
        if not waiting:
            return
        with self._translate_errors(f"cannot write to {self.into}"):
            self._begin()
            for folder in {placement.target.parent for placement in waiting}:
                folder.mkdir(exist_ok=True)
        if self._log:
            with self._translate_errors(f"cannot move an image to {self.into}"):
                moves = [Move.plan(Path(placement.source), placement.target) for placement in waiting]
            self._log.move(moves)
            return
        for placement in waiting:
            with self._translate_errors(f"cannot {self._transfer} {placement.source} to {placement.target}"):
                _TRANSFERS[self._transfer](Path(placement.source), placement.target)

    def is_placed(self, placement: Placement) -> bool:
        """Whether an image is where it goes."""
        is_left = self._transfer is Transfer.MOVE and os.path.lexists(placement.source)
        return placement.is_there or (os.path.lexists(placement.target) and not is_left)

    def _begin(self) -> None:
        """Create the folder, and the log if images are moved; only once."""
        if self._is_open:
            return
        self.into.mkdir(parents=True, exist_ok=True)
        try:
            self._open.enter_context(FileLock(self.into / ".sort.lock"))
        except BlockingIOError as error:
            raise OutputError(
                f"another cnncli sort writes to {self.into}", "wait for it, or stop it"
            ) from error
        for folder in filter(Path.is_dir, self.into.iterdir()):
            remove_abandoned_drafts(folder)
        if self._transfer is Transfer.MOVE:
            self._log = self._open.enter_context(MoveLog(new_log(self.into)))
        self._is_open = True

    @contextlib.contextmanager
    def _translate_errors(self, message: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"{message}: {os_reason(error)}", _HINTS.get(self._transfer)) from error


def _link(source: Path, target: Path) -> None:
    target.symlink_to(relative_path(source, target))


def _hardlink(source: Path, target: Path) -> None:
    target.hardlink_to(source.resolve())


_TRANSFERS = {Transfer.LINK: _link, Transfer.HARDLINK: _hardlink, Transfer.COPY: copy_file}

_HINTS = {
    Transfer.LINK: "--copy does without links",
    Transfer.HARDLINK: "a hard link needs the same disk, and one that knows hard links; --copy works everywhere",
}


def local_images(inputs: Iterable[ImageInput | None]) -> Iterator[ImageInput | None]:
    """The inputs that are files of their own, each once; the others become unreadable."""
    seen: set[str] = set()
    for entry in inputs:
        if isinstance(entry, LocalFile):
            path = os.path.abspath(entry.path)  # noqa: PTH100 - links stay
            if path not in seen:
                seen.add(path)
                yield entry
        elif entry is None or isinstance(entry, Unreadable):
            yield entry
        else:
            yield Unreadable(entry.path, "not a file of its own on this machine, as sorting needs it")


def sort_images(
    records: Iterable[Record], sorter: Sorter, *, is_dry: bool = False
) -> Iterator[Placement | Unreadable]:
    """Put images into folders by their predictions.

    Args:
        records: predictions of a network that gives each image one class; those of images that cannot be read are passed on.
        sorter: puts them there.
        is_dry: only say where they would go.

    Yields:
        Where each image is now.

    Raises:
        OutputError: an image cannot be put where it goes; those before it are there, and have been yielded.
    """
    waiting: list[Placement] = []
    start = time.monotonic()
    for record in records:
        if isinstance(record, Unreadable):
            yield record
        elif is_dry:
            yield sorter.plan(record)
        else:
            waiting.append(sorter.plan(record))
        if waiting and time.monotonic() - start >= _STEP:
            yield from _place(waiting, sorter)
            waiting.clear()
            start = time.monotonic()
    yield from _place(waiting, sorter)


def _place(placements: Sequence[Placement], sorter: Sorter) -> Iterator[Placement]:
    """Put images into their folders, and yield those that are there, also before an error."""
    try:
        sorter.place(placements)
    except OutputError:
        yield from filter(sorter.is_placed, placements)
        raise
    yield from placements
