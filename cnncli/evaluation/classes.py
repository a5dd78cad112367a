"""Match the classes of a data set with those of a network: by name, synset, index, or a list of pairs."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnncli.errors import DataError, UsageError
from cnncli.records.networks import ModelCard
from cnncli.regular_file import bounded_lines, open_regular
from cnncli.text import nfc, text_stream

ClassMap = Mapping[str, Sequence[str]]
"""The network's names for classes of the data; one class of the data may be several of the network's."""

_MOST_LISTED = 10
"""Unknown classes that an error message names."""

_LOOSE = str.maketrans({"_": " ", "-": " ", "'": None, "’": None})  # noqa: RUF001 - the apostrophe of print

_NUMBER = re.compile(r"\s*[+-]?\d+([.,]\d+)?\s*")


@dataclass(frozen=True, slots=True)
class ClassMatch:
    """The classes of an evaluation, and the positions of the data's classes among them.

    Attributes:
        class_names: G names.
        groups: (K,), index among the G that each class of the network counts as; negative for none. None if the G classes
            are all K of the network, in the same order.
        indices: index among the G of each class of the data; negative where it does not occur.
    """

    class_names: tuple[str, ...]
    groups: NDArray[np.intp] | None
    indices: tuple[int, ...]


def match_classes(
    names: Sequence[str],
    occurring: Sequence[int],
    card: ModelCard,
    class_map: ClassMap | None,
    *,
    subset: bool,
) -> ClassMatch:
    """Find the classes of a data set among those of a network.

    Args:
        names: classes of the data.
        occurring: indices of those that have images.
        card: the network's card.
        class_map: the network's names for the data's classes; None without --map.
        subset: whether only the classes that occur can be predicted.

    Raises:
        DataError: the network does not have a class, or two classes are the same class of the network.
    """
    occurring_names = [names[index] for index in occurring]
    matches = _find_all(occurring_names, card, class_map or {})
    _require_distinct(occurring_names, matches, card)
    if not subset and all(len(indices) == 1 for indices in matches.values()):
        order = {name: indices[0] for name, indices in matches.items()}
        return ClassMatch(card.class_names, None, tuple(order.get(name, -1) for name in names))
    groups = np.full(len(card.class_names), -1, np.intp)
    titles = []
    for index, name in enumerate(occurring_names):
        groups[list(matches[name])] = index
        # Otherwise the data's name may be an index, for example.
        is_name = name in (class_map or {}) or len(matches[name]) > 1
        titles.append(name if is_name else card.class_names[matches[name][0]])
    if not subset:
        others = np.flatnonzero(groups < 0)
        groups[others] = np.arange(len(titles), len(titles) + len(others))
        titles += [card.class_names[index] for index in others]
    order = {name: index for index, name in enumerate(occurring_names)}
    return ClassMatch(tuple(titles), groups, tuple(order.get(name, -1) for name in names))


def _require_distinct(names: Sequence[str], matches: Mapping[str, Sequence[int]], card: ModelCard) -> None:
    """Check that no two classes of the data are the same class of the network."""
    counts = Counter(index for indices in matches.values() for index in indices)
    if repeated := [index for index, count in counts.items() if count > 1]:
        both = [name for name in names if repeated[0] in matches[name]]
        raise DataError(
            f"{' and '.join(map(repr, both))} are both {card.class_names[repeated[0]]!r} in {card.name}",
            "use --map FILE to say which class each is",
        )


def align_classes(first: ClassMatch, other: ClassMatch) -> ClassMatch:
    """The classes of another network in the order of the first one's, so that their probabilities can be averaged.

    Raises:
        DataError: they are not the same classes.
    """
    if other.class_names == first.class_names:
        return other
    order = {name: index for index, name in enumerate(first.class_names)}
    if len(order) < len(first.class_names) or sorted(other.class_names) != sorted(order):
        raise DataError(
            "these networks have different classes, so their predictions cannot be averaged",
            "--subset keeps only the classes of the data, which may be the same",
        )
    positions = np.array([order[name] for name in other.class_names], np.intp)
    groups = positions if other.groups is None else np.where(other.groups < 0, -1, positions[other.groups])
    indices = tuple(int(positions[index]) if index >= 0 else index for index in other.indices)
    return ClassMatch(first.class_names, groups, indices)


def read_class_map(file: Path) -> dict[str, list[str]]:
    """Read the network's names for classes of the data: two columns of a CSV or TSV file, the data's name first.

    A class of the data on several lines stands for all of these classes of the network.

    Raises:
        UsageError: the file cannot be read, or is not such a list.
    """
    try:
        with text_stream(open_regular(file)) as stream:
            delimiter = "\t" if file.suffix.lower() == ".tsv" else ","
            rows = [
                row for row in csv.reader(bounded_lines(stream), delimiter=delimiter, strict=True) if any(row)
            ]
    except OSError as error:
        raise UsageError(f"cannot read --map {file}: {error.strerror}") from error
    except (ValueError, csv.Error) as error:
        raise UsageError(f"--map {file} is not valid CSV: {error}") from error
    class_map: dict[str, list[str]] = defaultdict(list)
    for number, row in enumerate(rows, start=1):
        if len(row) != 2 or not all(row):  # noqa: PLR2004 - a pair
            raise UsageError(
                f"{file}, entry {number} is not a pair of names",
                "each line needs the data's name and the network's name of a class",
            )
        class_map[nfc(row[0].strip())].append(row[1].strip())
    return dict(class_map)


@dataclass(frozen=True, slots=True)
class _Naming:
    """One way to name classes.

    Attributes:
        indices: indices of the classes with each name; several if it is ambiguous.
        normalize: turns a name into a key of `indices`.
    """

    indices: Mapping[str, Sequence[int]]
    normalize: Callable[[str], str] = nfc

    @classmethod
    def of(cls, names: Iterable[str], normalize: Callable[[str], str] = nfc) -> "_Naming":
        """The naming with these names, in the order of the classes."""
        indices: dict[str, list[int]] = defaultdict(list)
        for index, name in enumerate(names):
            indices[normalize(name)].append(index)
        return cls(indices, normalize)

    def find(self, name: str) -> Sequence[int]:
        """Indices of the classes with this name; empty if there are none."""
        return self.indices.get(self.normalize(name), ())


def _namings(card: ModelCard) -> list[_Naming]:
    """All ways to name a network's classes, the most reliable first.

    Indices come last, since a number may mean anything. They do not count where names are numbers (digits, ages, grades): `0` is
    then a class that the network lacks, not the one at position 0. Nor do they where several tasks have classes.
    """
    if has_numeric_names(card) or card.tasks:
        return _by_name(card)
    return [*_by_name(card), _Naming.of(map(str, range(len(card.class_names))))]


def has_numeric_names(card: ModelCard) -> bool:
    """Whether any of a network's classes is named by a number."""
    return any(_NUMBER.fullmatch(name) for name in card.class_names)


