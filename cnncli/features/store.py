"""Embeddings that were computed once, kept in the cache: one SQLite file a network.

    CNNCLI_HOME/features-1/NAME-DIGEST.sqlite

An embedding is found by the digest of its image's bytes, so a file may be moved, renamed and copied. What was stored
before an interruption stays.
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
_ASKED_AT_ONCE = 500
"""Keys of one question; SQLite takes no more than 999 by default."""

_KEPT_AT_ONCE = 64
"""Embeddings of one transaction, each of which waits for the disk."""

_PATIENCE = 30.0
"""Seconds to wait for another process that writes."""


class FeatureStore:
    """Embeddings by their keys. One that cannot be opened holds nothing, and keeps nothing."""

    def __init__(self, connection: sqlite3.Connection | None, size: int, progress: Progress) -> None:
        self._connection = connection
        self._size = size
        self._progress = progress

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Vector]:
        """Those of the asked for that are there."""
        found: dict[bytes, Vector] = {}
        for start in range(0, len(keys), _ASKED_AT_ONCE):
            some = keys[start : start + _ASKED_AT_ONCE]
            marks = ",".join("?" * len(some))
            rows = self._execute(f"SELECT key, vector FROM embeddings WHERE key IN ({marks})", some)  # noqa: S608 - question marks
            vectors = ((key, np.frombuffer(vector, np.float32)) for key, vector in rows)
            found |= {key: vector for key, vector in vectors if len(vector) == self._size}
        return found

    @contextlib.contextmanager
    def writing(self) -> Iterator[Callable[[bytes, Vector], None]]:
        """A function that keeps an embedding, some at a time; what is left is kept when the block ends, however."""
        waiting: dict[bytes, Vector] = {}

        def keep(key: bytes, vector: Vector) -> None:
            waiting[key] = vector
            if len(waiting) >= _KEPT_AT_ONCE:
                self._keep(waiting)
                waiting.clear()

        try:
            yield keep
        finally:
            self._keep(waiting)

    def _keep(self, vectors: Mapping[bytes, Vector]) -> None:
        if self._connection:
            rows = [(key, vector.tobytes()) for key, vector in vectors.items()]
            try:
                with self._connection:
                    self._connection.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?)", rows)
            except sqlite3.Error as error:
                self._give_up(error)

    def _execute(self, question: str, values: Iterable[bytes]) -> list[tuple[bytes, bytes]]:
        if not self._connection:
            return []
        try:
            return self._connection.execute(question, tuple(values)).fetchall()
        except sqlite3.Error as error:
            self._give_up(error)
            return []

    def _give_up(self, error: sqlite3.Error) -> None:
        self._progress.warning(f"embeddings are not kept for another time: {error}")
        self._connection = None


@contextlib.contextmanager
def open_store(name: str, identity: str, size: int, progress: Progress) -> Iterator[FeatureStore]:
    """The store of a network.

    Args:
        name: of the network, for people who look into the cache.
        identity: everything that an embedding depends on but the image.
        size: D, numbers of an embedding.
        progress: hears if nothing can be kept.
    """
    file = place(name, identity)
    connection = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(file, timeout=_PATIENCE)
        with connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS embeddings (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID"
            )
    except (sqlite3.Error, OSError) as error:
        damaged = isinstance(error, sqlite3.DatabaseError) and file.exists()
        progress.warning(
            f"embeddings are not kept for another time: {error}{f'; delete {file} if it is damaged' if damaged else ''}"
        )
        if connection:
            connection.close()
        connection = None
    try:
        yield FeatureStore(connection, size, progress)
    finally:
        if connection:
            connection.close()


def place(name: str, identity: str) -> Path:
    """The file of a network's embeddings."""
    digest, plain = hashlib.sha256(identity.encode()).hexdigest()[:16], re.sub(r"[^\w.+-]", "-", name)[:100]
    return home() / f"features-{_SCHEMA}" / f"{plain}-{digest}.sqlite"
