"""Model folders by name, the model to use where torch is not installed, and which names are free."""

import importlib.util
import re
from pathlib import Path

from cnncli.errors import ModelFolderError, UsageError
from cnncli.networks import cache, pocket
from cnncli.networks.dependencies import explain_missing_packages
from cnncli.networks.model_folder import ModelFolder, read_folder
from cnncli.networks.packaged import find_packaged
from cnncli.networks.reference import BLUEPRINT, EXPORTED, HUB, Reference
from cnncli.records.defaults import DEFAULT
from cnncli.records.networks import ModelCard
from cnncli.records.progress import Progress
from cnncli.text import install_command, quote

LARGER = "tf_efficientnet_lite2"
"""The network to suggest where the default is not accurate enough; `networks.packaged` has its weights, too."""

MADE_FROM = "+"
"""Separates the name of the original network from the rest of a prepared network's name."""


def find_finished(reference: Reference) -> Path | None:
    """The model folder that a reference names: by path, as the built-in model, or by a name only a prepared network has.

    Raises:
        ModelNotFoundError: a path that is not a model folder.
        UsageError: options that cannot change a finished model folder.
    """
    if path := reference.find_folder():
        return path
    named = _find_named(reference.name)
    if named is None or _is_published(reference.name):
        return None
    if reference.changes():
        raise reference.cannot_change_error()
    return named


def find_prepared(reference: Reference) -> Path | None:
    """The model folder for a reference, if it needs no preparation; else None.

    Raises:
        ModelNotFoundError: a path that is not a model folder.
        UsageError: options that cannot change a finished model folder.
    """
    if path := find_finished(reference) or cache.find(reference.key()):
        return path
    return None if reference.changes() else _find_named(reference.name)


def is_exported(reference: Reference) -> bool:
    """Whether a reference is to an ONNX file, or to a model folder made from one: without weights that torch can read.

    Raises:
        CnncliError: as `find_prepared`.
    """
    if reference.is_exported or reference.has_only_graph:
        return True
    path = find_prepared(reference)
    return path is not None and read_folder(path).is_exported


def find_card(reference: Reference, progress: Progress, *, is_offline: bool = False) -> ModelCard | None:
    """The card of the finished model folder that a reference names, also on the hub; None for any other reference.

    Raises:
        CnncliError: as `find_finished`; or the repository is not available.
    """
    if path := find_finished(reference):
        return read_folder(path).card
    if not reference.name.startswith(HUB):
        return None
    with explain_missing_packages(f"reading {reference.name}"):
        from cnncli.networks.zoo.hub_folder import read_card  # imports this module

        return read_card(reference, progress, is_offline=is_offline)


def _find_named(name: str) -> Path | None:
    """The prepared network that `cnncli models --prepared` lists under this name."""
    folder = cache.find_named(name)
    return folder if folder and read_folder(folder).card.name == name else None


def require_same(folder: ModelFolder, name: str) -> ModelFolder:
    """The folder, if it holds the network with this name.

    Raises:
        ModelFolderError: it holds another one.
    """
    if folder.card.name != name:
        raise ModelFolderError(
            f"{folder.path} contains {folder.card.name} instead of {name}",
            "delete it with `cnncli models rm`",
        )
    return folder


def _is_published(name: str) -> bool:
    """Whether a name is that of a published network, of which the prepared one is a copy."""
    from cnncli.networks import index  # imported late, because reading it takes a while

    return MADE_FROM not in name and (name.startswith(HUB) or index.is_known(name))


def fall_back_to_built_in(reference: Reference, progress: Progress) -> Reference:
    """The default model, or the built-in one if torch, which prepares the default, is not installed.

    Args:
        reference: to the default model.
        progress: reports the fallback.
    """
    if reference.changes() or find_prepared(reference) or importlib.util.find_spec("torch"):
        return reference
    progress.notice(
        f"torch is not installed, so the built-in model {pocket.NAME} (200 classes) is used instead of {DEFAULT} (1,000 classes)"
    )
    return Reference(pocket.NAME)


def accuracy_hint(reference: Reference) -> str | None:
    """A hint for fine-tuning one of our small networks: which network is usually more accurate; None for other networks."""
    if reference.changes():
        return None
    if pocket.is_pocket(reference.name):
        size = " x ".join(map(str, pocket.SIZE))
        return f"{pocket.NAME} has an input of {size} pixels; {DEFAULT}, the default, is usually more accurate on photos"
    larger = find_packaged(LARGER)
    if larger is None or find_packaged(reference.name) is not find_packaged(DEFAULT):
        return None
    install = "" if larger.find() else f" after `{install_command(larger.package)}`"
    return f"for higher accuracy (slower): -m {LARGER}{install}"


def warn_hidden_folder(reference: Reference, progress: Progress) -> None:
    """Warn where a known network's name is also that of a model folder in the current directory."""
    if reference.hides_folder:
        name = reference.name
        progress.warning(
            f"{name} is the network of that name, not the folder {name}; -m ./{name} is the folder"
        )


def require_free_name(name: str) -> None:
    """Check that a network can be prepared under a name.

    Raises:
        UsageError: the name is invalid, or in use.
    """
    from cnncli.networks import blueprint, index

    is_name = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) and "--" not in name
    if not is_name or name.endswith((BLUEPRINT, EXPORTED)):
        raise UsageError(
            f"--save-as: {name!r} is not a name", "use letters, digits, dots, underscores and single hyphens"
        )
    if name == pocket.NAME or blueprint.is_blueprint(name) or index.is_known(name):
        raise UsageError(f"--save-as: {name} is already the name of another network", "choose another name")
    if cache.find_named(name):
        raise UsageError(
            f"--save-as: {name} is already prepared",
            f"`cnncli models rm {quote(name)}` deletes it, or choose another name",
        )
