"""What is known of downloads before anything that downloads is imported: servers, caches, what they hold.

huggingface_hub and torch.hub, which do download, take seconds to import; whoever may not download, or finds no
server, should hear so at once.
"""

import http.client
import os
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from cnncli.errors import WeightsError

T = TypeVar("T")

PATIENCE = 3.0
"""Seconds that a server may take for each word before it counts as unreachable."""

DEADLINE = 5.0
"""Seconds for a whole answer, with all addresses of the server's name and however it dawdles."""

WITHOUT = "prepared networks work (`cnncli models --prepared`), and so do local weights (--weights FILE)"
"""What to do where a download cannot be had."""

TORCHVISION = "https://download.pytorch.org"
"""Where torchvision's weights are."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository on the Hugging Face hub.

    Attributes:
        repository: `timm/resnet50.a1_in1k`.
        names: of the file, the first that exists.
        revision: a branch, a tag or a commit of the repository; None is its main branch.
    """

    repository: str
    names: tuple[str, ...]
    revision: str | None = None

    @property
    def place(self) -> str:
        """Where it is, in a word."""
        return self.repository


@dataclass(frozen=True, slots=True)
class Address:
    """A file on the web; its name may end in the first digits of its SHA-256, as torchvision's do."""

    url: str

    @property
    def place(self) -> str:
        """Where it is, in a word."""
        return self.url


Published = HubFile | Address


def endpoint() -> str:
    """The address of the Hugging Face hub: `HF_ENDPOINT`, or the public one."""
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def forbidden() -> bool:
    """Whether the environment forbids downloads."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def hub_cache() -> Path:
    """Where huggingface_hub keeps what it downloads."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def torch_cache() -> Path:
    """Where torch.hub keeps the weights that it downloads; it makes the same of the environment."""
    caches = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("TORCH_HOME", Path(caches, "torch"))).expanduser() / "hub" / "checkpoints"


def may_hold(published: str) -> bool:
    """Whether one of the caches has something of what is published; False is certain, True is worth a closer look.

    Args:
        published: a repository of the hub, `timm/resnet50.a1_in1k`, or an address.
    """
    place = urlsplit(published)
    if place.scheme:
        return (torch_cache() / Path(place.path).name).exists()
    return (hub_cache() / f"models--{published.replace('/', '--')}").exists()


def require_answer(url: str, method: str = "HEAD") -> int | None:
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
    return in_time(lambda: _length(url, method))


def _length(url: str, method: str) -> int | None:
    try:
        question = urllib.request.Request(url, method=method)  # noqa: S310 - of torchvision, or of the environment
        with urllib.request.urlopen(question, timeout=PATIENCE) as answer:  # noqa: S310
            length = answer.headers.get("Content-Length")
    except urllib.error.HTTPError:
        return None
    except urllib.error.URLError as error:
        raise OSError(str(error.reason)) from error
    except (http.client.HTTPException, ValueError) as error:  # no HTTP spoken there, or no address at all
        raise OSError(f"{type(error).__name__}: {error}") from error
    return int(length) if length and length.isdecimal() else None


def in_time(ask: Callable[[], T]) -> T:
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


def require_writable(folder: Path, variable: str) -> None:
    """See that a download can be kept, before it is asked for.

    Args:
        folder: the cache.
        variable: of the environment, that moves it.

    Raises:
        WeightsError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise WeightsError(
            f"downloads cannot be kept in {folder}: {error.strerror}",
            f"set {variable} to a folder that can be written",
        ) from error
