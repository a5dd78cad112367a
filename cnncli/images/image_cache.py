"""A cache of decoded images in one memory-mapped file, so that each image is decoded once, as far as there is room.

The file has no name: it lies in a given folder and disappears with the process, however that ends.
"""

import mmap
import tempfile
import threading
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.uint8]
"""(H, W, C) uint8."""


class ImageCache:
    """Decoded images of any size by number, as long as there is room.

    Safe to use from several threads, if each image is added by one of them.
    """

    def __init__(self, folder: Path, room: int) -> None:
        """The cache is empty.

        Args:
            folder: where the file is made; if it cannot be written, nothing is cached.
            room: largest size of the file in bytes.
        """
        self._entries: dict[int, tuple[int, tuple[int, ...]]] = {}
        self._lock = threading.Lock()
        self._room, self._end = room, 0
        self._view: Planes = np.empty(0, np.uint8)
        self._file: IO[bytes] | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as this object
        except OSError:
            self._room = 0

    def find(self, number: int) -> Planes | None:
        """The read-only image (H, W, C) of a number; None if it is not cached."""
        entry = self._entries.get(number)
        if entry is None:
            return None
        start, shape = entry
        return self._view[start : start + int(np.prod(shape))].reshape(shape)

    def keep(self, number: int, image: Planes) -> None:
        """Add an image (H, W, C), if there is room; a full disk counts as no room."""
        with self._lock:
            start = self._end
            if self._file is None or start + image.nbytes > self._room or number in self._entries:
                return
            try:
                # Written, not mapped: a full disk then raises, where a mapped page would kill the process.
                self._file.seek(start)
                self._file.write(np.ascontiguousarray(image).data)
                self._file.flush()
                self._map(self._file, start + image.nbytes)
            except OSError:
                self._room = start
                return
            self._end += image.nbytes
            self._entries[number] = (start, image.shape)

    def _map(self, file: IO[bytes], end: int) -> None:
        """Map what was written into memory; the mapping doubles each time, as one per image would be slow."""
        if end <= len(self._view):
            return
        length = min(max(2 * end, _FIRST_MAPPING), self._room)
        file.truncate(length)  # beyond what is written it is a hole and takes no room
        self._view = np.frombuffer(mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ), np.uint8)

    def close(self) -> None:
        """Add nothing more; images that were returned stay readable."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None

    @property
    def bytes(self) -> int:
        """Size of the cached images in bytes."""
        return self._end


_FIRST_MAPPING = 2**24
