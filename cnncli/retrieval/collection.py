"""The images that neighbours are looked for among: a folder, whose embeddings are kept in it, or a file of features.

    FOLDER/.cnncli/NAME-DIGEST.json             whose rows there are: name, size and time of each file; and where they lie:
    FOLDER/.cnncli/NAME-DIGEST-….vectors        (N, D) float32, one row after the other
    FOLDER/.cnncli/NAME-DIGEST.lock             held by the run that brings them up to date

A folder is looked through each time; only files that are new, or have another size or time, go through the network, and
what was computed before an interruption stays.
"""

import contextlib
import glob
import hashlib
import json
import os
import re
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnncli.errors import InputError, OutputError, UsageError
from cnncli.features.extract import Extractor
from cnncli.files.lock import lock
from cnncli.files.whole import write_whole
from cnncli.images import sources
from cnncli.networks.cache import home
from cnncli.records.features import EmbeddingRecord, ImageEmbedding, Vectors
from cnncli.records.predictions import ImageSource, Stamp, Unreadable
from cnncli.text import path_of

Bar = Callable[[int], contextlib.AbstractContextManager[Callable[[], None]]]
"""For so many images, a function that is called for each of them."""

_VECTORS = ".vectors"
_KEPT_AT_ONCE = 1024
"""New embeddings after which the table is written anew, or a tenth of those in it if that is more: what a kill may cost."""

_NONE: Vectors = np.empty((0, 0), np.float32)


@dataclass(frozen=True, slots=True)
class Collection:
    """Images with their embeddings.

    Attributes:
        paths: N.
        vectors: (N, D); of a folder on the disk, of a file of features in memory.
        unreadable: the other images.
    """

    paths: tuple[str, ...]
    vectors: Vectors
    unreadable: tuple[Unreadable, ...]


def of_folder(folder: Path, extractor: Extractor, bar: Bar) -> Collection:
    """The images of a folder; what its index knows already is not computed again.

    Args:
        folder: with images.
        extractor: makes embeddings.
        bar: moves with each image that goes through the network.

    Raises:
        InputError: there is no image in it.
        OutputError: the index cannot be kept.
        CnncliError: the network cannot be run as wished.
    """
    found = list(sources.sources([str(folder)]))
    if not found:
        raise InputError(f"no images in {folder}")
    by_file = {_File.of(item): item for item in found if isinstance(item, ImageSource)}
    files = list(by_file)
    unreadable = [item for item in found if isinstance(item, Unreadable)]
    with _Index.opened(folder, extractor.identity()) as index:
        new = [file for file in files if file not in index.rows]
        with bar(len(new)) as advance:
            made = extractor.extract(by_file[file] for file in new)
            with contextlib.closing(made):
                unreadable += index.extend(zip(new, made, strict=True), advance)
        kept = [file for file in files if file in index.rows]
        vectors = index.in_order(kept)
    return Collection(tuple(file.path for file in kept), vectors, tuple(unreadable))


@dataclass(frozen=True, slots=True)
class _File:
    """A file, and what shows that it has changed."""

    path: str
    size: int
    time: int

    @classmethod
    def of(cls, source: ImageSource) -> "_File":
        """The present state of a source."""
        stamp = source.stamp() or Stamp(-1, -1)
        return cls(source.path, stamp.size, stamp.modified)


