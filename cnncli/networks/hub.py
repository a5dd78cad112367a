"""Weights from where they are published: the Hugging Face hub, and the addresses of timm and torchvision.

huggingface_hub and torch.hub download, each into its own cache (HF_HOME, TORCH_HOME), where other programs
find the files, too. Before that we ask, with little patience, whether the file can be had: left alone, both
spend the better part of a minute on a hub that cannot be reached. What has arrived is compared with the
SHA-256 that was announced, and is not used if it differs.
"""

import contextlib
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import torch
from huggingface_hub import (
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RepositoryNotFoundError

from cnncli.errors import WeightsError
from cnncli.networks.model_folder import sha256

PATIENCE = 4.0
"""Seconds that a server may take to answer before it counts as unreachable."""

_HINT = "give local weights with --weights FILE, or prepare it where there is a network and copy the folder"


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository on the Hugging Face hub.

    Attributes:
        repository: `timm/resnet50.a1_in1k`.
        names: of the file, the first that exists.
    """

    repository: str
    names: tuple[str, ...]

    def fetch(self, *, is_offline: bool) -> Path:
        """The file in huggingface_hub's cache, downloaded if need be.

        Raises:
            WeightsError: it cannot be had, or what arrived is not what was announced.
        """
        for name in self.names:
            cached = try_to_load_from_cache(self.repository, name)
            if isinstance(cached, str):
                return _checked(Path(cached), _digest(Path(cached).resolve().name))  # named by its digest
        if is_offline or constants.HF_HUB_OFFLINE:
            raise WeightsError(
                f"{self.repository} is not in the cache {constants.HF_HUB_CACHE}, and offline nothing is downloaded",
                _HINT,
            )
        constants.HF_HUB_DISABLE_TELEMETRY = True  # nobody needs to know who asks, or from what program
        for name in self.names:
            announced = self._announced(name)
            if announced is not None:
                return _checked(self._download(name), announced)
        raise WeightsError(
            f"{self.repository} on {constants.ENDPOINT} has no {' and no '.join(self.names)}", _HINT
        )

    def _announced(self, name: str) -> str | None:
        """What the hub says the file's digest is, as far as it says so; None where there is no such file."""
        try:
            return _digest(get_hf_file_metadata(hf_hub_url(self.repository, name), timeout=PATIENCE).etag)
        except (RepositoryNotFoundError, GatedRepoError) as error:
            raise WeightsError(
                f"{constants.ENDPOINT} has no {self.repository}, or not for you",
                "log in with `hf auth login`",
            ) from error
        except EntryNotFoundError:
            return None
        except Exception as error:  # each version of huggingface_hub has the errors of another HTTP library
            raise _unreachable(constants.ENDPOINT, self.repository, constants.HF_HUB_CACHE, error) from error

    def _download(self, name: str) -> Path:
        try:
            return Path(hf_hub_download(self.repository, name, etag_timeout=PATIENCE))
        except Exception as error:  # likewise
            raise _broken_off(self.repository, error) from error


@dataclass(frozen=True, slots=True)
class Address:
    """A file on the web; its name may end in the first digits of its SHA-256, as torchvision's do."""

    url: str

    def fetch(self, *, is_offline: bool) -> Path:
        """The file in torch.hub's cache, downloaded if need be.

        Raises:
            WeightsError: it cannot be had, or what arrived is not what its name announces.
        """
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        file = folder / Path(urlsplit(self.url).path).name
        announced = re.search(r"-([0-9a-f]{8,64})\.", file.name)
        digest = announced[1] if announced else ""
        if file.exists():
            return _checked(file, digest)
        if is_offline or constants.HF_HUB_OFFLINE:
            raise WeightsError(f"{file.name} is not in {folder}, and offline nothing is downloaded", _HINT)
        with _patience():
            self._require_answer(folder)
            self._download(file)
        return _checked(file, digest)

    def _require_answer(self, folder: Path) -> None:
        place = urlsplit(self.url)
        port = place.port or (443 if place.scheme == "https" else 80)
        try:
            socket.create_connection((place.hostname or "", port), timeout=PATIENCE).close()
        except OSError as error:
            raise _unreachable(
                f"{place.scheme}://{place.netloc}", Path(place.path).name, folder, error
            ) from error

    def _download(self, file: Path) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(self.url, str(file), progress=False)
        except (OSError, RuntimeError) as error:
            raise _broken_off(self.url, error) from error


Published = HubFile | Address


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """torch.hub sets no time limit; without one a silent server holds us for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE * 2)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _digest(etag: str | None) -> str:
    """The SHA-256 in an entity tag; nothing where it is a tag of another kind, as small files have."""
    return etag if etag and re.fullmatch(r"[0-9a-f]{64}", etag) else ""


def _checked(file: Path, announced: str) -> Path:
    """The file, if its digest begins as announced; else it is removed, so that the next try is a fresh one."""
    if not sha256(file).startswith(announced):
        file.resolve().unlink()
        file.unlink(missing_ok=True)
        raise WeightsError(
            f"{file.name} arrived damaged: its SHA-256 is not the one that was announced",
            "it was removed; try again",
        )
    return file


def _unreachable(server: str, wanted: str, cache: str | Path, error: Exception) -> WeightsError:
    return WeightsError(
        f"{server} cannot be reached for {wanted} ({_reason(error)}); it would be kept in {cache}", _HINT
    )


def _broken_off(wanted: str, error: Exception) -> WeightsError:
    return WeightsError(
        f"the download of {wanted} broke off: {_reason(error)}", "try again; what has arrived is kept"
    )


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
