"""Pillow's own limit on the pixels of an image, which holds for the whole process, out of the way while an image is opened."""

import contextlib
import threading
from collections.abc import Iterator

from PIL import Image

_lock = threading.Lock()
_limits: list[int] = []
"""Of the images that are being opened."""

_own: int | None = None
"""Pillow's limit while no image is being opened."""


@contextlib.contextmanager
def allow_pixels(limit: int) -> Iterator[None]:
    """Let Pillow open images of up to this many pixels within the block; it may still refuse larger ones."""
    global _own  # noqa: PLW0603 - as the limit itself
    with _lock:
        if not _limits:
            _own = Image.MAX_IMAGE_PIXELS
        _limits.append(limit)
        _set_limit()
    try:
        yield
    finally:
        with _lock:
            _limits.remove(limit)
            _set_limit()


def _set_limit() -> None:
    Image.MAX_IMAGE_PIXELS = None if _own is None else max(_own, *_limits, 0)
