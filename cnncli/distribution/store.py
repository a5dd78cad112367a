"""Where an output in parts lies: a local folder, or a prefix of an object store. Files appear whole or not at all."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from cnncli import remote
from cnncli.errors import OutputError
from cnncli.files.output_path import require_outside_model_folder
from cnncli.files.whole import whole_file, write_whole
from cnncli.text import os_reason


class Store(Protocol):
    """Files by name. Every failure is an OutputError in one line."""

    def locate(self, name: str) -> str:
        """The path or URL of a file."""

    def names(self) -> frozenset[str]:
        """The names of all files; none where the place does not exist yet."""

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""

    def read(self, name: str) -> bytes:
        """The content of a file."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file; an earlier one of this name is replaced."""

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless there is one of this name; whether it was written."""

    def open_new(self, name: str) -> contextlib.AbstractContextManager[BinaryIO]:
        """A stream whose content becomes the file when the block succeeds; an earlier one is replaced."""


def open_store(place: str) -> Store:
    """The store at a path or URL, which need not exist yet.

    Raises:
        CnncliError: its file system needs a package that is not installed, or it lies in a model folder.
    """
    if remote.is_url(place):
        remote.require_file_system(place)
        return RemoteStore(place)
    require_outside_model_folder(Path(place) / "part")
    return LocalStore(Path(place))


@dataclass(frozen=True, slots=True)
class LocalStore:
    """A local folder, created when something is written."""

    folder: Path

    def __str__(self) -> str:
        """The path."""
        return str(self.folder)

    def locate(self, name: str) -> str:
        """The path of a file."""
        return str(self.folder / name)

    def names(self) -> frozenset[str]:
        """The names of all files, but for drafts; none where the folder does not exist yet."""
        with _translate("read", str(self)):
            try:
                return frozenset(file.name for file in self.folder.iterdir() if not file.name.startswith("."))
            except FileNotFoundError:
                return frozenset()

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return (self.folder / name).exists()

    def read(self, name: str) -> bytes:
        """The content of a file."""
        with _translate("read", self.locate(name)):
            return (self.folder / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Write a file; an earlier one of this name is replaced."""
        self._make_folder()
        write_whole(self.folder / name, content, overwrite=True)

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless there is one of this name; whether it was written."""
        self._make_folder()
        try:
            write_whole(self.folder / name, content, overwrite=False)
        except OutputError:
            if self.exists(name):
                return False
            raise
        return True

    @contextlib.contextmanager
    def open_new(self, name: str) -> Iterator[BinaryIO]:
        """A stream whose content becomes the file when the block succeeds; an earlier one is replaced."""
        self._make_folder()
        with (
            _translate("write", self.locate(name)),
            whole_file(self.folder / name, overwrite=True) as draft,
            draft.open("wb") as stream,
        ):
            yield stream

    def _make_folder(self) -> None:
        with _translate("write", str(self)):
            self.folder.mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True, slots=True)
class RemoteStore:
    """A prefix of an object store, by URL."""

    url: str

    def __str__(self) -> str:
        """The URL."""
        return self.url

    def locate(self, name: str) -> str:
        """The URL of a file."""
        return f"{self.url.rstrip('/')}/{name}"

    def names(self) -> frozenset[str]:
        """The names of all files; none where there is nothing at the URL yet."""
        with _translate("read", self.url):
            try:
                return frozenset(file.url.rpartition("/")[2] for file in remote.listing(self.url)[0])
            except FileNotFoundError:
                return frozenset()

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""
        with _translate("read", self.locate(name)):
            return remote.exists(self.locate(name))

    def read(self, name: str) -> bytes:
        """The content of a file."""
        with _translate("read", self.locate(name)):
            return remote.read(self.locate(name))

    def write(self, name: str, content: bytes) -> None:
        """Write a file; an earlier one of this name is replaced."""
        with _translate("write", self.locate(name)):
            remote.write(self.locate(name), content, overwrite=True)

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless there is one of this name; whether it was written."""
        with _translate("write", self.locate(name)):
            try:
                remote.write(self.locate(name), content, overwrite=False)
            except FileExistsError:
                return False
            return True

    @contextlib.contextmanager
    def open_new(self, name: str) -> Iterator[BinaryIO]:
        """A stream whose content becomes the file when the block succeeds; an earlier one is replaced."""
        with tempfile.TemporaryDirectory() as folder:
            draft = Path(folder) / "draft"
            with draft.open("wb") as stream:
                yield stream
            with _translate("write", self.locate(name)):
                remote.upload(self.locate(name), draft)


@contextlib.contextmanager
def _translate(action: str, location: str) -> Iterator[None]:
    """Turn an OSError into an OutputError in one line."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot {action} {location}: {os_reason(error)}") from error
