"""Decoded images in one memory-mapped file, so that what fits is decoded once.

The file has no name: it lies in a folder that is handed in and is gone with the process, however that ends.
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


class KeptImages:
    """Images of any size by number, as long as there is room.

    Safe to use from several threads, each image being kept by one.
    """

    def __init__(self, folder: Path, room: int) -> None:
        """An empty store.

        Args:
            folder: where its file is made; without one that can be written to, nothing is kept.
            room: bytes that it may grow to.
        """
        self._places: dict[int, tuple[int, tuple[int, ...]]] = {}
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
        """The image (H, W, C) of that number, not to be written to; None where it is not kept."""
        place = self._places.get(number)
        if place is None:
            return None
        start, shape = place
        return self._view[start : start + int(np.prod(shape))].reshape(shape)

    def keep(self, number: int, image: Planes) -> None:
        """Put an image there, if there is room; a full disk is no room."""
        with self._lock:
            start = self._end
            if self._file is None or start + image.nbytes > self._room or number in self._places:
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
            self._places[number] = (start, image.shape)

    def _map(self, file: IO[bytes], end: int) -> None:
        """Make what was written visible: by doubling, as mapping anew for each image would take long."""
        if end <= len(self._view):
            return
        length = min(max(2 * end, _FIRST), self._room)
        file.truncate(length)  # beyond what is written it is a hole and takes no room
        self._view = np.frombuffer(mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ), np.uint8)

    def close(self) -> None:
        """Keep nothing more; what has been handed out stays readable."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None

    @property
    def bytes(self) -> int:
        """That are kept."""
        return self._end


_FIRST = 2**24
