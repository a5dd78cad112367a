"""Stores for tests of remote files: one in memory, one whose requests fail, one that never answers."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fsspec
from fsspec.implementations.memory import MemoryFileSystem


class Unreliable(MemoryFileSystem):  # type: ignore[misc] # fsspec is not typed
    """Memory whose every `period`-th read fails, as those of a busy store do."""

    protocol = "unreliable"
    store: dict[str, Any] = {}  # noqa: RUF012 - of the file system
    pseudo_dirs = [""]  # noqa: RUF012
    period = 2
    calls = itertools.count(1)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        if next(self.calls) % self.period == 0:
            raise ConnectionResetError("the connection was reset")
        content: bytes = super().cat_file(path, start=start, end=end, **options)
        return content


class Hanging(MemoryFileSystem):  # type: ignore[misc] # fsspec is not typed
    """A store that never answers."""

    protocol = "hanging"
    never = threading.Event()

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        self.never.wait()
        raise AssertionError(path, start, end)

    def ls(self, path: str, **_: Any) -> list[Any]:
        self.never.wait()
        raise AssertionError(path)


@contextmanager
def stores() -> Iterator[None]:
    """Make `unreliable://` and `hanging://` known, and empty all stores in memory at the end."""
    for store in (Unreliable, Hanging):
        fsspec.register_implementation(store.protocol, store, clobber=True)
    try:
        yield
    finally:
        for store in (MemoryFileSystem, Unreliable):
            store.store.clear()
            store.pseudo_dirs[:] = [""]
