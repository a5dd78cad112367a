"""Cache of embeddings: one SQLite file per network.

    CNNCLI_HOME/features-1/NAME-DIGEST.sqlite

The key of an embedding is the digest of its image's bytes, so images may be moved, renamed and copied. Embeddings stored
before an interrupt are kept.
"""

import contextlib
import hashlib
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnncli.networks.cache import home
from cnncli.records.progress import Progress

Vector = NDArray[np.float32]
"""(D,) float32."""

_SCHEMA = 1
_KEYS_PER_QUERY = 500
"""SQLite allows at most 999 by default."""

_ROWS_PER_TRANSACTION = 64
"""Each transaction waits for the disk."""

_TIMEOUT = 30.0
"""Seconds to wait for another process that is writing."""


class FeatureStore:
    """Embeddings by key. A store that cannot be opened is empty and stores nothing."""

    def __init__(self, connection: sqlite3.Connection | None, size: int, progress: Progress) -> None:
        self._connection = connection
        self._size = size
        self._progress = progress
        self._has_stored = False

    @property
    def has_stored(self) -> bool:
        """Whether it has stored embeddings, and no failure."""
        return self._has_stored and self._connection is not None

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Vector]:
        """Embeddings of the given keys; keys that are not stored are missing."""
        embeddings: dict[bytes, Vector] = {}
        for start in range(0, len(keys), _KEYS_PER_QUERY):
            batch = keys[start : start + _KEYS_PER_QUERY]
            marks = ",".join("?" * len(batch))
            rows = self._execute(f"SELECT key, vector FROM embeddings WHERE key IN ({marks})", batch)  # noqa: S608 - question marks
            vectors = ((key, np.frombuffer(vector, np.float32)) for key, vector in rows)
            embeddings |= {key: vector for key, vector in vectors if len(vector) == self._size}
        return embeddings

    @contextlib.contextmanager
    def writing(self) -> Iterator[Callable[[bytes, Vector], None]]:
        """A function that stores an embedding, several per transaction; the rest is stored when the block ends or fails."""
        pending: dict[bytes, Vector] = {}

        def store(key: bytes, vector: Vector) -> None:
            pending[key] = vector
            if len(pending) >= _ROWS_PER_TRANSACTION:
                self._store(pending)
                pending.clear()

        try:
            yield store
        finally:
            self._store(pending)

    def _store(self, vectors: Mapping[bytes, Vector]) -> None:
        if self._connection:
            rows = [(key, vector.tobytes()) for key, vector in vectors.items()]
            try:
                with self._connection:
                    self._connection.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?)", rows)
                self._has_stored |= bool(rows)
            except sqlite3.Error as error:
                self._give_up(error)

    def _execute(self, query: str, values: Iterable[bytes]) -> list[tuple[bytes, bytes]]:
        if not self._connection:
            return []
        try:
            return self._connection.execute(query, tuple(values)).fetchall()
        except sqlite3.Error as error:
            self._give_up(error)
            return []

    def _give_up(self, error: sqlite3.Error) -> None:
        self._progress.warning(f"embeddings are not cached: {error}")
        self._connection = None


@contextlib.contextmanager
def open_store(name: str, identity: str, size: int, progress: Progress) -> Iterator[FeatureStore]:
    """The store of a network.

    Args:
        name: the network's name, for the file name.
        identity: everything that an embedding depends on apart from the image.
        size: D, the length of an embedding.
        progress: reports if nothing can be stored, and after an interrupt that embeddings are.
    """
    file = store_path(name, identity)
    connection = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(file, timeout=_TIMEOUT)
        with connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS embeddings (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID"
            )
    except (sqlite3.Error, OSError) as error:
        damaged = isinstance(error, sqlite3.DatabaseError) and file.exists()
        progress.warning(
            f"embeddings are not cached: {error}{f'; delete {file} if it is damaged' if damaged else ''}"
        )
        if connection:
            connection.close()
        connection = None
    store = FeatureStore(connection, size, progress)
    try:
        yield store
    except KeyboardInterrupt:
        if store.has_stored:
            progress.notice("finished embeddings are cached; the same command computes only the others")
        raise
    finally:
        if connection:
            connection.close()


def store_path(name: str, identity: str) -> Path:
    """The file of a network's embeddings."""
    digest, plain = hashlib.sha256(identity.encode()).hexdigest()[:16], re.sub(r"[^\w.+-]", "-", name)[:100]
    return home() / f"features-{_SCHEMA}" / f"{plain}-{digest}.sqlite"
