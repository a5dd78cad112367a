"""Weights from where they are published: the Hugging Face hub, and the addresses of timm and torchvision.

huggingface_hub and torch.hub download, each into its own cache (HF_HOME, TORCH_HOME), where other programs
find the files, too. Before that we ask, with little patience, whether the file can be had: left alone, both
spend the better part of a minute on a hub that cannot be reached. What has arrived is compared with the
SHA-256 that was announced, and is not used if it differs.
"""

import contextlib
import hashlib
import http.client
import re
import socket
from collections.abc import Iterator
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
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

from cnncli.errors import WeightsError
from cnncli.networks.downloads import (
    OFFLINE_HINT,
    HubFile,
    Published,
    WebFile,
    hub_cache,
    is_forbidden,
    require_writable,
    torch_cache,
)
from cnncli.networks.model_folder import sha256
from cnncli.records.progress import Progress
from cnncli.web import TIMEOUT, call_with_timeout, require_reachable


def fetch(wanted: Published, progress: Progress, *, is_offline: bool) -> Path:
    """A file in the cache of what downloads it, downloaded if need be.

    Raises:
        WeightsError: it cannot be had, or what arrived is not what was announced.
    """
    match wanted:
        case HubFile():
            return _fetch_from_hub(wanted, progress, is_offline=is_offline)
        case WebFile():
            return _fetch_from_address(wanted, progress, is_offline=is_offline)


# ---- the Hugging Face hub


def _fetch_from_hub(wanted: HubFile, progress: Progress, *, is_offline: bool) -> Path:
    """The file in huggingface_hub's cache, downloaded if need be.

    Raises:
        WeightsError: it cannot be had, or what arrived is not what was announced.
    """
    for name in wanted.names:
        cached = try_to_load_from_cache(wanted.repository, name, revision=wanted.revision)
        if isinstance(cached, str):
            return _checked(Path(cached), _digest(Path(cached).resolve().name))  # named by its tag
    if is_offline or is_forbidden():
        raise WeightsError(
            f"{wanted.repository} is not in the cache {constants.HF_HUB_CACHE}, and offline nothing is downloaded",
            OFFLINE_HINT,
        )
    require_writable(hub_cache(), "HF_HOME")
    constants.HF_HUB_DISABLE_TELEMETRY = True  # nobody needs to know who asks, or from what program
    # Another server and another protocol, which tries for minutes where it is blocked, and which nobody can ask first.
    constants.HF_HUB_DISABLE_XET = True
    for name in wanted.names:
        announced = _announced(wanted, name)
        if announced is not None:
            _require_content(wanted, name)
            return _checked(_download_from_hub(wanted, name, progress), _digest(announced))
    raise WeightsError(
        f"{wanted.repository} on {constants.ENDPOINT} has no {' and no '.join(wanted.names)}", OFFLINE_HINT
    )


def _announced(wanted: HubFile, name: str) -> str | None:
    """The entity tag that the hub announces for the file; None where there is no such file."""
    url = hf_hub_url(wanted.repository, name, revision=wanted.revision)
    try:
        return call_with_timeout(lambda: get_hf_file_metadata(url, timeout=TIMEOUT)).etag or ""
    except (RepositoryNotFoundError, GatedRepoError) as error:
        raise WeightsError(
            f"{constants.ENDPOINT} has no {wanted.repository}, or not for you",
            "log in with `hf auth login`",
        ) from error
    except RevisionNotFoundError as error:
        raise WeightsError(f"{wanted.repository} on {constants.ENDPOINT} has no {wanted.revision}") from error
    except EntryNotFoundError:
        return None
    except Exception as error:  # each version of huggingface_hub has the errors of another HTTP library
        raise _unreachable(constants.ENDPOINT, wanted.repository, constants.HF_HUB_CACHE, error) from error


def _require_content(wanted: HubFile, name: str) -> None:
    """See that the file itself can be had: its server is often another one than the hub, and behind other walls."""
    url = hf_hub_url(wanted.repository, name, revision=wanted.revision)
    try:
        require_reachable(url, method="GET")
    except OSError as error:
        raise _unreachable(url, wanted.repository, constants.HF_HUB_CACHE, error) from error


