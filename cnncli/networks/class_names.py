"""The names of a network's classes, as people and data sets write them: names, synsets, indices; and `task:name`."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from cnncli.dataclass import frozen_dataclass
from cnncli.errors import UsageError
from cnncli.networks.labels import distinct_names
from cnncli.records.networks import ModelCard
from cnncli.text import nfc, shortlist

_LOOSE = str.maketrans({"_": " ", "-": " ", "'": None, "’": None})  # noqa: RUF001 - the apostrophe of print

_NUMBER = re.compile(r"\s*[+-]?\d+([.,]\d+)?\s*")


@frozen_dataclass
class Naming:
    """One way to name classes.

    Attributes:
        indices: indices of the classes with each name; several if it is ambiguous.
        normalize: turns a name into a key of `indices`.
    """

    indices: Mapping[str, Sequence[int]]
    normalize: Callable[[str], str] = nfc

    @classmethod
    def of(cls, names: Iterable[str], normalize: Callable[[str], str] = nfc) -> "Naming":
        """The naming with these names, in the order of the classes."""
        indices: dict[str, list[int]] = defaultdict(list)
        for index, name in enumerate(names):
            indices[normalize(name)].append(index)
        return cls(indices, normalize)

    def find(self, name: str) -> Sequence[int]:
        """Indices of the classes with this name; empty if there are none."""
        return self.indices.get(self.normalize(name), ())


def namings(card: ModelCard) -> list[Naming]:
    """All ways to name a network's classes, the most reliable first.

    Indices come last, since a number may mean anything. They do not count where names are numbers (digits, ages, grades): `0` is
    then a class that the network lacks, not the one at position 0. Nor do they where several tasks have classes.
    """
    if has_numeric_names(card) or card.tasks:
        return _by_name(card)
    return [*_by_name(card), Naming.of(map(str, range(len(card.class_names))))]


def has_numeric_names(card: ModelCard) -> bool:
    """Whether any of a network's classes is named by a number."""
    return any(_NUMBER.fullmatch(name) for name in card.class_names)


def _by_name(card: ModelCard) -> list[Naming]:
    names = [card.class_names]
    if card.tasks:
        names.append(tuple(f"{task.name}:{name}" for task in card.tasks for name in task.class_names))
    synsets = [Naming.of(card.synsets)] if card.synsets else []
    return [*map(Naming.of, names), *synsets, *(Naming.of(own_names, _simplify) for own_names in names)]


def _simplify(name: str) -> str:
    """A name without case, apostrophes and separators of words."""
    return " ".join(nfc(name).casefold().translate(_LOOSE).split())


def find_class(card: ModelCard, word: str) -> int | None:
    """The index of the only class with this name, `task:name`, synset or index, ignoring case; None if there is none."""
    return find_unique(word, namings(card))


def find_classes(card: ModelCard, names: Iterable[str]) -> list[int | None]:
    """The index of the only class with each name, as in `find_class`, but by name or synset only."""
    by_name = _by_name(card)
    return [find_unique(name, by_name) for name in names]


def find_unique(word: str, candidates: Sequence[Naming]) -> int | None:
    """The only class with this name, in the first naming that has exactly one."""
    return next((indices[0] for naming in candidates if len(indices := naming.find(word)) == 1), None)


def class_indices(card: ModelCard, names: Sequence[str]) -> list[int]:
    """Indices of classes that are given by name, `task:name`, synset or index, without repetitions.

    Raises:
        UsageError: there is no such class; the hint has the closest names.
    """
    candidates = namings(card)
    indices: list[int] = []
    for name in names:
        index = find_unique(name, candidates)
        if index is None:
            raise _class_error(card, name)
        indices.append(index)
    return list(dict.fromkeys(indices))


def _class_error(card: ModelCard, name: str) -> UsageError:
    """Error for the name of several classes, or of none."""
    names = distinct_names(card)
    same_name = [index for index, other in enumerate(card.class_names) if other.lower() == name.lower()]
    if same_name:
        instead = (names[index] if card.tasks else str(index) for index in same_name)
        return UsageError(
            f"{card.name} has {len(same_name)} classes called {name!r}",
            f"use the {'task and the name' if card.tasks else 'index'} instead: {' or '.join(instead)}",
        )
    import difflib  # only for this message

    close = difflib.get_close_matches(name.lower(), dict.fromkeys(other.lower() for other in names), 4)
    hint = f"did you mean {', '.join(close)}?" if close else _valid_classes(card)
    return UsageError(f"{card.name} has no class {name!r}", hint)


def _valid_classes(card: ModelCard) -> str:
    """How the classes of a network are named, as a hint."""
    if card.tasks:
        return f"its classes are {shortlist(distinct_names(card))}"
    if has_numeric_names(card):
        return f"its classes are {shortlist(card.class_names)}; with such names, a number is no index"
    return (
        f"its classes are {shortlist(card.class_names)}; or give an index, 0 to {len(card.class_names) - 1}"
    )
