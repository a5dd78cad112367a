"""The images that `similar` searches: a folder with an index of embeddings, or a file that `features` wrote.

    CNNCLI_HOME/indexes/FOLDER/NAME-DIGEST.json         the table: name, size and times of the file of each row
    CNNCLI_HOME/indexes/FOLDER/NAME-DIGEST-….vectors    (N, D) float32, row by row
    CNNCLI_HOME/indexes/FOLDER/NAME-DIGEST.lock         exists while a process updates the index

FOLDER is a digest of the folder's path. Nothing is read from or written to the folder itself except its images: whoever
packed it could otherwise choose what is read, and through links what is overwritten. Each search lists the folder again. Only
files that are new or have another size or time go through the network, and embeddings computed before an interruption are kept.
"""

import contextlib
import glob
import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import InputError, OutputError, UsageError
from cnncli.features.extract import Extractor
from cnncli.files.lock import FileLock
from cnncli.files.stored_vectors import read_vectors
from cnncli.files.whole import write_whole
from cnncli.images import sources
from cnncli.images.digest import image_digests
from cnncli.networks.cache import home
from cnncli.records.features import EmbeddingRecord, ImageEmbedding, Vectors
from cnncli.records.predictions import ImageSource, Stamp, Unreadable
from cnncli.records.progress import Progress, ProgressBar
from cnncli.regular_file import open_regular, read_document
from cnncli.text import parse_json

_VECTORS = ".vectors"
_SAVE_INTERVAL = 1024
"""The table is saved after this many new embeddings, or a tenth of those in it if that is more; a kill loses the rest."""

_EMPTY: Vectors = np.empty((0, 0), np.float32)

_TABLE_LIMIT = 1 << 32
"""Largest table in bytes that is read; a million files need 100 MB."""

_BYTES = np.dtype(np.float32).itemsize


@frozen_dataclass
class Collection:
    """Images with their embeddings.

    Attributes:
        paths: N paths.
        vectors: (N, D); memory-mapped for a folder.
        unreadable: images that could not be read.
    """

    paths: tuple[str, ...]
    vectors: Vectors
    unreadable: tuple[Unreadable, ...]


def folder_collection(folder: Path, extractor: Extractor, progress_bar: ProgressBar) -> Collection:
    """The images of a folder; embeddings that are not in its index yet are computed.

    Args:
        folder: to search, with its subfolders.
        extractor: computes embeddings.
        progress_bar: for the images whose embeddings are computed.

    Raises:
        InputError: the folder holds no images.
        OutputError: the index cannot be written.
        CnncliError: the network cannot run as the options say.
    """
    entries = list(sources.sources([str(folder)]))
    if not entries:
        raise InputError(f"no images in {folder}")
    images = [entry for entry in entries if isinstance(entry, ImageSource)]
    by_state = dict(zip(_file_states(images), images, strict=True))
    files = list(by_state)
    unreadable = [entry for entry in entries if isinstance(entry, Unreadable)]
    with _Index.open(folder, extractor.identity()) as index:
        new = [file for file in files if file not in index.rows]
        with progress_bar(len(new)) as advance:
            records = extractor.extract(by_state[file] for file in new)
            with contextlib.closing(records):
                unreadable += index.extend(zip(new, records, strict=True), advance)
        readable = [file for file in files if file in index.rows]
        vectors = index.reorder(readable)
    return Collection(tuple(file.path for file in readable), vectors, tuple(unreadable))


@frozen_dataclass
class _FileState:
    """A file with its size and times, which show whether it has changed.

    Attributes:
        changed: time of the last change in nanoseconds; a partial digest where the system does not record it, as on Windows.
    """

    path: str
    size: int
    modified: int
    changed: int | str


def _file_states(images: Sequence[ImageSource]) -> list[_FileState]:
    """The current states of images; only those without a time of change are read."""
    stamps = [image.stamp() or Stamp(-1, -1) for image in images]
    unknown = [image for image, stamp in zip(images, stamps, strict=True) if not stamp.changed]
    digests = iter(image_digests(unknown, [True] * len(unknown)))
    return [
        _FileState(image.path, stamp.size, stamp.modified, stamp.changed or next(digests) or "")
        for image, stamp in zip(images, stamps, strict=True)
    ]


