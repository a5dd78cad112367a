"""Files that hold many images, on a disk or on a server: opening them, and what tells that one has changed."""

import functools
import time
from typing import BinaryIO

from cnncli.images.local_file import LocalFile
from cnncli.records.predictions import Stamp, UnreadableError
from cnncli.regular_file import open_regular
from cnncli.text import is_url, os_reason


def open_container(file: str) -> BinaryIO:
    """A file as a seekable stream.

    Raises:
        OSError: it cannot be opened.
    """
    if is_url(file):
        from cnncli import remote

        return remote.open_stream(file)
    return open_regular(file)


def container_stamp(file: str) -> Stamp | None:
    """Size and times of a file; a server is asked once a minute."""
    if is_url(file):
        return _remote_stamp(file, int(time.monotonic() // _SECONDS))
    return LocalFile(file).stamp()


_SECONDS = 60
"""Seconds for which a file on a server is taken to be unchanged."""


@functools.lru_cache(maxsize=1024)
def _remote_stamp(url: str, _: int) -> Stamp | None:
    from cnncli.images.remote_image import RemoteImage

    return RemoteImage(url).stamp()


def reason(error: OSError | UnreadableError) -> str:
    """Why a file cannot be read, as text for people."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return os_reason(error) if isinstance(error, OSError) else str(error)
