"""How much a zip archive unpacks to, known before anything is unpacked."""

import io
import zipfile
from pathlib import Path
from typing import BinaryIO

from cnncli.text import size

_SMALL = 16 << 20
"""Bytes that the content of any archive may take: names and shapes of small files compress well."""


def require_modest(file: Path | BinaryIO, expansion: int, content: int | None = None) -> None:
    """Raise ValueError if an archive's content is far larger than itself, before memory is spent on it.

    Args:
        file: a zip archive; any other file passes.
        expansion: the content may take this multiple of the file's size.
        content: in bytes, if it is known; by default what the archive's directory declares.

    Raises:
        OSError: the file cannot be read.
        ValueError: the content is larger.
    """
    content = _unpacked_size(file) if content is None else content
    packed = file.stat().st_size if isinstance(file, Path) else file.seek(0, io.SEEK_END)
    if content > expansion * packed + _SMALL:
        raise ValueError(f"{size(packed)} that would take {size(content)} of memory")


def _unpacked_size(file: Path | BinaryIO) -> int:
    """Total bytes of the entries of a zip archive, as its directory declares them; 0 for any other file.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return 0
