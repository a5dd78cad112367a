"""Embeddings of an unfinished run: shards in a folder beside the output file, from which the run resumes.

    OUT.part/settings.json      what the embeddings depend on
    OUT.part/000000.npz, …      up to 1,024 inputs each: paths, vectors, reasons of the unreadable ones

Shards are written atomically.
"""

import contextlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import OutputError
from cnncli.files.lock import FileLock
from cnncli.files.npz import open_npz
from cnncli.files.output_path import require_writable_file
from cnncli.files.part_file import Settings, changes_text
from cnncli.files.whole import write_whole
from cnncli.records.features import EmbeddingRecord, ImageEmbedding, Vectors
from cnncli.records.predictions import ImageSource, Unreadable
from cnncli.regular_file import read_document
from cnncli.text import parse_json

SHARD = 1024
"""Inputs of a full shard, which is the most that a killed process loses."""

_SETTINGS, _LOCK = "settings.json", "lock"

_REPLACES = "overwrite"
"""The setting that says whether the run may replace the file, which a run that resumes it may then, too."""


@frozen_dataclass
class Shard:
    """Some inputs, in order.

    Attributes:
        paths: of all inputs.
        reasons: for each input, why it could not be read; empty where it could.
        vectors: (N, D) of the readable ones.
    """

    paths: tuple[str, ...]
    reasons: tuple[str, ...]
    vectors: Vectors

    @classmethod
    def of(cls, entries: Sequence[EmbeddingRecord]) -> "Shard":
        """A shard with the embeddings of some inputs."""
        vectors = [entry.vector for entry in entries if isinstance(entry, ImageEmbedding)]
        return cls(
            tuple(entry.path for entry in entries),
            tuple(entry.reason if isinstance(entry, Unreadable) else "" for entry in entries),
            np.stack(vectors) if vectors else np.empty((0, 0), np.float32),
        )

    @classmethod
    def read(cls, file: Path | BinaryIO) -> "Shard":
        """The shard in a file or stream.

        Raises:
            OSError: it cannot be read.
            ValueError: it is not a shard.
        """
        with open_npz(file) as arrays:
            paths, reasons = parse_json(str(arrays["inputs"]))
            return cls(
                tuple(os.fsdecode(bytes.fromhex(path)) for path in paths), tuple(reasons), arrays["vectors"]
            )

    def to_bytes(self) -> bytes:
        """The content of its file."""
        buffer = io.BytesIO()
        # In hexadecimal, since paths are bytes, which JSON cannot hold.
        inputs = json.dumps([[os.fsencode(path).hex() for path in self.paths], list(self.reasons)])
        np.savez(buffer, inputs=np.array(inputs), vectors=self.vectors)
        return buffer.getvalue()

    @property
    def unreadable(self) -> list[Unreadable]:
        """The inputs without a vector."""
        pairs = zip(self.paths, self.reasons, strict=True)
        return [Unreadable(path, reason) for path, reason in pairs if reason]

    @property
    def embedded_paths(self) -> list[str]:
        """The paths of the inputs with a vector."""
        return [path for path, reason in zip(self.paths, self.reasons, strict=True) if not reason]


