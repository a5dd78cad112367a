"""The cache of prepared model folders, and an index from references to folders.

    CNNCLI_HOME/                 default: the platform's cache directory
        models-3/NAME/           model folders; 3 is the schema number of their cards
        names-3/KEY.json         reference -> NAME
        features-1/              embeddings by network and image (`features.store`)
        indexes/                 embeddings of the folders that `similar` searched (`retrieval.collection`)
        layouts-1/               fastest memory layouts for training (`training.network.remembered_layout`)
        copies-1/                copies of model folders on servers (`networks.remote_models`)
        pixels/                  decoded images during training, in unnamed files (`images.image_cache`)

References are stored apart from the folders because several lead to the same one (`resnet50`, `resnet50.a1_in1k`), and
because finding a folder must not import timm, which takes seconds.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cnncli.errors import OutputError
from cnncli.files.whole import whole_file
from cnncli.networks.card import SCHEMA
from cnncli.networks.model_folder import is_model_folder


def home() -> Path:
    """The cache: `CNNCLI_HOME`, or the platform's cache directory."""
    if path := os.environ.get("CNNCLI_HOME"):
        return Path(os.path.expanduser(path))  # noqa: PTH111 - does not change an unknown ~user
    import platformdirs

    return platformdirs.user_cache_path("cnncli", appauthor=False)


def require_writable() -> None:
    """Check that the cache is writable, before the work whose result goes there.

    Raises:
        OutputError: it is not.
    """
    try:
        _models().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=_models()):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write prepared networks to {home()}: {error.strerror}",
            "set CNNCLI_HOME to a writable folder",
        ) from error


def _models() -> Path:
    return home() / f"models-{SCHEMA}"


def folder_path(name: str) -> Path:
    """The path of the model folder of a prepared network."""
    return _models() / name.replace("/", "--").replace(":", "--")


def find(key: str) -> Path | None:
    """The model folder that was prepared for a key; None where there is none."""
    folder = _remembered_folder(_entry(key))
    return folder if folder and is_model_folder(folder) else None


def find_named(name: str) -> Path | None:
    """The model folder of the prepared network with this name; None where there is none."""
    folder = folder_path(name)
    return folder if folder.parent == _models() and is_model_folder(folder) else None


def _remembered_folder(entry: Path) -> Path | None:
    """The folder that a `names` file leads to; None where the file cannot be read."""
    try:
        return folder_path(json.loads(entry.read_text(encoding="utf-8"))["folder"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def remember(key: str, name: str) -> None:
    """Make `find(key)` return the folder of that name.

    Raises:
        OutputError: the cache cannot be written.
    """
    entry = _entry(key)
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(entry, overwrite=True) as draft:
            draft.write_text(json.dumps({"key": key, "folder": name}), encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"cannot write to the cache {home()}: {error.strerror}", "set CNNCLI_HOME"
        ) from error


def folders() -> Iterator[Path]:
    """All prepared model folders in order of their names, including damaged ones."""
    for path in sorted(_models().glob("*")) if _models().is_dir() else ():
        if path.is_dir() and not path.name.startswith("."):
            yield path


def remove(folder: Path) -> None:
    """Delete a prepared model folder and the references to it.

    Raises:
        OutputError: it cannot be deleted.
    """
    try:
        if folder.is_symlink():
            folder.unlink()
        else:
            shutil.rmtree(folder)
        for entry in (home() / f"names-{SCHEMA}").glob("*.json"):
            if _remembered_folder(entry) == folder:
                entry.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot delete {folder}: {error.strerror or error}") from error


def size(folder: Path) -> int:
    """Total bytes of the files in a folder and its subfolders, without following links."""
    total = 0
    for root, _, files in os.walk(folder):
        for file in files:
            with contextlib.suppress(OSError):  # another process may have deleted it
                total += os.lstat(os.path.join(root, file)).st_size  # noqa: PTH118 - a cache may be large
    return total


def _entry(key: str) -> Path:
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return home() / f"names-{SCHEMA}" / f"{digest}.json"