class _Index:
    """The embeddings of a folder's images, in the order in which they were made."""

    def __init__(self, folder: Path, table: Path) -> None:
        self._folder, self._table = folder, table
        self.rows: dict[_File, int] = {}
        self._width = 0
        self._count = 0
        self._vectors = self._fresh()
        self._read()

    @classmethod
    @contextlib.contextmanager
    def opened(cls, folder: Path, identity: Mapping[str, object]) -> Iterator["_Index"]:
        """The index of a folder, ours alone until the block ends; in the cache where the folder is read-only.

        Raises:
            OutputError: it can be kept nowhere.
        """
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
        name = re.sub(r"[^\w.+-]", "_", str(identity["model"]))[:60]
        place = folder / sources.OWN_FOLDER
        if not os.access(place if place.exists() else folder, os.W_OK):
            place = home() / "indexes" / hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
        try:
            place.mkdir(parents=True, exist_ok=True)
            stream = (place / f"{name}-{digest}.lock").open("ab")
        except OSError as error:
            raise OutputError(
                f"cannot keep the index of {folder} in {place}: {error.strerror or error}",
                "CNNCLI_HOME names a place that can be written; or write features.npz with `cnncli features`, and --in it",
            ) from error
        with stream:
            lock(stream, waits=True)
            yield cls(folder, place / f"{name}-{digest}.json")

    def _read(self) -> None:
        """What is known; nothing where the table is not there or damaged."""
        try:
            told = json.loads(self._table.read_text(encoding="utf-8"))
            files = [_File(_joined(self._folder, name), size, time) for name, size, time in told["files"]]
            vectors, width = self._table.with_name(told["vectors"]), int(told["width"])
            if vectors.stat().st_size < len(files) * width * _BYTES:
                return
        except (OSError, ValueError, KeyError, TypeError):
            return
        self.rows = {file: row for row, file in enumerate(files)}
        self._vectors, self._width, self._count = vectors, width, len(files)

    def _fresh(self) -> Path:
        return self._table.with_name(f"{self._table.stem}-{uuid.uuid4().hex[:8]}{_VECTORS}")

    def extend(
        self, entries: Iterator[tuple[_File, EmbeddingRecord]], advance: Callable[[], None]
    ) -> list[Unreadable]:
        """Append embeddings as they come; what is there stays, whatever happens. Those that there are none of."""
        unreadable: list[Unreadable] = []
        fresh, saved = 0, self._count
        try:
            for file, entry in entries:
                advance()
                if not isinstance(entry, ImageEmbedding):
                    unreadable.append(entry)
                    continue
                self._append(file, entry.vector)
                fresh += 1
                if self._count >= saved + max(_KEPT_AT_ONCE, saved // 10):
                    self._save()
                    saved = self._count
        finally:
            if fresh:
                self._save()
        return unreadable

    def _append(self, file: _File, vector: Vectors) -> None:
        self._width = len(vector)
        try:
            with self._vectors.open("r+b" if self._count else "wb") as stream:
                stream.seek(self._count * self._width * _BYTES)
                stream.write(np.ascontiguousarray(vector, np.float32).tobytes())
        except OSError as error:
            raise OutputError(f"cannot write {self._vectors}: {error.strerror or error}") from error
        self.rows[file] = self._count
        self._count += 1

    def in_order(self, files: Sequence[_File]) -> Vectors:
        """(N, D): the rows of files that are known; from now on they lie on the disk so, and no others.

        Nothing is written where they do already.
        """
        rows = [self.rows[file] for file in files]
        if not rows:
            return _NONE
        vectors: Vectors = np.memmap(self._vectors, np.float32, "r", shape=(self._count, self._width))
        if rows == list(range(self._count)):
            return vectors
        file = self._fresh()
        try:
            with file.open("wb") as stream:
                for row in rows:
                    stream.write(vectors[row].tobytes())
        except OSError as error:
            with contextlib.suppress(OSError):
                file.unlink()
            raise OutputError(f"cannot write {file}: {error.strerror or error}") from error
        self._vectors, self._count = file, len(rows)
        self.rows = {one: row for row, one in enumerate(files)}
        self._save()
        for old in self._table.parent.glob(f"{glob.escape(self._table.stem)}-*{_VECTORS}"):
            if old != file:
                with contextlib.suppress(OSError):  # somebody may be reading it
                    old.unlink()
        return np.memmap(file, np.float32, "r", shape=(len(rows), self._width))

    def _save(self) -> None:
        files = sorted(self.rows, key=self.rows.__getitem__)
        told = [[_relative(self._folder, file.path), file.size, file.time] for file in files]
        table = {"vectors": self._vectors.name, "width": self._width, "files": told}
        write_whole(self._table, json.dumps(table).encode())


_BYTES = np.dtype(np.float32).itemsize


def _relative(folder: Path, path: str) -> str:
    """A file's name within its folder, in hexadecimal: names of files are bytes, which JSON cannot hold."""
    return os.fsencode(os.path.relpath(path, folder)).hex()


def _joined(folder: Path, name: str) -> str:
    return os.path.join(str(folder), os.fsdecode(bytes.fromhex(name)))  # noqa: PTH118 - as sources joins them


# ---- a file of features


def of_file(file: Path, extractor: Extractor) -> Collection:
    """What `cnncli features` wrote as an NPZ.

    Args:
        file: the NPZ.
        extractor: that makes the embeddings of queries, which has to be of the same network, layer and preprocessing.

    Raises:
        InputError: it is no such file.
        UsageError: its embeddings were made otherwise.
    """
    if not zipfile.is_zipfile(file):
        raise InputError(f"{file} is no .npz that `cnncli features` wrote")
    try:
        with np.load(file) as arrays:
            made = json.loads(str(arrays["identity"]))
            paths, vectors = arrays["paths"].tolist(), arrays["embeddings"]
            for row in arrays["encoded"].tolist() if "encoded" in arrays else ():
                paths[row] = path_of(paths[row])
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        EOFError,
        zipfile.BadZipFile,
    ) as error:
        raise InputError(f"{file} is no .npz that `cnncli features` wrote: {error}") from error
    now = dict(extractor.identity())
    if changed := [name for name in now if made.get(name) != now[name]]:
        told = "; ".join(f"{name} was {made.get(name)} and is now {now[name]}" for name in changed)
        raise UsageError(
            f"the embeddings of {file} were made otherwise: {told}",
            "name the same network with -m, and the same --layer",
        )
    return Collection(tuple(paths), vectors, ())
