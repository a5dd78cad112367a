"""How much a zip archive unpacks to, known before anything is unpacked."""

import zipfile
from pathlib import Path


def unpacked_size(file: Path) -> int:
    """Total bytes of the entries of a zip archive, as its directory declares them; 0 for any other file.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return 0
