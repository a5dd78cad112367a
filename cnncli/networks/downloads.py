"""Where weights are published and where downloads are cached; imports none of the libraries that download.

huggingface_hub and torch.hub take seconds to import, and errors such as being offline should be reported at once.
"""

import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import WeightsError
from cnncli.text import first_line

OFFLINE_HINT = "pocket and all prepared networks work (`cnncli models --prepared`), and so do local weights (--weights FILE)"
"""Hint for a failed download."""

TORCHVISION = "https://download.pytorch.org"
"""The server of torchvision's weights."""


@frozen_dataclass
class HubFile:
    """A file of a repository on the Hugging Face hub.

    Attributes:
        repository: such as `timm/resnet50.a1_in1k`.
        names: possible names of the file; the first that exists counts.
        revision: a branch, tag or commit; None for the main branch.
    """

    repository: str
    names: tuple[str, ...]
    revision: str | None = None

    @property
    def location(self) -> str:
        """Repository or URL, for messages and the index."""
        return self.repository


@frozen_dataclass
class WebFile:
    """A file at a URL; its name may end in the first digits of its SHA-256, as torchvision's do."""

    url: str

    @property
    def location(self) -> str:
        """Repository or URL, for messages and the index."""
        return self.url


@frozen_dataclass
class LocalFile:
    """A weights file in a folder of the user's."""

    path: Path

    @property
    def location(self) -> str:
        """Its path, for messages."""
        return str(self.path)


@frozen_dataclass
class Checkpoint:
    """The files of a network that transformers wrote; the weights may be in several files.

    Attributes:
        folder: the folder that has config.json: one of the user's, or the hub's cache of one commit of a repository.
        repository: where files that the folder lacks are downloaded; None for a folder of the user's.
        revision: the commit of the repository that the folder belongs to.
    """

    folder: Path
    repository: str | None = None
    revision: str | None = None

    @property
    def location(self) -> str:
        """Repository or path, for messages."""
        return self.repository or str(self.folder)


Published = HubFile | WebFile | LocalFile | Checkpoint


def endpoint() -> str:
    """The URL of the Hugging Face hub: `HF_ENDPOINT`, or the public one."""
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def is_forbidden() -> bool:
    """Whether the environment forbids downloads (`HF_HUB_OFFLINE`)."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def hub_cache() -> Path:
    """The cache of huggingface_hub."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def torch_cache() -> Path:
    """The cache of torch.hub for weights, from the same environment variables that torch.hub reads."""
    caches = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("TORCH_HOME", Path(caches, "torch"))).expanduser() / "hub" / "checkpoints"


def may_be_cached(published: str) -> bool:
    """Whether one of the caches may hold published weights; False is certain.

    Args:
        published: a repository on the hub, such as `timm/resnet50.a1_in1k`, or a URL.
    """
    url = urlsplit(published)
    if url.scheme:
        return (torch_cache() / Path(url.path).name).exists()
    return (hub_cache() / f"models--{published.replace('/', '--')}").exists()


def unreachable_error(server: str, file: str, cache: str | Path, error: Exception) -> WeightsError:
    """The error for a file or repository that a server does not send, for lack of an answer or by its answer."""
    has_answered = getattr(getattr(error, "response", None), "status_code", None) is not None
    problem = f"refuses to send {file}" if has_answered else f"cannot be reached to download {file}"
    return WeightsError(f"{server} {problem} ({first_line(error)})", f"put a copy in {cache}; {OFFLINE_HINT}")


def require_writable(folder: Path, variable: str) -> None:
    """Check that a cache is writable, before a download.

    Args:
        folder: the cache.
        variable: the environment variable that sets its location.

    Raises:
        WeightsError: it is not.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise WeightsError(
            f"cannot write downloads to {folder}: {error.strerror}",
            f"set {variable} to a writable folder",
        ) from error
