"""Downloads of published weights: from the Hugging Face hub, and from the URLs of timm and torchvision.

huggingface_hub and torch.hub download into their own caches (HF_HOME, TORCH_HOME), which they share with other programs.
Before that, a request with a short timeout checks that the file is available: on their own, both wait most of a minute for
an unreachable server. A downloaded file is compared with its published SHA-256 and deleted if it differs.
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
    Checkpoint,
    HubFile,
    LocalFile,
    Published,
    WebFile,
    hub_cache,
    is_forbidden,
    require_writable,
    torch_cache,
    unreachable_error,
)
from cnncli.networks.model_folder import sha256
from cnncli.networks.saved import CHECKPOINT_FILES, find_weights, part_names
from cnncli.records.progress import Progress
from cnncli.text import first_line
from cnncli.time_limit import within
from cnncli.web import DEADLINE, TIMEOUT, require_reachable


def fetch(published: Published, progress: Progress, *, is_offline: bool) -> Path:
    """The path of a file in its cache; it is downloaded if necessary.

    Raises:
        WeightsError: it cannot be downloaded, or its digest is wrong.
    """
    match published:
        case HubFile():
            return _fetch_from_hub(published, progress, is_offline=is_offline)
        case WebFile():
            return _fetch_from_url(published, progress, is_offline=is_offline)
        case LocalFile():
            return published.path
        case Checkpoint():
            return _fetch_checkpoint(published, progress, is_offline=is_offline)


def _fetch_checkpoint(checkpoint: Checkpoint, progress: Progress, *, is_offline: bool) -> Path:
    """The file that leads to the weights; all files that it lists are beside it."""
    if checkpoint.repository is None:
        return find_weights(checkpoint.folder)
    first = HubFile(checkpoint.repository, CHECKPOINT_FILES, checkpoint.revision)
    file = _fetch_from_hub(first, progress, is_offline=is_offline)
    for name in part_names(file):
        part = HubFile(checkpoint.repository, (name,), checkpoint.revision)
        _fetch_from_hub(part, progress, is_offline=is_offline)
    return file


# ---- the Hugging Face hub


def _fetch_from_hub(hub_file: HubFile, progress: Progress, *, is_offline: bool) -> Path:
    """The path of the file in huggingface_hub's cache; it is downloaded if necessary.

    Raises:
        WeightsError: it cannot be downloaded, or its digest is wrong.
    """
    for name in hub_file.names:
        cached = try_to_load_from_cache(hub_file.repository, name, revision=hub_file.revision)
        if isinstance(cached, str):
            return _verify(Path(cached), _digest(Path(cached).resolve().name))  # the blob's name is its etag
    if is_offline or is_forbidden():
        raise WeightsError(
            f"{hub_file.repository} is not in the cache {constants.HF_HUB_CACHE}, and nothing is downloaded offline",
            OFFLINE_HINT,
        )
    require_writable(hub_cache(), "HF_HOME")
    # Xet uses another server, which cannot be checked beforehand, and retries for minutes where that is blocked.
    constants.HF_HUB_DISABLE_XET = True
    for name in hub_file.names:
        etag = _etag(hub_file, name)
        if etag is not None:
            _require_content(hub_file, name)
            return _verify(_download_from_hub(hub_file, name, progress), _digest(etag))
    raise WeightsError(
        f"{hub_file.repository} on {constants.ENDPOINT} has no {' and no '.join(hub_file.names)}",
        OFFLINE_HINT,
    )


def _etag(hub_file: HubFile, name: str) -> str | None:
    """The file's etag on the hub; None where there is no such file."""
    url = hf_hub_url(hub_file.repository, name, revision=hub_file.revision)
    try:
        return within(lambda: get_hf_file_metadata(url, timeout=TIMEOUT), DEADLINE).etag or ""
    except (RepositoryNotFoundError, GatedRepoError) as error:
        raise WeightsError(
            f"{constants.ENDPOINT} has no {hub_file.repository}, or you have no access to it",
            "if it is gated or private, log in with `hf auth login`",
        ) from error
    except RevisionNotFoundError as error:
        raise WeightsError(
            f"{hub_file.repository} on {constants.ENDPOINT} has no {hub_file.revision}"
        ) from error
    except EntryNotFoundError:
        return None
    except (
        Exception
    ) as error:  # versions of huggingface_hub differ in the HTTP library whose errors they raise
        raise unreachable_error(
            constants.ENDPOINT, hub_file.repository, constants.HF_HUB_CACHE, error
        ) from error


