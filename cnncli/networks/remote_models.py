"""Model folders on servers: copied into the cache once per machine, and again only if their card has changed.

CNNCLI_HOME/copies-1/NAME-URL-CARD/      the copy; URL and CARD are digests
"""

import hashlib
from pathlib import Path

from cnncli import remote
from cnncli.errors import ModelFolderError, ModelNotFoundError
from cnncli.networks import card as cards
from cnncli.networks import verified
from cnncli.networks.cache import home
from cnncli.networks.model_folder import FILES, draft_folder, is_model_folder, read_folder
from cnncli.records.networks import CARD, FileFacts
from cnncli.records.progress import NullProgress, Progress
from cnncli.text import os_reason
from cnncli.text import size as size_text

_SPLITS = "splits.csv"
"""The images that a run was trained on, so that `evaluate` recognises them; a prepared network has no such file."""

_CARD_LIMIT = 64 << 20
"""Largest card in bytes that is read."""

_CHUNK = 8 << 20
"""Bytes that are copied at a time."""

_DIGITS = 16
"""Hexadecimal digits of a digest in the name of a copy."""

_known: dict[str, Path] = {}
"""The copies that this process has looked up, by URL: one request for the card is enough."""


def copy_model(url: str, progress: Progress | None = None, *, is_offline: bool = False) -> Path:
    """The local copy of a model folder.

    Args:
        url: of the folder.
        progress: reports that it is copied.
        is_offline: ask no server; use the newest copy.

    Raises:
        ModelNotFoundError: there is no such folder, or no copy of it while offline.
        ModelFolderError: it cannot be read, or its files are not those of its card.
    """
    url = url.rstrip("/")
    if url not in _known:
        _known[url] = _newest_copy(url) if is_offline else _current_copy(url, progress or NullProgress())
    return _known[url]


def _newest_copy(url: str) -> Path:
    copies = [path for path in home().glob(f"copies-1/{_prefix(url)}-*") if is_model_folder(path)]
    if not copies:
        raise ModelNotFoundError(f"{url} has not been copied to this machine", "leave out --offline")
    return max(copies, key=lambda path: (path / CARD).stat().st_mtime)


def _current_copy(url: str, progress: Progress) -> Path:
    """The copy with the card that is on the server now."""
    try:
        text = remote.read(f"{url}/{CARD}", 0, _CARD_LIMIT)
        folder = home() / "copies-1" / f"{_prefix(url)}-{hashlib.sha256(text).hexdigest()[:_DIGITS]}"
        if not is_model_folder(folder):
            _copy(url, text, folder, progress)
    except FileNotFoundError as error:
        raise ModelNotFoundError(f"{url} is not a model folder: it has no {CARD}") from error
    except OSError as error:
        raise ModelFolderError(f"cannot copy {url}: {os_reason(error)}") from error
    return folder


def _prefix(url: str) -> str:
    name = "".join(
        character for character in url.rpartition("/")[2] if character.isalnum() or character in "-_."
    )
    return f"{name[:40]}-{hashlib.sha256(url.encode()).hexdigest()[:_DIGITS]}"


def _copy(url: str, text: bytes, folder: Path, progress: Progress) -> None:
    """Copy the files that a card lists, and compare each with its digest."""
    card = cards.from_json(text.decode("utf-8", "replace"), f"{url}/{CARD}")
    if strange := {facts.name for facts in card.files} - {*FILES}:
        raise ModelFolderError(f"{url}/{CARD} lists {min(strange)!r}, which is not part of a model folder")
    progress.notice(f"copying {url} ({size_text(sum(facts.bytes for facts in card.files))})")
    with draft_folder(folder) as draft:
        for facts in card.files:
            _copy_file(f"{url}/{facts.name}", draft / facts.name, facts)
        if remote.exists(f"{url}/{_SPLITS}"):
            (draft / _SPLITS).write_bytes(remote.read(f"{url}/{_SPLITS}"))
        (draft / CARD).write_bytes(text)
        read_folder(draft)


def _copy_file(url: str, file: Path, facts: FileFacts) -> None:
    digest, copied = hashlib.sha256(), 0
    with remote.open_stream(url) as stream, file.open("wb") as target:
        while (chunk := stream.read(_CHUNK)) and copied <= facts.bytes:
            digest.update(chunk)
            copied += target.write(chunk)
    if digest.hexdigest() != facts.sha256:
        raise ModelFolderError(
            f"{url} is not the file that its {CARD} describes", "upload the model folder again"
        )
    verified.remember(file, facts.sha256)