def _download_from_hub(wanted: HubFile, name: str, progress: Progress) -> Path:
    try:
        with _bars(is_shown=progress.shows_bars):
            file = hf_hub_download(wanted.repository, name, revision=wanted.revision, etag_timeout=TIMEOUT)
    except Exception as error:  # likewise
        raise _broken_off(wanted.repository, error) from error
    return Path(file)


# ---- addresses, as torchvision has them


def _fetch_from_address(wanted: WebFile, progress: Progress, *, is_offline: bool) -> Path:
    """The file in torch.hub's cache, downloaded if need be.

    Raises:
        WeightsError: it cannot be had, or what arrived is not what its name announces.
    """
    folder = torch_cache()
    file = folder / Path(urlsplit(wanted.url).path).name
    announced = re.search(r"-([0-9a-f]{8,64})\.", file.name)
    digest = announced[1] if announced else ""
    if file.exists():
        return _checked(file, digest)
    if is_offline or is_forbidden():
        raise WeightsError(f"{file.name} is not in {folder}, and offline nothing is downloaded", OFFLINE_HINT)
    require_writable(folder, "TORCH_HOME")
    with _patience():
        try:
            length = require_reachable(wanted.url)
        except OSError as error:
            place = urlsplit(wanted.url)
            server = f"{place.scheme}://{place.netloc}"
            raise _unreachable(server, file.name, folder, error) from error
        _download_from_address(wanted, file, progress)
    if length is not None and file.stat().st_size != length:
        file.unlink()
        raise WeightsError(f"{file.name} arrived in part: it should have {length:,} bytes", "try again")
    return _checked(file, digest)


def _download_from_address(wanted: WebFile, file: Path, progress: Progress) -> None:
    try:
        torch.hub.download_url_to_file(wanted.url, str(file), progress=progress.shows_bars)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise _broken_off(wanted.url, error) from error


# ---- both


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """torch.hub sets no time limit; without one a silent server holds us for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT * 2)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextlib.contextmanager
def _bars(*, is_shown: bool) -> Iterator[None]:
    """huggingface_hub draws its bars wherever stderr leads, unless it is told not to."""
    if is_shown or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _checked(file: Path, announced: str) -> Path:
    """The file, if its digest begins as announced; else it is removed, so that the next try is a fresh one."""
    if not announced or any(digest.startswith(announced) for digest in _digests(file, announced)):
        return file
    file.resolve().unlink()
    file.unlink(missing_ok=True)
    raise WeightsError(
        f"{file.name} arrived damaged: its digest is not the one that was announced",
        "it was removed; try again",
    )


def _digest(tag: str) -> str:
    """What an entity tag of the hub announces; empty where it is no digest that we know.

    Large files go by their SHA-256, small ones by git's SHA-1; a mirror may have tags of its own.
    """
    return tag if re.fullmatch(f"[0-9a-f]{{{_GIT_DIGITS}}}|[0-9a-f]{{64}}", tag) else ""


_GIT_DIGITS = 40


def _digests(file: Path, announced: str) -> Iterator[str]:
    """Of a file's content, those that the announced one may be."""
    if len(announced) != _GIT_DIGITS:
        yield sha256(file)
        return
    content = file.read_bytes()
    yield hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    yield hashlib.sha1(content, usedforsecurity=False).hexdigest()  # as mirrors have it


def _unreachable(server: str, wanted: str, cache: str | Path, error: Exception) -> WeightsError:
    answered = getattr(getattr(error, "response", None), "status_code", None) is not None
    what = "does not give" if answered else "cannot be reached for"
    return WeightsError(
        f"{server} {what} {wanted} ({_reason(error)}); it would be kept in {cache}", OFFLINE_HINT
    )


def _broken_off(wanted: str, error: Exception) -> WeightsError:
    return WeightsError(f"the download of {wanted} broke off: {_reason(error)}", "try again")


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