def _require_content(hub_file: HubFile, name: str) -> None:
    """Check that the file itself is available: it is often on a different server than the hub, which may be blocked."""
    url = hf_hub_url(hub_file.repository, name, revision=hub_file.revision)
    try:
        require_reachable(url, method="GET")
    except OSError as error:
        raise unreachable_error(url, hub_file.repository, constants.HF_HUB_CACHE, error) from error


def _download_from_hub(hub_file: HubFile, name: str, progress: Progress) -> Path:
    try:
        with progress.hidden(), progress_bars(is_shown=progress.shows_bars):
            file = hf_hub_download(
                hub_file.repository, name, revision=hub_file.revision, etag_timeout=TIMEOUT
            )
    except Exception as error:  # as in `_etag`
        raise _interrupted_error(hub_file.repository, error) from error
    return Path(file)


# ---- URLs (torchvision, and some networks of timm)


def _fetch_from_url(web_file: WebFile, progress: Progress, *, is_offline: bool) -> Path:
    """The path of the file in torch.hub's cache; it is downloaded if necessary.

    Raises:
        WeightsError: it cannot be downloaded, is incomplete, or its digest is not the one in its name.
    """
    folder = torch_cache()
    file = folder / Path(urlsplit(web_file.url).path).name
    match = re.search(r"-([0-9a-f]{8,64})\.", file.name)
    digest = match[1] if match else ""
    if file.exists():
        return _verify(file, digest)
    if is_offline or is_forbidden():
        raise WeightsError(f"{file.name} is not in {folder}, and nothing is downloaded offline", OFFLINE_HINT)
    require_writable(folder, "TORCH_HOME")
    with _socket_timeout():
        try:
            length = require_reachable(web_file.url)
        except OSError as error:
            url = urlsplit(web_file.url)
            raise unreachable_error(f"{url.scheme}://{url.netloc}", file.name, folder, error) from error
        _download_from_url(web_file, file, progress)
    if length is not None and file.stat().st_size != length:
        file.unlink()
        raise WeightsError(
            f"the download of {file.name} is incomplete: expected {length:,} bytes", "try again"
        )
    return _verify(file, digest)


def _download_from_url(web_file: WebFile, file: Path, progress: Progress) -> None:
    try:
        with progress.hidden():
            torch.hub.download_url_to_file(web_file.url, str(file), progress=progress.shows_bars)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise _interrupted_error(web_file.url, error) from error


# ---- both


@contextlib.contextmanager
def _socket_timeout() -> Iterator[None]:
    """Set a default socket timeout: torch.hub sets none, and would wait for a silent server forever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT * 2)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextlib.contextmanager
def progress_bars(*, is_shown: bool) -> Iterator[None]:
    """Hide the progress bars of huggingface_hub, which it also writes to a stderr that is not a terminal."""
    if is_shown or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _verify(file: Path, expected: str) -> Path:
    """The file, if its digest begins with the expected digits; else delete it, so that the next attempt starts over."""
    if not expected or any(digest.startswith(expected) for digest in _digests(file, expected)):
        return file
    file.resolve().unlink()
    file.unlink(missing_ok=True)
    raise WeightsError(f"the download of {file.name} is damaged: wrong digest", "it was deleted; try again")


def _digest(etag: str) -> str:
    """The digest in an etag; empty where the etag is not a known kind of digest.

    The hub has the SHA-256 of large files and git's SHA-1 of small ones; mirrors may use other etags.
    """
    return etag if re.fullmatch(f"[0-9a-f]{{{_SHA1_DIGITS}}}|[0-9a-f]{{64}}", etag) else ""


_SHA1_DIGITS = 40


def _digests(file: Path, expected: str) -> Iterator[str]:
    """The digests of a file that an expected digest of this length can match."""
    if len(expected) != _SHA1_DIGITS:
        yield sha256(file)
        return
    content = file.read_bytes()
    yield hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    yield hashlib.sha1(content, usedforsecurity=False).hexdigest()  # on mirrors


def _interrupted_error(file: str, error: Exception) -> WeightsError:
    return WeightsError(f"the download of {file} was interrupted: {first_line(error)}", "try again")
