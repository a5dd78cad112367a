"""The networks of the index and the prepared ones, listed without importing any library."""

import dataclasses
import fnmatch
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from cnncli.errors import ModelFolderError, ModelNotFoundError, OutputError
from cnncli.networks import cache, index, model_folder, pocket
from cnncli.networks.packaged import PACKAGED
from cnncli.networks.prepared import MADE_FROM
from cnncli.networks.reference import HUB, LIBRARY, Reference
from cnncli.records.listing import IndexEntry, ListEntry, PreparedFolder, SortOrder
from cnncli.records.networks import ModelCard
from cnncli.records.progress import Progress
from cnncli.text import quote


def listing(
    pattern: str, order: SortOrder, progress: Progress, *, only_prepared: bool = False
) -> Sequence[ListEntry]:
    """The networks whose name matches a pattern.

    Args:
        pattern: with `*`, `?` or `[…]`, the whole name, with or without library and tag; else any part of a name. Case
            does not matter.
        order: of the list; entries without a value come last.
        progress: reports damaged folders.
        only_prepared: only networks in the cache.

    Raises:
        ModelNotFoundError: nothing matches; the hint has the closest names.
    """
    index_entries = {entry.name: entry for entry in index.read().entries}
    entries = {item.entry.name: item for item in _prepared(index_entries, progress)}
    entries[pocket.NAME] = ListEntry(
        index_entries[pocket.NAME], PreparedFolder(pocket.FOLDER, _size(pocket.FOLDER))
    )
    if not only_prepared:
        entries = {name: ListEntry(entry, None) for name, entry in index_entries.items()} | entries
    for weights in PACKAGED:
        if weights.model in entries and weights.find():
            entries[weights.model] = dataclasses.replace(entries[weights.model], package=weights.package)
    matches = _matcher(pattern)
    selection = [item for name, item in entries.items() if matches(name)]
    if not selection:
        kind = "prepared network" if only_prepared else "network"
        hint = (
            "`cnncli pull NAME` prepares one"
            if only_prepared
            else index.closest_names_hint(pattern, index_entries.values())
        )
        raise ModelNotFoundError(f"no {kind} matches {pattern!r}" if pattern else f"there is no {kind}", hint)
    return sorted(selection, key=lambda item: (*_sort_key(item, order), _natural_key(item.entry.name)))


def remove(name: str) -> PreparedFolder:
    """Delete a prepared network from the cache, and return its path and size.

    Args:
        name: as listed, or as it was named when it was prepared.

    Raises:
        ModelNotFoundError: no prepared network has this name.
        OutputError: it cannot be deleted.
    """
    if name == pocket.NAME:
        raise ModelNotFoundError(f"{name} is part of cnncli and not in the cache of prepared networks")
    folders = {path.name: path for path in cache.folders()}
    path = folders.get(cache.folder_path(name).name) or cache.find(Reference(name).key())
    if path is None:
        raise ModelNotFoundError(
            f"no prepared network is called {name!r}", "`cnncli models --prepared` lists them"
        )
    removed = PreparedFolder(path, _size(path))
    cache.remove(path)
    return removed


def cache_size() -> int:
    """Total size of the cache in bytes."""
    return _size(cache.home())


def _prepared(index_entries: dict[str, IndexEntry], progress: Progress) -> list[ListEntry]:
    items = []
    for path in cache.folders():
        try:
            card = model_folder.read_folder(path).card
        except ModelFolderError as error:
            progress.warning(f"{error.message}; `cnncli models rm {quote(path.name)}` deletes it")
            continue
        entry = index_entries.get(card.name) or _entry_from_card(card, index_entries)
        items.append(ListEntry(entry, PreparedFolder(path, _size(path))))
    return items


def _size(path: Path) -> int:
    try:
        return cache.size(path)
    except OSError as error:
        raise OutputError(f"cannot read {path}: {error.strerror}") from error


def _entry_from_card(card: ModelCard, index_entries: dict[str, IndexEntry]) -> IndexEntry:
    """An entry for a network that was prepared from local weights, for another image size, or from the hub."""
    size, architecture = card.preprocessing.size, card.architecture
    base = index_entries.get(card.name.partition(MADE_FROM)[0])
    classes = len(card.class_names)
    entry = IndexEntry(card.name, architecture.library, classes, None, None, size, None, None, None)
    is_rgb = card.preprocessing.channels == 3  # noqa: PLR2004 - red, green and blue
    if base is None or base.num_classes != classes or not is_rgb or architecture.cut:
        return entry
    if architecture.image_size not in {None, base.image_size}:
        return entry
    macs = base.multiply_adds if base.image_size == size else None
    return dataclasses.replace(entry, parameters=base.parameters, multiply_adds=macs)


def _matcher(pattern: str) -> Callable[[str], bool]:
    lower = pattern.lower()
    if not re.search(r"[*?[]", lower):
        return lambda name: lower in name.lower()
    glob = re.compile(fnmatch.translate(lower))

    def matches(name: str) -> bool:
        plain = name.lower().removeprefix(LIBRARY).removeprefix(HUB)
        return any(map(glob.match, (name.lower(), plain, plain.partition(".")[0])))

    return matches


def _sort_key(item: ListEntry, order: SortOrder) -> tuple[bool, float]:
    """A key that sorts by a number, with entries that have none at the end."""
    entry = item.entry
    value: float | None
    match order:
        case SortOrder.NAME:
            value = 0
        case SortOrder.PARAMETERS:
            value = entry.parameters
        case SortOrder.MULTIPLY_ADDS:
            value = entry.multiply_adds
        case SortOrder.INPUT:
            value = entry.image_size[0] * entry.image_size[1]
        case SortOrder.TOP1:
            value = None if entry.top1 is None else -entry.top1
        case SortOrder.DISK:
            value = None if item.prepared is None else -item.prepared.bytes
    return value is None, value or 0


def _natural_key(name: str) -> list[tuple[int, str]]:
    """A key that sorts resnet18 before resnet101."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name.lower())]