class _Index:
    """The embeddings of a folder's images on disk.

    Attributes:
        rows: row of the vectors by file.
    """

    def __init__(self, folder: Path, table: Path) -> None:
        self._folder, self._table = folder, table
        self.rows: dict[_FileState, int] = {}
        self._width = 0
        self._count = 0
        self._vectors = self._new_vectors_file()
        self._load()

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path, identity: Mapping[str, object]) -> Iterator["_Index"]:
        """The index of a folder, locked until the block ends.

        Args:
            folder: with images.
            identity: what the embeddings depend on; each has an index of its own.

        Raises:
            OutputError: it cannot be written.
        """
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
        name = re.sub(r"[^\w.+-]", "_", str(identity["model"]))[:60]
        parent = home() / "indexes" / hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
        try:
            parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(parent / f"{name}-{digest}.lock", waits=True)
        except OSError as error:
            raise OutputError(
                f"cannot write the index of {folder} to {parent}: {error.strerror or error}",
                "set CNNCLI_HOME to a writable folder; or run `cnncli features -o features.npz`, then --in features.npz",
            ) from error
        with lock:
            yield cls(folder, parent / f"{name}-{digest}.json")

    def _load(self) -> None:
        """Load the table; a missing or damaged one counts as empty."""
        try:
            table = parse_json(read_document(self._table, _TABLE_LIMIT))
            files = [_file_state(self._folder, entry) for entry in table["files"]]
            vectors, width = self._table.with_name(table["vectors"]), table["width"]
            if type(width) is not int or width <= 0 or not vectors.is_file():
                return
            if vectors.stat().st_size < len(files) * width * _BYTES:
                return
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return
        self.rows = {file: row for row, file in enumerate(files)}
        self._vectors, self._width, self._count = vectors, width, len(files)

    def _new_vectors_file(self) -> Path:
        return self._table.with_name(f"{self._table.stem}-{uuid.uuid4().hex[:8]}{_VECTORS}")

    def extend(
        self, entries: Iterator[tuple[_FileState, EmbeddingRecord]], advance: Callable[[], None]
    ) -> list[Unreadable]:
        """Append embeddings as they are computed and return the unreadable images; an interruption loses few.

        Args:
            entries: files with their records.
            advance: called for each.

        Raises:
            OutputError: a file cannot be written.
        """
        unreadable: list[Unreadable] = []
        new, saved = 0, self._count
        try:
            for file, record in entries:
                advance()
                if not isinstance(record, ImageEmbedding):
                    unreadable.append(record)
                    continue
                self._append(file, record.vector)
                new += 1
                if self._count >= saved + max(_SAVE_INTERVAL, saved // 10):
                    self._save()
                    saved = self._count
        finally:
            if new:
                self._save()
        return unreadable

    def _append(self, file: _FileState, vector: Vectors) -> None:
        self._width = len(vector)
        try:
            with open_regular(self._vectors, "r+b" if self._count else "wb") as stream:
                stream.seek(self._count * self._width * _BYTES)
                stream.write(np.ascontiguousarray(vector, np.float32).tobytes())
        except OSError as error:
            if not self._count:
                with contextlib.suppress(OSError):
                    self._vectors.unlink()
            raise OutputError(f"cannot write {self._vectors}: {error.strerror or error}") from error
        self.rows[file] = self._count
        self._count += 1

    def reorder(self, files: Sequence[_FileState]) -> Vectors:
        """(N, D): the vectors of files of the index, in their order; the index is rewritten to these rows if it differs.

        Raises:
            OutputError: it cannot be written.
        """
        rows = [self.rows[file] for file in files]
        if not rows:
            return _EMPTY
        vectors: Vectors = np.memmap(self._vectors, np.float32, "r", shape=(self._count, self._width))
        if rows == list(range(self._count)):
            return vectors
        path = self._new_vectors_file()
        try:
            with open_regular(path, "xb") as stream:
                for row in rows:
                    stream.write(vectors[row].tobytes())
        except OSError as error:
            with contextlib.suppress(OSError):
                path.unlink()
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
        self._vectors, self._count = path, len(rows)
        self.rows = {file: row for row, file in enumerate(files)}
        self._save()
        for old in self._table.parent.glob(f"{glob.escape(self._table.stem)}-*{_VECTORS}"):
            if old != path:
                with contextlib.suppress(OSError):  # another process may be reading it
                    old.unlink()
        return np.memmap(path, np.float32, "r", shape=(len(rows), self._width))

    def _save(self) -> None:
        files = sorted(self.rows, key=self.rows.__getitem__)
        entries = [
            [_hex_path(self._folder, file.path), file.size, file.modified, file.changed] for file in files
        ]
        table = {"vectors": self._vectors.name, "width": self._width, "files": entries}
        write_whole(self._table, json.dumps(table).encode(), overwrite=True)


def _file_state(folder: Path, entry: Sequence[object]) -> _FileState:
    """A file of the table.

    Raises:
        TypeError or ValueError: the entry is damaged.
    """
    name, size, modified, changed = entry
    if not (isinstance(name, str) and type(size) is type(modified) is int and isinstance(changed, int | str)):
        raise TypeError(f"not a file of the index: {entry}")
    return _FileState(_path_from_hex(folder, name), size, modified, changed)


def _hex_path(folder: Path, path: str) -> str:
    """A path relative to the folder, in hexadecimal: paths are bytes, which JSON cannot hold."""
    return os.fsencode(os.path.relpath(path, folder)).hex()


def _path_from_hex(folder: Path, name: str) -> str:
    return os.path.join(str(folder), os.fsdecode(bytes.fromhex(name)))  # noqa: PTH118 - as sources joins them


# ---- a file of features


def file_collection(file: Path, extractor: Extractor, progress: Progress) -> Collection:
    """The images of a file that `cnncli features` wrote.

    Args:
        file: the file.
        extractor: computes the embeddings of queries; its network, layer and preprocessing must be those of the file.
        progress: reports a format that does not name them.

    Raises:
        InputError: it is not such a file.
        UsageError: its embeddings come from another network, layer or preprocessing.
    """
    stored = read_vectors(file)
    current = dict(extractor.identity())
    if stored.identity is None:
        progress.warning(
            f"{file} does not say which network its embeddings are from: {current['model']}, {extractor.source}, is assumed"
        )
    elif changed := [key for key in current if stored.identity.get(key) != current[key]]:
        differences = "; ".join(f"{key} is {stored.identity.get(key)}, now {current[key]}" for key in changed)
        raise UsageError(
            f"the embeddings of {file} do not match these options: {differences}",
            "use the same network (-m) and the same --layer",
        )
    return Collection(tuple(stored.paths), stored.vectors, ())
