"""HTTP requests and downloads with time limits, which the download libraries do not set.

Independent of any hub or cache. Every failure is an `OSError`; callers add what they asked for.
"""

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from cnncli.regular_file import open_regular
from cnncli.time_limit import within

TIMEOUT = 3.0
"""Seconds that connecting, or a single read, may take before a server counts as unreachable."""

DEADLINE = 5.0
"""Seconds for a complete response, including name resolution and redirects, which no library limits together."""

_CHUNK = 1 << 18
_READ_TIMEOUT = 30.0
"""Seconds without data after which a download counts as interrupted."""


def require_reachable(url: str, method: str = "HEAD") -> int | None:
    """Check that a server answers, through a proxy if the environment names one.

    No credentials are sent, since a redirect may lead anywhere.

    Args:
        url: to request.
        method: GET requests the content as well, and disconnects when it starts to arrive.

    Returns:
        The length of the content in bytes; None where the server does not say.

    Raises:
        OSError: the server cannot be reached; an HTTP error status counts as an answer.
    """
    return within(lambda: _length(url, method), DEADLINE)


def _length(url: str, method: str) -> int | None:
    try:
        request = urllib.request.Request(url, method=method)  # noqa: S310 - of torchvision, or of the environment
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
            length = response.headers.get("Content-Length")
    except urllib.error.HTTPError:
        return None
    except urllib.error.URLError as error:
        raise OSError(str(error.reason)) from error
    except (http.client.HTTPException, ValueError) as error:  # not an HTTP server, or not a URL
        raise OSError(f"{type(error).__name__}: {error}") from error
    return int(length) if length and length.isdecimal() else None


class InterruptedDownloadError(OSError):
    """A download that ended early; the next attempt resumes it."""


def download(
    url: str, file: Path, expected_md5: str, advance: Callable[[int], None] = lambda _: None
) -> None:
    """Download a file and verify it; the data so far is in `FILE.part`, from where the next attempt resumes.

    Args:
        url: of the file.
        file: to write.
        expected_md5: MD5 of its content, in hexadecimal, as published.
        advance: called with the number of new bytes; first with the number already in `FILE.part`.

    Raises:
        InterruptedDownloadError: the connection broke; another attempt resumes.
        OSError: the file cannot be downloaded or written, or has another MD5.
    """
    part = file.with_name(f"{file.name}.part")
    file.parent.mkdir(parents=True, exist_ok=True)
    size = part.stat().st_size if part.exists() else 0
    if size and md5(part) == expected_md5:  # complete, but interrupted before it was renamed
        part.replace(file)
        return
    try:
        with _request_from(url, size) as response:
            is_resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
            size = size if is_resumed else 0
            advance(size)
            length = response.headers.get("Content-Length")
            with open_regular(part, "ab" if is_resumed else "wb") as stream:
                for chunk in iter(lambda: response.read(_CHUNK), b""):
                    stream.write(chunk)
                    advance(len(chunk))
    except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise InterruptedDownloadError(str(error).strip() or type(error).__name__) from error
    if length and part.stat().st_size < size + int(length):
        raise InterruptedDownloadError(f"received {part.stat().st_size:,} of {size + int(length):,} bytes")
    if md5(part) != expected_md5:
        part.unlink()
        raise OSError(f"the file from {url} has the wrong MD5")
    part.replace(file)


def _request_from(url: str, offset: int) -> http.client.HTTPResponse:
    """The response to a request for a file, from a byte offset if the server supports it."""
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - of a publisher, or of the environment
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_READ_TIMEOUT)  # noqa: S310
    except urllib.error.HTTPError as error:
        if offset and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _request_from(url, 0)  # FILE.part is not shorter than the file, so it holds another one
        raise OSError(f"{url} answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise OSError(f"{url} cannot be reached: {error.reason}") from error
    return response


def md5(file: Path) -> str:
    """MD5 of a file's content, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
