"""Files on servers and in object stores, by URL: listed, read and written through fsspec, with time limits and retries.

The file system of a scheme comes from fsspec itself or from a package of its own (s3fs, gcsfs, adlfs; huggingface_hub
for hf://), which finds its credentials as it always does. Every failure is an `OSError` with a reason in one line.
"""

import datetime as dt
import errno
import io
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import MissingPackageError, UsageError
from cnncli.text import first_line, install_command
from cnncli.time_limit import within
from cnncli.window import Window

T = TypeVar("T")

PAUSES = (0.25, 0.5, 1.0, 2.0)
"""Seconds to wait before each further attempt at a request that failed for a reason that may pass."""

REQUEST_SECONDS = 60.0
"""Seconds that one request may take; after as many in all, no further attempt is made."""

LISTING_SECONDS = 300.0
"""Seconds that listing one folder may take: a million files in an object store, a thousand per request."""

UPLOAD_SECONDS = 3600.0
"""Seconds that writing one large file may take."""

_CHUNK = 8 << 20
"""Bytes per request of a stream."""

_PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "http": "aiohttp",
    "https": "aiohttp",
    "hf": "huggingface_hub",
}
"""The package behind a scheme."""

_PERMANENT = (
    InterruptedError,
    FileNotFoundError,
    PermissionError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    NotImplementedError,
    TypeError,
    ValueError,
)
"""Failures that another attempt would repeat."""


def scheme_of(url: str) -> str:
    """`s3` of `s3://bucket/key`."""
    return url.partition("://")[0].lower()


def is_web(url: str) -> bool:
    """Whether a URL is that of a web page or file, in which `?` begins a query."""
    return scheme_of(url) in {"http", "https"}


@frozen_dataclass
class RemoteFile:
    """A file as its server lists it.

    Attributes:
        url: of the file.
        size: in bytes; None where the server does not say.
        version: changes with the content: the server's digest or the time of the last change; empty where it says neither.
    """

    url: str
    size: int | None
    version: str = field(default="", compare=False)


def require_file_system(url: str) -> None:
    """Check that there is a file system for a URL, before any request.

    Raises:
        MissingPackageError: its package is not installed.
        UsageError: no file system has this scheme.
    """
    _file_system(url)


def listing(url: str) -> tuple[list[RemoteFile], list[str]]:
    """The files in a folder, and the URLs of the folders in it, each sorted by name.

    Raises:
        OSError: it does not exist, or cannot be listed.
    """
    system = _file_system(url)
    folder = url.rstrip("/")
    entries = _attempt(url, lambda: system.ls(_path(folder), detail=True), LISTING_SECONDS)
    files, folders = {}, set()
    for entry in entries:
        name = entry["name"].rstrip("/").rpartition("/")[2]
        if entry["type"] == "directory":
            folders.add(f"{folder}/{name}")
        elif entry["name"].rstrip("/") != _path(
            folder
        ):  # which may be a file, or have an object that marks it
            files[name] = _remote_file(f"{folder}/{name}", entry)
    return [files[name] for name in sorted(files)], sorted(folders)


def is_folder(url: str) -> bool:
    """Whether a URL leads to a folder: a prefix of other names.

    Raises:
        OSError: the server cannot be asked.
    """
    if is_web(url):  # web servers have no folders, only pages about them
        return False
    system = _file_system(url)
    return bool(_attempt(url, lambda: system.isdir(_path(url))))


def expand(pattern: str) -> list[str]:
    """The URLs that match a pattern with `*`, `?` or `[…]`, sorted.

    Raises:
        OSError: the server cannot be asked.
    """
    system = _file_system(pattern)
    names = _attempt(pattern, lambda: system.glob(_path(pattern)), LISTING_SECONDS)
    return [f"{scheme_of(pattern)}://{name.lstrip('/')}" for name in sorted(names)]


def info(url: str) -> RemoteFile:
    """What the server says about a file.

    Raises:
        OSError: it does not exist, or the server cannot be asked.
    """
    system = _file_system(url)
    return _remote_file(url, _attempt(url, lambda: system.info(_path(url))))


def _remote_file(url: str, entry: Mapping[str, Any]) -> RemoteFile:
    version = next((entry[key] for key in _VERSIONS if entry.get(key)), "")
    text = str(version.timestamp() if isinstance(version, dt.datetime) else version)
    return RemoteFile(url, entry.get("size"), text)


_VERSIONS = ("ETag", "etag", "blob_id", "LastModified", "last_modified", "mtime", "updated", "created")
"""What the file systems call the digest of a file's content, or the time when it changed; the first one counts."""


def size(url: str) -> int:
    """The size of a file in bytes.

    Raises:
        OSError: it does not exist, or the server does not say.
    """
    length = info(url).size
    if length is None:
        raise OSError(errno.EIO, "the server does not say how long it is", url)
    return length


def exists(url: str) -> bool:
    """Whether there is a file at a URL.

    Raises:
        OSError: the server cannot be asked.
    """
    system = _file_system(url)
    try:
        return bool(_attempt(url, lambda: system.info(_path(url)))["type"] == "file")
    except FileNotFoundError:
        return False


