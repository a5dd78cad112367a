"""Which of a network's classes are meant by the names of a data set's: by name, synset, index, or as a list says."""

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnncli.errors import DataError, UsageError
from cnncli.records.networks import ModelCard

_LISTED = 10
_LOOSE = str.maketrans({"_": " ", "-": " ", "'": None, "’": None})  # noqa: RUF001 - the apostrophe of print


@dataclass(frozen=True, slots=True)
class Matched:
    """The classes that can be said, and where those of the data are among them.

    Attributes:
        class_names: G.
        groups: (K,), for each class of the network the one that it counts as; below zero none. None where all K are
            asked for in their order.
        places: for each class of the data the index of what it is, below zero where nothing was asked about it.
    """

    class_names: tuple[str, ...]
    groups: NDArray[np.intp] | None
    places: tuple[int, ...]


def matched(
    names: Sequence[str],
    occurring: Sequence[int],
    card: ModelCard,
    pairs: Mapping[str, Sequence[str]] | None,
    *,
    subset: bool,
) -> Matched:
    """Find the classes of a data set among those of a network.

    Args:
        names: of the data's classes.
        occurring: indices of those that are asked about.
        card: of the network.
        pairs: for some of the data's classes, what the network calls them; None without a list.
        subset: only the classes that occur can be said.

    Raises:
        DataError: the network does not know some class, or two are the same to it.
    """
    asked = [names[index] for index in occurring]
    meant = _meant(asked, card, pairs or {})
    taken = Counter(index for indices in meant.values() for index in indices)
    if twice := [index for index, count in taken.items() if count > 1]:
        both = [name for name in asked if twice[0] in meant[name]]
        raise DataError(
            f"{' and '.join(map(repr, both))} are both {card.class_names[twice[0]]!r} to {card.name}",
            "--map FILE says what each is",
        )
    if not subset and all(len(indices) == 1 for indices in meant.values()):
        places = {name: indices[0] for name, indices in meant.items()}
        return Matched(card.class_names, None, tuple(places.get(name, -1) for name in names))
    groups = np.full(len(card.class_names), -1, np.intp)
    titles = []
    for place, name in enumerate(asked):
        groups[list(meant[name])] = place
        is_told = name in (pairs or {}) or len(meant[name]) > 1  # else it may be an index, say
        titles.append(name if is_told else card.class_names[meant[name][0]])
    if not subset:
        rest = np.flatnonzero(groups < 0)
        groups[rest] = np.arange(len(titles), len(titles) + len(rest))
        titles += [card.class_names[index] for index in rest]
    order = {name: place for place, name in enumerate(asked)}
    return Matched(tuple(titles), groups, tuple(order.get(name, -1) for name in names))


def in_order_of(first: Matched, other: Matched) -> Matched:
    """The same classes in the order in which another network has them, so that the answers of both can be averaged.

    Raises:
        DataError: they are not the same.
    """
    if other.class_names == first.class_names:
        return other
    order = {name: place for place, name in enumerate(first.class_names)}
    if len(order) < len(first.class_names) or sorted(other.class_names) != sorted(order):
        raise DataError(
            "these networks have different classes, and their answers cannot be averaged",
            "with --subset only the classes of the data count, which may be the same",
        )
    moved = np.array([order[name] for name in other.class_names], np.intp)
    groups = moved if other.groups is None else np.where(other.groups < 0, -1, moved[other.groups])
    places = tuple(int(moved[place]) if place >= 0 else place for place in other.places)
    return Matched(first.class_names, groups, places)


