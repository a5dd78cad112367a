"""Questions to servers and files from them, with a limit to everything: no library that downloads sets one.

Knows no hub and no cache. What goes wrong is an `OSError`; whoever asked says what was wanted.
"""

import hashlib
import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

TIMEOUT = 3.0
"""Seconds that a server may take for each word before it counts as unreachable."""

DEADLINE = 5.0
"""Seconds for a whole answer, with all addresses of the server's name and however it dawdles."""

_CHUNK = 1 << 18
_LONGEST_PAUSE = 30.0
"""Seconds without a byte after which a download has broken off."""


def require_reachable(url: str, method: str = "HEAD") -> int | None:
    """See that a server can be reached, through whatever proxy the environment names.

    Nothing is sent that says who asks: a redirection may lead anywhere.

    Args:
        url: what to ask for.
        method: GET asks for the content, too, and leaves as soon as it begins to come.

    Returns:
        The length of the content in bytes, where it is told.

    Raises:
        OSError: it cannot; an answer of any kind is good enough.
    """
    return call_with_timeout(lambda: _length(url, method))


def _length(url: str, method: str) -> int | None:
    try:
        question = urllib.request.Request(url, method=method)  # noqa: S310 - of torchvision, or of the environment
        with urllib.request.urlopen(question, timeout=TIMEOUT) as answer:  # noqa: S310
            length = answer.headers.get("Content-Length")
    except urllib.error.HTTPError:
        return None
    except urllib.error.URLError as error:
        raise OSError(str(error.reason)) from error
    except (http.client.HTTPException, ValueError) as error:  # no HTTP spoken there, or no address at all
        raise OSError(f"{type(error).__name__}: {error}") from error
    return int(length) if length and length.isdecimal() else None


def call_with_timeout(ask: Callable[[], T]) -> T:
    """An answer, if it comes within `DEADLINE`; no library limits the whole of name look-up, addresses and redirections.

    Raises:
        TimeoutError: it does not. Whatever asks is left behind, and does not keep the program from ending.
        Exception: whatever the question raises.
    """
    answer: Future[T] = Future()

    def work() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # noqa: BLE001 - whoever waits will hear of it
            answer.set_exception(error)

    threading.Thread(target=work, daemon=True, name="ask").start()
    try:
        return answer.result(DEADLINE)
    except TimeoutError as error:
        if answer.done():  # the question's own
            raise
        raise TimeoutError(f"no answer within {DEADLINE:g} s") from error


class BrokenOffError(OSError):
    """A download that came to an end before its file did; asked for again, it goes on from there."""


def download(url: str, file: Path, announced: str, advance: Callable[[int], None] = lambda _: None) -> None:
    """A file from a server, whole and as announced; grows as `FILE.part`, and goes on from there the next time.

    Args:
        url: where it is.
        file: where it goes.
        announced: the MD5 of its content, in hexadecimal, as its publisher tells it.
        advance: hears how many bytes have come, at first how many were there.

    Raises:
        BrokenOffError: the rest may be had another time.
        OSError: it cannot be had, cannot be written, or is another file.
    """
    part = file.with_name(f"{file.name}.part")
    file.parent.mkdir(parents=True, exist_ok=True)
    there = part.stat().st_size if part.exists() else 0
    if there and md5(part) == announced:  # whoever fetched it was stopped before it got its name
        part.replace(file)
        return
    try:
        with _opened(url, there) as answer:
            goes_on = answer.status == http.HTTPStatus.PARTIAL_CONTENT
            there = there if goes_on else 0
            advance(there)
            length = answer.headers.get("Content-Length")
            with part.open("ab" if goes_on else "wb") as stream:
                for chunk in iter(lambda: answer.read(_CHUNK), b""):
                    stream.write(chunk)
                    advance(len(chunk))
    except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise BrokenOffError(str(error).strip() or type(error).__name__) from error
    if length and part.stat().st_size < there + int(length):
        raise BrokenOffError(f"{part.stat().st_size:,} of {there + int(length):,} bytes came")
    if md5(part) != announced:
        part.unlink()
        raise OSError(f"what came from {url} is not the file that was announced (its MD5 is another)")
    part.replace(file)


def _opened(url: str, begin: int) -> http.client.HTTPResponse:
    """The answer to a question for a file, from some byte on if the server can."""
    headers = {"Range": f"bytes={begin}-"} if begin else {}
    question = urllib.request.Request(url, headers=headers)  # noqa: S310 - of a publisher, or of the environment
    try:
        answer: http.client.HTTPResponse = urllib.request.urlopen(question, timeout=_LONGEST_PAUSE)  # noqa: S310
    except urllib.error.HTTPError as error:
        if begin and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _opened(url, 0)  # nothing beyond what is there, which then is another file's
        raise OSError(f"{url} answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise OSError(f"{url} cannot be reached: {error.reason}") from error
    return answer


def md5(file: Path) -> str:
    """Of a file's content, in hexadecimal: what old publishers announce."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