def read(url: str, start: int | None = None, stop: int | None = None) -> bytes:
    """The content of a file, or its bytes from `start` to before `stop`; fewer if it ends before.

    Raises:
        OSError: it cannot be read; transient failures have been retried.
    """
    system = _file_system(url)

    def request() -> bytes:
        try:
            content: bytes = system.cat_file(_path(url), start=start, end=stop)
        except Exception as error:
            if start is not None and _is_beyond_end(error):
                return b""
            raise
        return content

    content = _attempt(url, request)
    if start is not None and stop is not None and len(content) > stop - start:  # the server knows no ranges
        return content[start:stop]
    return content


def write(url: str, content: bytes, *, overwrite: bool) -> None:
    """Write a file in one request, so that it appears whole or not at all.

    Args:
        url: of the file.
        content: of the file.
        overwrite: whether an existing file is replaced. Stores that cannot tell in one request are asked before.

    Raises:
        FileExistsError: it exists and must not be replaced.
        OSError: it cannot be written.
    """
    system = _file_system(url)
    if not overwrite and exists(url):
        raise FileExistsError(errno.EEXIST, "exists already", url)
    mode = "overwrite" if overwrite else "create"
    _attempt(url, lambda: system.pipe_file(_path(url), content, mode=mode))


def upload(url: str, file: Path) -> None:
    """Write a file with the content of a local one, which may be larger than the memory; an earlier one is replaced.

    Raises:
        OSError: it cannot be written.
    """
    system = _file_system(url)
    _attempt(url, lambda: system.put_file(str(file), _path(url)), UPLOAD_SECONDS)


def open_stream(url: str, *, is_buffered: bool = True) -> BinaryIO:
    """A file as a seekable stream.

    Args:
        url: of the file.
        is_buffered: whether it is read in pieces of `_CHUNK` bytes; else each read is one request.

    Raises:
        OSError: it does not exist, or cannot be reached.
    """
    pieces = Window(lambda start, stop: read(url, start, stop), size(url))
    return cast("BinaryIO", io.BufferedReader(pieces, _CHUNK) if is_buffered else pieces)


def _path(url: str) -> str:
    """The name of a URL within its file system."""
    return str(_file_system(url)._strip_protocol(url))  # noqa: SLF001 - the only way to it; documented for file systems


def _file_system(url: str) -> Any:  # noqa: ANN401 - fsspec is not typed
    scheme = scheme_of(url)
    try:
        import fsspec

        return fsspec.filesystem(scheme, use_listings_cache=False)  # the same object each time
    except ImportError as error:
        is_missing = error.name == "fsspec" and is_web(url)
        package = "cnncli[remote]" if is_missing else _PACKAGES.get(scheme, "fsspec")
        raise MissingPackageError(
            f"{scheme}:// needs the package {package}: {first_line(error)}", install_command(package)
        ) from error
    except ValueError as error:
        raise UsageError(
            f"{url}: no file system has the scheme {scheme}://",
            "such as s3://bucket/folder/, gs://, az://, hf://datasets/NAME, https://",
        ) from error


def _attempt(url: str, request: Callable[[], T], seconds: float = REQUEST_SECONDS) -> T:
    """The result of a request, which is repeated after failures that may pass.

    Raises:
        OSError: it fails for good, with the reason in one line.
    """
    start = time.monotonic()
    pauses = iter(PAUSES)
    while True:
        try:
            return within(request, seconds)
        except Exception as error:
            pause = next(pauses, None)
            if not _may_pass(error) or pause is None or time.monotonic() - start > seconds:
                raise _as_os_error(error, url) from error
            time.sleep(pause)


def _is_beyond_end(error: Exception) -> bool:
    """Whether a range was refused because the file ends before it."""
    return getattr(error, "status", None) == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or (
        "range is not satisfiable" in str(error)
    )


def _may_pass(error: Exception) -> bool:
    """Whether another attempt may succeed."""
    status = getattr(error, "status", None)  # of an HTTP response
    if isinstance(status, int) and status:
        return status in {408, 425, 429} or status >= 500  # noqa: PLR2004 - the server's own failures
    return not isinstance(error, _PERMANENT) and "Credentials" not in type(error).__name__


def _as_os_error(error: Exception, url: str) -> OSError:
    if isinstance(error, FileExistsError):
        return FileExistsError(errno.EEXIST, "exists already", url)
    if isinstance(error, FileNotFoundError):
        if "bucket does not exist" in str(error):  # which is no missing file: nothing can be written there
            return OSError(errno.ENXIO, "no such bucket", url)
        return FileNotFoundError(errno.ENOENT, "no such file", url)
    if "Credentials" in type(error).__name__:
        return PermissionError(errno.EACCES, f"no credentials for {scheme_of(url)}://", url)
    if isinstance(error, PermissionError):
        return PermissionError(errno.EACCES, "permission denied", url)
    status = getattr(error, "status", None)
    reason = f"the server answers {status}" if isinstance(status, int) and status else first_line(error)
    return OSError(errno.EIO, reason, url)
