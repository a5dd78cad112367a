"""The SHA-256 of an image file's bytes."""

import hashlib

from cnncli.records.predictions import ImageSource, UnreadableError


def sha256(source: ImageSource) -> str | None:
    """The hexadecimal SHA-256 of a source's bytes; None where they cannot be read."""
    try:
        with source.open() as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]  # needs readinto only
    except (OSError, UnreadableError):
        return None
