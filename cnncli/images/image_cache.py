"""A cache of decoded images in one memory-mapped file, so that each image is decoded only once, if there is space.

The file has no name, so it disappears with the process, however that ends.
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
    """Decoded images of any size by number, as long as there is space.

    Thread-safe, if each image is added by one thread only.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Create an empty cache.

        Args:
            folder: for the file; if it is not writable, nothing is cached.
            max_bytes: largest size of the file.
        """
        self._entries: dict[int, tuple[int, tuple[int, ...]]] = {}
        self._lock = threading.Lock()
        self._max_bytes, self._end = max_bytes, 0
        self._view: Planes = np.empty(0, np.uint8)
        self._file: IO[bytes] | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as this object
        except OSError:
            self._max_bytes = 0

    def find(self, number: int) -> Planes | None:
        """The read-only image (H, W, C) of a number; None if it is not cached."""
        entry = self._entries.get(number)
        if entry is None:
            return None
        start, shape = entry
        return self._view[start : start + int(np.prod(shape))].reshape(shape)

    def add(self, number: int, image: Planes) -> None:
        """Add an image (H, W, C), if there is space in the cache and on the disk."""
        with self._lock:
            start = self._end
            if self._file is None or start + image.nbytes > self._max_bytes or number in self._entries:
                return
            try:
                # Written through the file: on a full disk this raises, while writing to a mapped page would kill the process.
                self._file.seek(start)
                self._file.write(np.ascontiguousarray(image).data)
                self._file.flush()
                self._map(self._file, start + image.nbytes)
            except OSError:
                self._max_bytes = start
                return
            self._end += image.nbytes
            self._entries[number] = (start, image.shape)

    def _map(self, file: IO[bytes], end: int) -> None:
        """Map the written part into memory; the mapping doubles each time, since one mapping per image would be slow."""
        if end <= len(self._view):
            return
        length = min(max(2 * end, _FIRST_MAPPING), self._max_bytes)
        file.truncate(length)  # the part that is not written yet takes no disk space
        self._view = np.frombuffer(mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ), np.uint8)

    def close(self) -> None:
        """Stop adding images; those already returned stay readable."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None

    @property
    def bytes(self) -> int:
        """Size of the cached images in bytes."""
        return self._end


_FIRST_MAPPING = 2**24