class PartFolder:
    """The shards of one output file.

    Attributes:
        target: the output file.
        folder: of the shards.
        replaces: whether an existing output file may be replaced.
    """

    def __init__(self, target: Path) -> None:
        self.target = Path(os.path.realpath(target))
        self.folder = self.target.with_name(self.target.name + ".part")
        self.replaces = False
        self._count = 0
        self._is_new = False
        self._file_lock: FileLock | None = None

    def reserve(self, *, resume: bool, overwrite: bool) -> None:
        """Create and lock the folder, before the work whose result goes there; `begin` follows.

        Raises:
            OutputError: the file or the folder exists and neither `resume` nor `overwrite` allows it; another process is
                writing it; or nothing can be written.
        """
        require_writable_file(self.target)
        exists = self._exists()
        if not overwrite and not (exists and resume):
            self._require_free()
        with self._translate_errors(), contextlib.ExitStack() as on_failure:
            self.folder.mkdir(exist_ok=True)
            self._lock()
            on_failure.callback(self.close)
            self._is_new = not (self.folder / _SETTINGS).exists()
            if not (self._is_new or resume or overwrite):
                raise OutputError(
                    f"{self.folder} exists: an earlier run did not finish",
                    "--resume continues it, --overwrite starts again",
                )
            on_failure.pop_all()

    def begin(self, settings: Settings, *, resume: bool, overwrite: bool) -> None:
        """Start in the reserved folder, or go on where the interrupted run that wrote it stopped.

        Raises:
            OutputError: it was started with other settings, or may not replace the file; or nothing can be written.
        """
        if resume and not self._is_new:
            self.replaces = overwrite or bool(self._require_same(settings).get(_REPLACES))
            if not self.replaces:
                self._require_free()
            self._count = len(self._files())
            return
        self.replaces = overwrite
        with self._translate_errors():
            for file in self._files():
                file.unlink()
            document = json.dumps({**settings, _REPLACES: overwrite}, indent=2)
            write_whole(self.folder / _SETTINGS, document.encode(), overwrite=True)
        self._is_new = False

    def _exists(self) -> bool:
        """Whether the folder exists.

        Raises:
            OutputError: its name belongs to something else, such as a link to another folder.
        """
        if self.folder.is_symlink() or (self.folder.exists() and not self.folder.is_dir()):
            kind = "a link" if self.folder.is_symlink() else "a file"
            raise OutputError(f"cannot write {self.target}: {self.folder} is {kind}", "move that away")
        return self.folder.is_dir()

    def _require_free(self) -> None:
        if os.path.lexists(self.target):
            raise OutputError(f"{self.target} already exists", "--overwrite replaces it")

    def skip_complete(self, inputs: Iterator[ImageSource | Unreadable | None]) -> tuple[int, int]:
        """Consume the inputs that are in the shards; return their number, and how many of them were unreadable.

        Args:
            inputs: as in the run that wrote the shards; None is skipped.

        Raises:
            OutputError: they are not the same, so that vectors would be mixed up.
        """
        count = unreadable = 0
        for shard in self.shards():
            for path in shard.paths:
                item = next((item for item in inputs if item), None)
                current = item.path if item else None
                if current != path:
                    now = "there are no more inputs" if current is None else f"it is {current}"
                    raise OutputError(
                        f"cannot resume {self.folder}: its input {count + 1} is {path}, now {now}",
                        "give the same inputs, or start again with --overwrite",
                    )
                count += 1
            unreadable += len(shard.unreadable)
        return count, unreadable

    def add(self, entries: Sequence[EmbeddingRecord]) -> None:
        """Write one more shard, unless it is empty.

        Raises:
            OutputError: it cannot be written; earlier shards stay.
        """
        if not entries:
            return
        shard = Shard.of(entries)
        try:
            write_whole(self.folder / f"{self._count:06d}.npz", shard.to_bytes(), overwrite=True)
        except OutputError as error:
            if self._count:
                error.hint = (
                    f"earlier embeddings are kept in {self.folder}; free some space, then add --resume"
                )
            raise
        self._count += 1

    @contextlib.contextmanager
    def keep_on_error(self) -> Iterator[None]:
        """Say in the hint of an OutputError that the shards are kept, from which the block can be repeated."""
        try:
            yield
        except OutputError as error:
            error.hint = (
                error.hint or f"the embeddings are kept in {self.folder}; free some space, then add --resume"
            )
            raise

    def shards(self) -> Iterator[Shard]:
        """All shards in order, one at a time in memory.

        Raises:
            OutputError: one is damaged.
        """
        for file in self._files():
            try:
                yield Shard.read(file)
            except (OSError, ValueError) as error:
                raise OutputError(f"{file} cannot be read: {error}", "--overwrite starts again") from error

    def _lock(self) -> None:
        """Lock the folder until this run ends."""
        try:
            self._file_lock = FileLock(self.folder / _LOCK)
        except BlockingIOError:
            raise OutputError(f"another run is writing {self.folder}", "wait for it, or stop it") from None

    def close(self) -> None:
        """Unlock the folder; delete it if nothing was begun in it, because without its settings it could not be resumed."""
        if self._is_new:
            self.discard()
        elif self._file_lock:
            self._file_lock.release()

    def discard(self) -> None:
        """Delete the folder."""
        self._is_new = False
        self.close()
        with contextlib.suppress(OSError):
            shutil.rmtree(self.folder)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.npz"))

    def _require_same(self, settings: Settings) -> Settings:
        """The settings that the folder was started with, which must be these.

        Raises:
            OutputError: they differ, or cannot be read.
        """
        try:
            earlier: Settings = parse_json(read_document(self.folder / _SETTINGS))
            changes = changes_text(earlier, settings)
        except (OSError, ValueError, AttributeError) as error:
            raise OutputError(
                f"cannot resume {self.folder}: its settings in {_SETTINGS} cannot be read",
                "--overwrite starts again",
            ) from error
        if changes:
            raise OutputError(f"cannot resume {self.folder}: {changes}", "--overwrite starts again")
        return earlier

    @contextlib.contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"cannot write {self.folder}: {error.strerror or error}") from error
