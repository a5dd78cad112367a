"""A file that is there as a whole or not at all."""

import contextlib
import uuid
from pathlib import Path

from cnncli.errors import OutputError


def write_whole(file: Path, content: bytes) -> None:
    """Write beside the file's place, then rename: nobody ever sees half of it, and a failure leaves what was there.

    Raises:
        OutputError: it cannot be written.
    """
    draft = file.with_name(f".{uuid.uuid4().hex}.draft")
    try:
        draft.write_bytes(content)
        draft.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise OutputError(f"cannot write {file}: {error.strerror or error}") from error
