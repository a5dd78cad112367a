"""Model folders in repositories on the Hugging Face hub, as `cnncli push` writes those that timm cannot read."""

import dataclasses
import shutil
from pathlib import Path

from cnncli.networks import cache, model_folder
from cnncli.networks.downloads import HubFile
from cnncli.networks.model_folder import ModelFolder
from cnncli.networks.prepared import require_same
from cnncli.networks.reference import Reference, split_hub_name
from cnncli.networks.zoo.hub import fetch
from cnncli.records.networks import CARD, ModelCard
from cnncli.records.progress import Progress

_CONFIG = "config.json"
"""The file of a repository that another library describes; it takes precedence."""


def prepare_folder(
    reference: Reference, save_as: str | None, progress: Progress, *, is_offline: bool
) -> ModelFolder | None:
    """The model folder in a repository as a prepared network; None where the repository holds one of another library.

    Args:
        reference: `hf-hub:org/name`, or `hf-hub:org/name@revision`.
        save_as: name of the prepared network; None for that of the reference.
        progress: reports downloads.
        is_offline: use the hub's cache only.

    Raises:
        ModelFolderError: its files are not those of its card.
        ModelNotFoundError: the name is invalid.
        UsageError: options that cannot change a finished model folder.
        WeightsError: the repository is not available.
    """
    folder = _fetch(reference, progress, is_offline=is_offline)
    if folder is None:
        return None
    name = save_as or reference.name
    target = cache.folder_path(name)
    if not model_folder.is_model_folder(target):
        cache.require_writable()
        with model_folder.draft_folder(target) as draft:
            for facts in folder.card.files:
                shutil.copyfile(folder.path / facts.name, draft / facts.name)
            model_folder.seal(draft, dataclasses.replace(folder.card, name=name))
    return require_same(model_folder.open_folder(target), name)


def read_card(reference: Reference, progress: Progress, *, is_offline: bool) -> ModelCard | None:
    """The card of the model folder in a repository, of which nothing else is downloaded; otherwise as `prepare_folder`."""
    folder = _fetch_card(reference, progress, is_offline=is_offline)
    if folder is None:
        return None
    return dataclasses.replace(model_folder.read_card(folder), name=reference.name)


def _fetch(reference: Reference, progress: Progress, *, is_offline: bool) -> ModelFolder | None:
    """The model folder in a repository, in the hub's cache."""
    folder = _fetch_card(reference, progress, is_offline=is_offline)
    if folder is None:
        return None
    repository, _ = split_hub_name(reference.name)
    commit = folder.name  # all files of one commit are in one folder of the hub's cache
    for facts in model_folder.read_card(folder).files:
        fetch(HubFile(repository, (facts.name,), commit), progress, is_offline=is_offline)
    return model_folder.open_folder(folder)


def _fetch_card(reference: Reference, progress: Progress, *, is_offline: bool) -> Path | None:
    """The folder in the hub's cache with the card of a repository's model folder."""
    repository, revision = split_hub_name(reference.name)
    file = fetch(HubFile(repository, (_CONFIG, CARD), revision), progress, is_offline=is_offline)
    if file.name != CARD:
        return None
    if reference.changes():
        raise reference.cannot_change_error()
    return file.parent
