"""Images that arrive in a folder, as they arrive. The folder is listed again and again, which works on every disk and server."""

import threading
import time
from collections.abc import Iterator

from cnncli.images.sources import ImageInput, walk
from cnncli.records.predictions import ImageSource, Unreadable
from cnncli.records.progress import Progress

_INTERVAL = 1.0
"""Seconds between two listings of the folder; more if listing it takes long."""

_QUIET = 2.0
"""Seconds for which a file must not have changed: one that is still being copied is not complete."""

_SHARE = 4
"""A listing that takes a second is followed by at least so many seconds without one."""

_State = tuple[int, int] | None
"""Size in bytes and modification time in nanoseconds of a file; None for what is none, such as a folder that cannot be listed."""


class FolderWatch:
    """A folder whose new images are of interest: all that appear, or change, after `start`."""

    def __init__(self, folder: str) -> None:
        """Name the folder."""
        self.folder = folder
        self._known: dict[str, _State] = {}
        self._changing: dict[str, tuple[_State, float]] = {}
        self._is_over = threading.Event()
        self._is_gone = False

    def start(self) -> None:
        """Note the images that are there already."""
        for entry in walk(self.folder):
            self.skip(entry)

    def skip(self, entry: ImageInput) -> None:
        """Note an image that needs not be reported as it is now."""
        self._known[entry.path] = _state(entry)

    def stop(self) -> None:
        """Let `arrivals` end, from another thread or a signal handler."""
        self._is_over.set()

    def arrivals(self, progress: Progress) -> Iterator[ImageInput | None]:
        """The images that are new and complete; None while there are none.

        An image that changes after it was reported is reported again. If the folder disappears, this waits for it to come back.

        Args:
            progress: warns if the folder disappears.
        """
        while not self._is_over.is_set():
            start = time.monotonic()
            entries = list(walk(self.folder))
            if self._is_there(entries, progress):
                yield from self._complete(entries, start)
            yield None
            self._is_over.wait(max(_INTERVAL, _SHARE * (time.monotonic() - start)))

    def _is_there(self, entries: list[ImageInput], progress: Progress) -> bool:
        """Whether the folder could be listed; says so if that has changed."""
        first = entries[0] if entries else None
        reason = first.reason if isinstance(first, Unreadable) and first.path == self.folder else None
        if reason and not self._is_gone:
            progress.warning(f"{self.folder}: {reason}; waiting for it to come back (Ctrl-C ends)")
        elif self._is_gone and not reason:
            progress.notice(f"{self.folder} is back")
        self._is_gone = reason is not None
        return not self._is_gone

    def _complete(self, entries: list[ImageInput], now: float) -> Iterator[ImageInput]:
        """The entries that are not known as they are now, and have not changed for a while."""
        changing: dict[str, tuple[_State, float]] = {}
        known: dict[str, _State] = {}
        for entry in entries:
            path, state = entry.path, _state(entry)
            if path in self._known:
                known[path] = self._known[path]
                if known[path] == state:
                    continue
            before, since = self._changing.get(path, (None, now))
            since = since if before == state else now
            if isinstance(entry, Unreadable) or now - since >= _QUIET:
                known[path] = state
                yield entry
            elif state:
                changing[path] = (state, since)
        if any(isinstance(entry, Unreadable) for entry in entries):
            known = self._known | known  # what is in a folder that cannot be listed has not gone
        self._known, self._changing = known, changing  # without what has been moved away


def _state(entry: ImageInput) -> _State:
    stamp = entry.stamp() if isinstance(entry, ImageSource) else None
    return (stamp.size, stamp.modified) if stamp else None
