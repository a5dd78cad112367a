"""What is known of downloads before anything that downloads is imported: servers, caches, what they hold.

huggingface_hub and torch.hub, which do download, take seconds to import; whoever may not download, or finds no
server, should hear so at once.
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cnncli.errors import WeightsError

OFFLINE_HINT = "pocket and all prepared networks work (`cnncli models --prepared`), and so do local weights (--weights FILE)"
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
class WebFile:
    """A file on the web; its name may end in the first digits of its SHA-256, as torchvision's do."""

    url: str

    @property
    def place(self) -> str:
        """Where it is, in a word."""
        return self.url


Published = HubFile | WebFile


def endpoint() -> str:
    """The address of the Hugging Face hub: `HF_ENDPOINT`, or the public one."""
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def is_forbidden() -> bool:
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


def may_be_cached(published: str) -> bool:
    """Whether one of the caches has something of what is published; False is certain, True is worth a closer look.

    Args:
        published: a repository of the hub, `timm/resnet50.a1_in1k`, or an address.
    """
    place = urlsplit(published)
    if place.scheme:
        return (torch_cache() / Path(place.path).name).exists()
    return (hub_cache() / f"models--{published.replace('/', '--')}").exists()


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
            f"set {variable} to a writable folder",
        ) from error