def read_pairs(file: Path) -> dict[str, list[str]]:
    """What the network calls the classes of the data: two columns of a CSV or TSV file, first the data's name.

    A class of the data may stand in several lines: it is all of these classes of the network.

    Raises:
        UsageError: the file cannot be read, or is no such list.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            delimiter = "\t" if file.suffix.lower() == ".tsv" else ","
            rows = [row for row in csv.reader(stream, delimiter=delimiter) if any(row)]
    except OSError as error:
        raise UsageError(f"cannot read the list of classes {file}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"the list of classes {file} is not readable as CSV: {error}") from error
    pairs: dict[str, list[str]] = defaultdict(list)
    for number, row in enumerate(rows, start=1):
        if len(row) != 2 or not all(row):  # noqa: PLR2004 - a pair
            raise UsageError(
                f"{file}, entry {number} is no pair of names",
                "each line has the name that the data has, and the one that the network has",
            )
        pairs[row[0].strip()].append(row[1].strip())
    return dict(pairs)


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to call classes.

    Attributes:
        known: indices by what they are called.
        spelled: a name as it stands there.
    """

    known: Mapping[str, Sequence[int]]
    spelled: Callable[[str], str] = str

    def find(self, name: str) -> Sequence[int]:
        """The indices of what is called so; none, if nothing is."""
        return self.known.get(self.spelled(name), ())


def _way(names: Iterable[str], spelled: Callable[[str], str] = str) -> _Way:
    known: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        known[spelled(name)].append(index)
    return _Way(known, spelled)


def _ways(card: ModelCard) -> list[_Way]:
    """How classes may be called, the surest way first; an index is the last one, as a number may mean anything."""
    return [*_by_name(card), _way(map(str, range(len(card.class_names))))]


def _by_name(card: ModelCard) -> list[_Way]:
    synsets = [_way(card.synsets)] if card.synsets else []
    return [_way(card.class_names), *synsets, _way(card.class_names, _plain)]


def _plain(name: str) -> str:
    """Without regard to case, apostrophes, and to what stands between words."""
    return " ".join(name.casefold().translate(_LOOSE).split())


def _meant(
    asked: Sequence[str], card: ModelCard, pairs: Mapping[str, Sequence[str]]
) -> dict[str, Sequence[int]]:
    """Indices of the network's classes for each name.

    Names that a list explains are looked for in every way; a network that knows none of the explanations may know the name
    itself, as one that was trained from this data does. All other names are to be found in one way: the one that knows most.
    """
    ways = _ways(card)
    found: dict[str, Sequence[int]] = {}
    for name in asked:
        meant = [_surely(word, ways) for word in dict.fromkeys(pairs.get(name, ()))]
        if meant and all(index is not None for index in meant):
            found[name] = [index for index in meant if index is not None]
    rest = [name for name in asked if name not in found]
    way = max(ways, key=lambda way: sum(bool(way.find(name)) for name in rest))  # the first of equals
    unclear = {name: indices for name in rest if len(indices := way.find(name)) != 1}
    if not unclear:
        return found | {name: way.find(name) for name in rest}
    unknown = [name for name, indices in unclear.items() if not indices]
    if unknown:
        words = [", ".join(map(repr, pairs.get(name, [name]))) for name in unknown]
        listed = ", ".join(words[:_LISTED]) + (", …" if len(words) > _LISTED else "")
        some = ", ".join(map(repr, card.class_names[:3]))
        raise DataError(
            f"{card.name} does not know {len(unknown):,} of the classes: {listed}",
            f"it knows {len(card.class_names):,}, as {some}; --map FILE says which are which",
        )
    name, indices = next(iter(unclear.items()))
    raise DataError(
        f"{card.name} has {len(indices)} classes of the name {name!r}",
        "call the folders by WordNet identifier or by index, or say with --map FILE which is meant",
    )


def class_called(card: ModelCard, word: str) -> int | None:
    """The index of the only class that is called so: by name, synset or index, without regard to case; None without one."""
    return _surely(word, _ways(card))


def classes_named(card: ModelCard, names: Iterable[str]) -> list[int | None]:
    """For each name the index of the only class that has it, as `class_called`, but by name or synset only."""
    ways = _by_name(card)
    return [_surely(name, ways) for name in names]


def _surely(word: str, ways: Sequence[_Way]) -> int | None:
    """The only class that is called so, in the first way in which there is one."""
    return next((indices[0] for way in ways if len(indices := way.find(word)) == 1), None)
