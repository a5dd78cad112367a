"""Where prepared model folders are kept, and which of them answers to what was asked for.

    CNNCLI_HOME/                 default: the platform's cache directory
        models/NAME/             model folders
        names/KEY.json           what was asked for -> NAME

A name is remembered apart from the folder because several lead to one (`resnet50`, `resnet50.a1_in1k`),
and because a typed name must find its folder without asking timm, which takes seconds to import.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path

from cnncli.errors import OutputError
from cnncli.networks.model_folder import is_model_folder


def home() -> Path:
    """The cache: `CNNCLI_HOME`, or the platform's cache directory."""
    if chosen := os.environ.get("CNNCLI_HOME"):
        return Path(chosen).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("cnncli", appauthor=False)


def require_writable() -> None:
    """See that the cache can be written, before the work that is to fill it.

    Raises:
        OutputError: it cannot.
    """
    try:
        (home() / "models").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home() / "models"):
            pass
    except OSError as error:
        raise OutputError(
            f"prepared networks cannot be kept in {home()}: {error.strerror}",
            "set CNNCLI_HOME to a folder that can be written",
        ) from error


def place(name: str) -> Path:
    """Where the model folder of that name belongs."""
    return home() / "models" / name.replace("/", "--")


def find(key: str) -> Path | None:
    """The model folder that was once prepared for this key, if it is still there."""
    try:
        known = json.loads(_entry(key).read_text(encoding="utf-8"))
        folder = place(known["folder"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return folder if is_model_folder(folder) else None


def remember(key: str, name: str) -> None:
    """From now on, `find(key)` leads to the folder of that name.

    Raises:
        OutputError: the cache cannot be written.
    """
    entry = _entry(key)
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=entry.parent, delete=False) as draft:
            json.dump({"key": key, "folder": name}, draft)
        Path(draft.name).replace(entry)
    except OSError as error:
        raise OutputError(
            f"cannot write to the cache {home()}: {error.strerror}", "set CNNCLI_HOME"
        ) from error


def _entry(key: str) -> Path:
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return home() / "names" / f"{digest}.json"
