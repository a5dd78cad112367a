"""A range of bytes as a seekable stream: a file on a server, a member of an archive. Knows nothing of either."""

import io
from collections.abc import Callable
from typing import Any


class Window(io.RawIOBase):
    """A stream of known length, of which any part can be read."""

    def __init__(
        self, read: Callable[[int, int], bytes], length: int, close: Callable[[], None] = lambda: None
    ) -> None:
        """Create a stream at its beginning.

        Args:
            read: returns the bytes from a first to before a last position.
            length: in bytes.
            close: called in the end.
        """
        self._read, self._length, self._close = read, length, close
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        self._position = max(base + offset, 0)
        return self._position

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        view = memoryview(buffer).cast("B")
        stop = min(self._position + len(view), self._length)
        if stop <= self._position:
            return 0
        content = self._read(self._position, stop)
        view[: len(content)] = content
        self._position += len(content)
        return len(content)

    def close(self) -> None:
        if not self.closed:
            self._close()
        super().close()
