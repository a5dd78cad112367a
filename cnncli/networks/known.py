"""Names that stand for a network wherever cnncli is started: they win over a folder of the same name."""

import os
from pathlib import Path

from cnncli.errors import ModelNotFoundError
from cnncli.networks import blueprint, cache, index, pocket
from cnncli.networks.model_folder import no_classes_error
from cnncli.networks.reference import Reference, similar_folders_hint
from cnncli.text import quote


def is_known(name: str) -> bool:
    """Whether this is the built-in model, a blueprint, a network of timm or torchvision, or a prepared network."""
    return (
        name == pocket.NAME
        or name in blueprint.names()
        or index.is_known(name)
        or cache.find_named(name) is not None
    )


def require_known(reference: Reference, *, needs_classes: bool = False) -> None:
    """Check that a name is in the index, before spending seconds on importing the libraries.

    Raises:
        ModelNotFoundError: it is not, and the installed libraries are those the index was made from.
        UsageError: classes are needed, and it has no classifier.
    """
    name = reference.name
    if reference.saved_folder:
        return
    if hint := index.hint_if_unknown(name):
        raise not_found_error(name, f"no network is called {name!r}", hint)
    if (
        needs_classes
        and not reference.zero_shot
        and reference.weights is None
        and index.gives_features_only(name)
    ):
        raise no_classes_error(name)


def not_found_error(name: str, message: str, hint: str | None) -> ModelNotFoundError:
    """The error for an unknown name; the user may have meant a folder, or the text of a blueprint."""
    if os.path.isdir(name):  # noqa: PTH112 - also False for a name that is too long
        inside = similar_folders_hint(Path(name, "*"), cutoff=0)
        return ModelNotFoundError(f"the folder {name} has no card.json, and {message}", inside)
    if " " in name:
        example = quote(f"input 3x224x224; {name}")
        return ModelNotFoundError(message, f"a blueprint begins with its input, e.g. {example}")
    return ModelNotFoundError(message, similar_folders_hint(Path(name), cutoff=0.7) or hint)
