"""Which model folder a reference leads to without any preparation, which is meant by default, and which names are free."""

import importlib.util
import re
from pathlib import Path

from cnncli.errors import UsageError
from cnncli.networks import cache, pocket
from cnncli.networks.packaged import packaged
from cnncli.networks.reference import BLUEPRINT, DEFAULT, EXPORTED, Reference
from cnncli.records.progress import Progress

LARGER = "tf_efficientnet_lite2"
"""The network to take where the default is not accurate enough; `networks.packaged` has its weights, too."""


def find_prepared(reference: Reference) -> Path | None:
    """The model folder that a reference leads to, where nothing has to be prepared for it; else None.

    Raises:
        ModelNotFoundError: a path that leads to no model folder.
        UsageError: options that would change a finished folder.
    """
    if path := reference.find_folder() or cache.find(reference.key()):
        return path
    named = cache.find_named(reference.name)
    if named is None or not reference.changes():
        return named
    from cnncli.networks import index  # only where a name is none of a finished folder

    if index.is_known(reference.name):  # the same network, prepared in another way
        return None
    raise reference.cannot_change()


def default_model(progress: Progress) -> str:
    """The name of the model that is meant where none is named: EfficientNet-Lite0.

    Where it is not prepared and there is no torch to prepare it, the built-in model answers instead, and `progress` is told.
    """
    if importlib.util.find_spec("torch") or find_prepared(Reference(DEFAULT)):
        return DEFAULT
    progress.notice(
        f"torch is not installed, so the built-in model {pocket.NAME} (200 classes) stands in for {DEFAULT} (1,000 classes)"
    )
    return pocket.NAME


def more_accurate(reference: Reference) -> str | None:
    """What whoever fine-tunes a small network should know: which one is usually more accurate, and how to get it."""
    if pocket.is_meant(reference.name):
        return f"{pocket.NAME} sees {pocket.SIZE[0]} x {pocket.SIZE[1]} pixels; {DEFAULT}, the default, is usually more accurate on photos"
    larger = packaged(LARGER)
    if reference.name != DEFAULT or larger is None:
        return None
    install = "" if larger.find() else f"pip install {larger.package}, then "
    return f"usually more accurate, and slower: {install}-m {LARGER}"


def require_free_name(name: str) -> None:
    """See that a network can be prepared under a name of one's own.

    Raises:
        UsageError: it is no name, or something is called so already.
    """
    from cnncli.networks import blueprint, index

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or name.endswith((BLUEPRINT, EXPORTED)):
        raise UsageError(
            f"--save-as: {name!r} is not a name", "use letters, digits, dots, hyphens and underscores"
        )
    if name == pocket.NAME or blueprint.is_blueprint(name) or index.is_known(name):
        raise UsageError(f"--save-as: {name} is already the name of another network", "choose another name")
    if cache.find_named(name):
        raise UsageError(
            f"--save-as: {name} is already prepared",
            f"`cnncli models rm {name}` deletes it, or choose another name",
        )