def _by_name(card: ModelCard) -> list[_Naming]:
    names = [card.class_names]
    if card.tasks:
        names.append(tuple(f"{task.name}:{name}" for task in card.tasks for name in task.class_names))
    synsets = [_Naming.of(card.synsets)] if card.synsets else []
    return [*map(_Naming.of, names), *synsets, *(_Naming.of(own_names, _simplify) for own_names in names)]


def _simplify(name: str) -> str:
    """A name without case, apostrophes and separators of words."""
    return " ".join(nfc(name).casefold().translate(_LOOSE).split())


def _find_all(names: Sequence[str], card: ModelCard, class_map: ClassMap) -> dict[str, Sequence[int]]:
    """Indices of the network's classes for each name.

    Names in the class map are looked up in every naming; a network that knows none of the mapped names may know the name
    itself, as one trained on this data does. All other names must be of one naming: the one that matches most of them.

    Raises:
        DataError: a name is unknown or ambiguous.
    """
    namings = _namings(card)
    matches: dict[str, Sequence[int]] = {}
    for name in names:
        mapped = [_find_unique(word, namings) for word in dict.fromkeys(class_map.get(name, ()))]
        if mapped and all(index is not None for index in mapped):
            matches[name] = [index for index in mapped if index is not None]
    others = [name for name in names if name not in matches]
    # Ties go to the first naming.
    naming = max(namings, key=lambda naming: sum(bool(naming.find(name)) for name in others))
    unclear = {name: indices for name in others if len(indices := naming.find(name)) != 1}
    if unclear:
        raise _unclear_error(unclear, card, class_map)
    return matches | {name: naming.find(name) for name in others}


def _unclear_error(unclear: Mapping[str, Sequence[int]], card: ModelCard, class_map: ClassMap) -> DataError:
    if unknown := [name for name, indices in unclear.items() if not indices]:
        words = [", ".join(map(repr, class_map.get(name, [name]))) for name in unknown]
        names = ", ".join(words[:_MOST_LISTED]) + (", …" if len(words) > _MOST_LISTED else "")
        examples = ", ".join(map(repr, card.class_names[:3]))
        return DataError(
            f"{card.name} does not have {len(unknown):,} of the classes: {names}",
            f"it has {len(card.class_names):,} classes, e.g. {examples}; use --map FILE to say which are which",
        )
    name, indices = next(iter(unclear.items()))
    return DataError(
        f"{card.name} has {len(indices)} classes named {name!r}",
        "name the folders by WordNet identifier or index, or use --map FILE to say which one is meant",
    )


def find_class(card: ModelCard, word: str) -> int | None:
    """The index of the only class with this name, `task:name`, synset or index, ignoring case; None if there is none."""
    return _find_unique(word, _namings(card))


def find_classes(card: ModelCard, names: Iterable[str]) -> list[int | None]:
    """The index of the only class with each name, as in `find_class`, but by name or synset only."""
    namings = _by_name(card)
    return [_find_unique(name, namings) for name in names]


def _find_unique(word: str, namings: Sequence[_Naming]) -> int | None:
    """The only class with this name, in the first naming that has exactly one."""
    return next((indices[0] for naming in namings if len(indices := naming.find(word)) == 1), None)
