"""An output file that grows as FILE.part and is renamed when it is complete, so that a run can be resumed.

FILE.part.json beside it holds the settings that it was started with: a file with rows of two models would be worse than no
file. The part file is locked while a run writes it.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from cnncli.errors import OutputError
from cnncli.files.lock import lock
from cnncli.files.output_path import require_writable_file

Settings = Mapping[str, str | int | float | bool | None]
"""Everything that the content depends on, apart from the inputs."""

Write = Callable[[bytes], None]


class PartFile:
    """An output file that is being written."""

    def __init__(self, target: Path, *, is_resumable: bool = True) -> None:
        """Name the files; nothing is written yet.

        Args:
            target: where the complete file goes.
            is_resumable: whether a later run can resume it.
        """
        self.target = Path(
            os.path.realpath(target)
        )  # so that the target of a link is written, and the link stays
        self.part = self.target.with_name(self.target.name + ".part")
        self.settings = self.target.with_name(self.target.name + ".part.json")
        self._is_resumable = is_resumable
        self._stream: BinaryIO | None = None

    @property
    def is_complete(self) -> bool:
        """Whether an earlier run completed the file, and no run is writing it."""
        return os.path.isfile(self.target) and not os.path.exists(self.part)  # noqa: PTH110, PTH113

    def begin(self, settings: Settings, *, resume: bool, overwrite: bool) -> bool:
        """Lock the part file; return whether an earlier run is resumed.

        Args:
            settings: what the content depends on.
            resume: continue a part file that exists.
            overwrite: replace a complete file or a part file that exists.

        Raises:
            OutputError: the file or a part file exists and neither `resume` nor `overwrite` allows it; another process is
                writing it; it was started with other settings; or nothing can be written.
        """
        require_writable_file(self.target)
        with self._translate_errors():
            stream, existed = self._open_locked()
            self._stream = stream
            try:
                return self._claim(settings, existed=existed, resume=resume, overwrite=overwrite)
            except BaseException:
                if not existed:
                    self.part.unlink(missing_ok=True)
                self.close()
                raise

    def _claim(self, settings: Settings, *, existed: bool, resume: bool, overwrite: bool) -> bool:
        if existed and resume:
            self._require_same(settings)
            return True
        if self.target.exists() and not overwrite:
            raise OutputError(f"{self.target} already exists", "--overwrite replaces it")
        if existed and not overwrite:
            restart_hint = "--overwrite starts again"
            raise OutputError(
                f"{self.part} exists: an earlier run did not finish",
                f"--resume continues it, {restart_hint}" if self._is_resumable else restart_hint,
            )
        if self._stream:
            self._stream.truncate(
                0
            )  # before the settings change, so that old rows never appear under new settings
        self.settings.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        return False

    def _open_locked(self) -> tuple[BinaryIO, bool]:
        """The part file, open and locked, and whether it existed before."""
        while True:
            existed = self.part.exists()
            stream = self.part.open("ab")
            try:
                lock(stream)
            except BlockingIOError:
                stream.close()
                raise OutputError(f"another run is writing {self.part}", "wait for it, or stop it") from None
            if _is_at(stream, self.part):
                return stream, existed
            stream.close()  # another run has just finished with it

    def _require_same(self, settings: Settings) -> None:
        try:
            earlier = json.loads(self.settings.read_text(encoding="utf-8"))
            earlier.keys()
        except (OSError, ValueError, AttributeError) as error:
            raise OutputError(
                f"cannot resume {self.part}: its settings in {self.settings.name} cannot be read",
                "--overwrite starts again",
            ) from error
        changed = [
            f"{name} was {earlier.get(name)} and is now {value}"
            for name, value in settings.items()
            if earlier.get(name) != value
        ]
        if changed:
            raise OutputError(f"cannot resume {self.part}: {'; '.join(changed)}", "--overwrite starts again")

    @contextlib.contextmanager
    def open(self, keep: int = 0) -> Iterator[Write]:
        """A function that appends after the first `keep` bytes; the file is complete when the block succeeds.

        Raises:
            OutputError: it cannot be written; what was written stays.
        """
        stream = self._stream
        if stream is None:
            raise ValueError("call begin() first")

        def write(data: bytes) -> None:
            with self._translate_errors():
                stream.write(data)
                stream.flush()

        try:
            with self._translate_errors():
                stream.truncate(keep)
            yield write
            with self._translate_errors():
                os.fsync(stream.fileno())
            self.complete()
        finally:
            self.close()

    def complete(self) -> None:
        """Rename the part file to its final name."""
        with self._translate_errors():
            self.part.replace(self.target)
            self.settings.unlink(missing_ok=True)
        self.close()

    def discard(self) -> None:
        """Delete the part file, if there was nothing to write."""
        with self._translate_errors():
            self.part.unlink(missing_ok=True)
            self.settings.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Unlock the part file."""
        if self._stream is not None:
            with contextlib.suppress(OSError):  # a failed write was reported when it failed
                self._stream.close()

    @contextlib.contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"cannot write {self.target}: {error.strerror or error}") from error


def _is_at(stream: BinaryIO, path: Path) -> bool:
    """Whether an open file is still the one at this path."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False
