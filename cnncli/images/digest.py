"""Digests that identify an image by its bytes: of the whole file, or of a few pieces of a large one."""

import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Sequence

from cnncli.images.threads import reading_pool, reading_threads
from cnncli.records.predictions import ImageSource, Stamp, UnreadableError

PARTIAL = "partial-"
"""Prefix of a partial digest."""

_PIECE, _PIECES = 16384, 4
"""Length in bytes, and number, of the pieces of a partial digest; the first holds metadata, the others compressed pixels."""

_HEX_DIGITS = 32
"""Hexadecimal digits of a digest: 128 of the bits of SHA-256, enough for any number of images."""

_THREADS = 8
"""Files read at the same time; most of the time is spent waiting for the file system."""

_BATCH = 64
"""Files that a thread reads in turn: handing over each one would take longer than reading a small one from memory."""


def sha256(source: ImageSource) -> str | None:
    """The hexadecimal SHA-256 of a source's bytes; None where they cannot be read."""
    try:
        with source.open() as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]  # needs readinto only
    except (OSError, UnreadableError):
        return None


def image_digest(source: ImageSource, *, partial: bool) -> str | None:
    """The digest of a source's bytes; None where they cannot be read.

    Args:
        source: of the image.
        partial: whether to read only its size and a few pieces. A source of up to 64 KB is then read whole, but its digest
            is also marked as partial.
    """
    if not partial:
        digest = sha256(source)
        return digest[:_HEX_DIGITS] if digest else None
    try:
        with source.open() as stream:
            size = stream.seek(0, io.SEEK_END)
            content = hashlib.sha256(f"{size}\n".encode())
            for start in _piece_starts(size):
                stream.seek(start)
                content.update(stream.read(_PIECE))
    except (OSError, UnreadableError):
        return None
    return PARTIAL + content.hexdigest()[:_HEX_DIGITS]


def image_stamps(sources: Sequence[ImageSource]) -> list[Stamp | None]:
    """The stamps of many sources; servers are asked for several at a time."""
    threads = reading_threads(sources, 1)
    if threads == 1:
        return [source.stamp() for source in sources]
    with reading_pool(threads, "stamp") as pool:
        return list(pool.map(lambda source: source.stamp(), sources))


def _piece_starts(size: int) -> Iterator[int]:
    """Where the pieces of a file begin: evenly spread, the last one at its end."""
    last = max(size - _PIECE, 0)
    for piece in range(_PIECES):
        yield min(piece * _PIECE, size) if size <= _PIECE * _PIECES else last * piece // (_PIECES - 1)


def image_digests(sources: Sequence[ImageSource], partial: Sequence[bool]) -> list[str | None]:
    """The digests of many sources, read in parallel; `partial` as in `image_digest`, for each."""
    pairs = list(zip(sources, partial, strict=True))
    batches = [pairs[start : start + _BATCH] for start in range(0, len(pairs), _BATCH)]
    with reading_pool(reading_threads(sources, _THREADS), "digest") as pool:
        digests = pool.map(
            lambda batch: [image_digest(source, partial=part) for source, part in batch], batches
        )
        return [digest for batch in digests for digest in batch]


def distinguishing_digests(sources: Sequence[ImageSource], sizes: Sequence[int | None]) -> list[str | None]:
    """Digests that tell these sources apart: partial where no other has the same size in bytes, else whole."""
    counts = Counter(sizes)
    return image_digests(sources, [counts[size] == 1 for size in sizes])
