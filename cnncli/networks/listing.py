"""Which networks there are: those of the index and those that are prepared, without asking any library."""

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


def listing(
    pattern: str, order: SortOrder, progress: Progress, *, only_prepared: bool = False
) -> Sequence[ListEntry]:
    """The networks whose name matches.

    Args:
        pattern: with `*`, `?` or `[…]`, the whole name, with or without its library and its tag; else any
            part of a name. Upper and lower case are one.
        order: of the list; whatever has no value of that kind comes last.
        progress: hears of damaged folders.
        only_prepared: leave out what is not in the cache.

    Raises:
        ModelNotFoundError: nothing matches; the message has the closest names.
    """
    known = {entry.name: entry for entry in index.read().entries}
    found = {item.entry.name: item for item in _prepared(known, progress)}
    found[pocket.NAME] = ListEntry(known[pocket.NAME], PreparedFolder(pocket.FOLDER, _size(pocket.FOLDER)))
    if not only_prepared:
        found = {name: ListEntry(entry, None) for name, entry in known.items()} | found
    for weights in PACKAGED:
        if weights.model in found and weights.find():
            found[weights.model] = dataclasses.replace(found[weights.model], package=weights.package)
    matches = _matcher(pattern)
    chosen = [item for name, item in found.items() if matches(name)]
    if not chosen:
        what = "prepared network" if only_prepared else "network"
        hint = (
            "`cnncli pull NAME` prepares one"
            if only_prepared
            else index.closest_names_hint(pattern, known.values())
        )
        raise ModelNotFoundError(f"no {what} matches {pattern!r}" if pattern else f"there is no {what}", hint)
    return sorted(chosen, key=lambda item: (*_rank(item, order), _natural(item.entry.name)))


def remove(name: str) -> PreparedFolder:
    """Delete a prepared network from the cache.

    Args:
        name: as the list has it, or as it was asked for when it was prepared.

    Raises:
        ModelNotFoundError: no prepared network is called so.
        OutputError: it cannot be deleted.
    """
    if name == pocket.NAME:
        raise ModelNotFoundError(f"{name} is part of cnncli, and not in the cache of prepared networks")
    places = {path.name: path for path in cache.folders()}
    remembered = cache.find(Reference(name).key())
    path = places.get(cache.folder_path(name).name) or remembered
    if path is None:
        raise ModelNotFoundError(
            f"no prepared network is called {name!r}", "`cnncli models --prepared` lists them"
        )
    gone = PreparedFolder(path, _size(path))
    cache.remove(path)
    return gone


def cache_size() -> int:
    """Bytes of everything in the cache of prepared networks."""
    return _size(cache.home())


def _prepared(known: dict[str, IndexEntry], progress: Progress) -> list[ListEntry]:
    items = []
    for path in cache.folders():
        try:
            card = model_folder.open_folder(path).card
        except ModelFolderError as error:
            progress.warning(f"{error.message}; `cnncli models rm {path.name}` deletes it")
            continue
        items.append(
            ListEntry(known.get(card.name) or _derived(card, known), PreparedFolder(path, _size(path)))
        )
    return items


def _size(path: Path) -> int:
    try:
        return cache.size(path)
    except OSError as error:
        raise OutputError(f"cannot read {path}: {error.strerror}") from error


def _derived(card: ModelCard, known: dict[str, IndexEntry]) -> IndexEntry:
    """An entry for a network that was prepared from local weights, for another image size, or from the hub."""
    how, built = card.preprocessing, card.architecture
    counted = known.get(card.name.partition(MADE_FROM)[0])
    classes = len(card.class_names)
    is_same = counted is not None and counted.num_classes == classes and how.channels == 3  # noqa: PLR2004 - RGB
    is_same = is_same and built.image_size in {None, counted.image_size if counted else None}
    entry = IndexEntry(card.name, built.library, classes, None, None, how.size, None, None, None)
    if not (is_same and counted):
        return entry
    macs = counted.multiply_adds if counted.image_size == how.size else None
    return dataclasses.replace(entry, parameters=counted.parameters, multiply_adds=macs)


def _matcher(pattern: str) -> Callable[[str], bool]:
    wanted = pattern.lower()
    if not re.search(r"[*?[]", wanted):
        return lambda name: wanted in name.lower()
    whole = re.compile(fnmatch.translate(wanted))

    def matches(name: str) -> bool:
        plain = name.lower().removeprefix(LIBRARY).removeprefix(HUB)
        return any(map(whole.match, (name.lower(), plain, plain.partition(".")[0])))

    return matches


def _rank(item: ListEntry, order: SortOrder) -> tuple[bool, float]:
    """Sorts by a number, and what has none to the end."""
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


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts resnet18 before resnet101."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name.lower())]
