"""An output file that grows as FILE.part and is renamed when it is complete, so that a run can go on.

Beside it, FILE.part.json says with which settings it was begun: rows of two models in one file would be
worse than no file.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cnncli.errors import OutputError

Settings = Mapping[str, str | int | float | bool | None]
"""Everything that the content depends on, apart from the inputs."""


def require_place(file: Path) -> None:
    """See that a file may be written, before the work that is to fill it.

    Raises:
        OutputError: its folder does not exist, or there is a folder in its place.
    """
    if not file.parent.is_dir():
        raise OutputError(f"cannot write {file}: there is no folder {file.parent}")
    if file.is_dir():
        raise OutputError(f"cannot write {file}: it is a folder")


@dataclass(frozen=True, slots=True)
class PartFile:
    """The places of an output file under way."""

    target: Path

    @property
    def part(self) -> Path:
        """The file as far as it has come."""
        return self.target.with_name(self.target.name + ".part")

    @property
    def settings(self) -> Path:
        """What it was begun with."""
        return self.target.with_name(self.target.name + ".part.json")

    def begin(self, settings: Settings, *, resume: bool, overwrite: bool) -> bool:
        """Get ready to write; whether there is something to go on from.

        Raises:
            OutputError: a result is there already, one is under way and nobody said what to do with it,
                or it was begun with other settings; or nothing can be written here.
        """
        require_place(self.target)
        if self.target.exists() and not overwrite:
            raise OutputError(f"{self.target} is there already, and complete", "--overwrite replaces it")
        if self.part.exists() and resume:
            self._require_same(settings)
            return True
        if self.part.exists() and not overwrite:
            raise OutputError(
                f"{self.part} is there: an earlier run did not finish",
                "--resume goes on from it, --overwrite starts again",
            )
        with _translated(self.target):
            self.part.unlink(missing_ok=True)
            self.settings.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        return False

    def _require_same(self, settings: Settings) -> None:
        try:
            earlier = json.loads(self.settings.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OutputError(
                f"cannot go on from {self.part}: {self.settings.name}, which says how it was made, cannot be read",
                "--overwrite starts again",
            ) from error
        changed = [
            f"{name} was {earlier.get(name)!r} and is now {value!r}"
            for name, value in settings.items()
            if earlier.get(name) != value
        ]
        if changed:
            raise OutputError(
                f"cannot go on from {self.part}: {'; '.join(changed)}", "--overwrite starts again"
            )

    @contextlib.contextmanager
    def open(self, keep: int = 0) -> Iterator[BinaryIO]:
        """The part file, open for appending after its first `keep` bytes; renamed when the block ends well.

        Raises:
            OutputError: it cannot be written; what was written stays.
        """
        with _translated(self.target):
            with self.part.open("ab") as stream:
                stream.truncate(keep)
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            self.complete()

    def complete(self) -> None:
        """Give the file its name."""
        with _translated(self.target):
            self.part.replace(self.target)
            self.settings.unlink(missing_ok=True)


@contextlib.contextmanager
def _translated(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
