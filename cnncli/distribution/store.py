"""Where an output in parts lies: a local folder, or a prefix of an object store. Files appear whole or not at all."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cnncli import remote
from cnncli.dataclass import frozen_dataclass
from cnncli.errors import OutputError
from cnncli.files.output_path import require_outside_model_folder
from cnncli.files.whole import whole_file, write_whole
from cnncli.text import is_url, os_reason


@frozen_dataclass
class Store:
    """Files by name, at a path or URL, which is created when something is written.

    Every failure is an OutputError in one line.
    """

    place: str

    def __str__(self) -> str:
        """The path or URL."""
        return self.place

    @property
    def is_remote(self) -> bool:
        """Whether it is an object store."""
        return is_url(self.place)

    def locate(self, name: str) -> str:
        """The path or URL of a file."""
        return f"{self.place.rstrip('/')}/{name}" if self.is_remote else str(Path(self.place) / name)

    def names(self) -> frozenset[str]:
        """The names of all files, but for drafts; none where there is nothing yet."""
        with _translate("read", self.place):
            try:
                if self.is_remote:
                    return frozenset(file.url.rpartition("/")[2] for file in remote.listing(self.place)[0])
                return frozenset(file.name for file in Path(self.place).iterdir() if file.name[0] != ".")
            except FileNotFoundError:
                return frozenset()

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""
        location = self.locate(name)
        with _translate("read", location):
            return remote.exists(location) if self.is_remote else Path(location).exists()

    def read(self, name: str) -> bytes:
        """The content of a file."""
        location = self.locate(name)
        with _translate("read", location):
            return remote.read(location) if self.is_remote else Path(location).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Write a file; an earlier one of this name is replaced."""
        self._write(name, content, overwrite=True)

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless there is one of this name; whether it was written."""
        try:
            self._write(name, content, overwrite=False)
        except OutputError:
            if self.exists(name):
                return False
            raise
        return True

    def _write(self, name: str, content: bytes, *, overwrite: bool) -> None:
        location = self.locate(name)
        with _translate("write", location):
            if self.is_remote:
                remote.write(location, content, overwrite=overwrite)
            else:
                write_whole(self._new_file(name), content, overwrite=overwrite)

    @contextlib.contextmanager
    def open_new(self, name: str) -> Iterator[BinaryIO]:
        """A stream whose content becomes the file when the block succeeds; an earlier one is replaced."""
        with _translate("write", self.locate(name)), contextlib.ExitStack() as stack:
            if self.is_remote:
                draft = Path(stack.enter_context(tempfile.TemporaryDirectory())) / name
            else:
                draft = stack.enter_context(whole_file(self._new_file(name), overwrite=True))
            with draft.open("wb") as stream:
                yield stream
            if self.is_remote:
                remote.upload(self.locate(name), draft)

    def _new_file(self, name: str) -> Path:
        """The path of a local file, whose folder exists."""
        folder = Path(self.place)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name


def open_store(place: str) -> Store:
    """The store at a path or URL, which need not exist yet.

    Raises:
        CnncliError: its file system needs a package that is not installed, or it lies in a model folder.
    """
    store = Store(place)
    if store.is_remote:
        remote.require_file_system(place)
    else:
        require_outside_model_folder(Path(place) / "part")
    return store


@contextlib.contextmanager
def _translate(action: str, location: str) -> Iterator[None]:
    """Turn an OSError into an OutputError in one line."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot {action} {location}: {os_reason(error)}") from error
