"""An output file that grows as FILE.part and is renamed when it is complete, so that a run can be resumed.

FILE.part.json beside it holds the settings that it was started with: a file with rows of two models would be worse than no
file. FILE.part.lock keeps a second run from writing it. Anyone who knows FILE knows these names, so none of them is followed
if it is a link.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from cnncli.errors import OutputError
from cnncli.files.lock import FileLock
from cnncli.files.output_path import require_writable_file
from cnncli.files.whole import publish, write_whole
from cnncli.regular_file import NotRegularError, open_regular, read_document
from cnncli.text import parse_json

Settings = Mapping[str, str | int | float | bool | None]
"""Everything that the content depends on, apart from the inputs."""

_REPLACES = "overwrite"
"""The setting that says whether the run may replace the file, which a run that resumes it may then, too."""

Write = Callable[[bytes], None]


def changes_text(earlier: Settings, now: Settings) -> str:
    """Which settings of an earlier run are others now; empty if none is."""
    return "; ".join(
        f"{name} was {earlier.get(name)} and is now {value}"
        for name, value in now.items()
        if earlier.get(name) != value
    )


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
        self._lock: FileLock | None = None
        self._replaces = False

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
            self._lock = self._acquire_lock()
            existed = os.path.lexists(self.part)
            try:
                self._stream = open_regular(self.part, "ab")
                return self._claim(settings, existed=existed, resume=resume, overwrite=overwrite)
            except BaseException:
                if not existed:
                    self.part.unlink(missing_ok=True)
                self.close()
                raise

    def _acquire_lock(self) -> FileLock:
        try:
            return FileLock(self.target.with_name(f"{self.target.name}.part.lock"))
        except BlockingIOError as error:
            raise OutputError(f"another run is writing {self.part}", "wait for it, or stop it") from error

    def _claim(self, settings: Settings, *, existed: bool, resume: bool, overwrite: bool) -> bool:
        if existed and resume:
            earlier = self._require_same(settings)
            self._replaces = overwrite or bool(earlier.get(_REPLACES))
            if not self._replaces:
                self._require_free()
            return True
        self._replaces = overwrite
        if not overwrite:
            self._require_free()
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
        document = json.dumps({**settings, _REPLACES: overwrite}, indent=2) + "\n"
        write_whole(self.settings, document.encode(), overwrite=True)
        return False

    def _require_free(self) -> None:
        if os.path.lexists(self.target):
            raise OutputError(f"{self.target} already exists", "--overwrite replaces it")

    def _require_same(self, settings: Settings) -> Settings:
        """The settings that the part file was started with, which must be these.

        Raises:
            OutputError: they differ, or cannot be read.
        """
        try:
            earlier: Settings = parse_json(read_document(self.settings))
            earlier.keys()
        except (OSError, ValueError, AttributeError) as error:
            raise OutputError(
                f"cannot resume {self.part}: its settings in {self.settings.name} cannot be read",
                "--overwrite starts again",
            ) from error
        if changes := changes_text(earlier, settings):
            raise OutputError(f"cannot resume {self.part}: {changes}", "--overwrite starts again")
        return earlier

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
        """Rename the part file to its final name.

        Raises:
            OutputError: a file of that name has appeared and must not be replaced, or renaming fails; the part file stays.
        """
        with self._translate_errors():
            self._close_stream()  # Windows does not rename open files
            hint = f"the complete records are in {self.part}"
            publish(self.part, self.target, overwrite=self._replaces, hint=hint)
            self.settings.unlink(missing_ok=True)
        self.close()

    def discard(self) -> None:
        """Delete the part file, if there was nothing to write."""
        with self._translate_errors():
            self._close_stream()
            self.part.unlink(missing_ok=True)
            self.settings.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Unlock the part file."""
        self._close_stream()
        if self._lock is not None:
            self._lock.release()

    def _close_stream(self) -> None:
        if self._stream is not None:
            with contextlib.suppress(OSError):  # a failed write was reported when it failed
                self._stream.close()

    @contextlib.contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except NotRegularError as error:
            raise OutputError(
                f"cannot write {self.target}: {error.filename} is {error.strerror}", "move that away"
            ) from error
        except OSError as error:
            raise OutputError(f"cannot write {self.target}: {error.strerror or error}") from error
